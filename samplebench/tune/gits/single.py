"""Steps of a student that keeps nothing, made from the teacher's states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.models.bound import Bound
from samplebench.tune.gits.steps import on

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.sampling.setting import Setting
    from samplebench.tune.gits.teacher import Taught


class Continued(Bound):
    """A model whose first answer is known already.

    Args:
        answer: it, like the state.
        given: as for `Bound`.
    """

    def __init__(self, answer: Tensor, *given: Any) -> None:
        super().__init__(*given)
        self.answer: Tensor | None = answer

    def __call__(self, x: Tensor, sigma: float | Tensor, rows: Tensor | None = None) -> Tensor:
        if (answer := self.answer) is None:
            return super().__call__(x, sigma, rows)
        self.answer = None
        return answer.to(x)


def further(student: Setting) -> int:
    """Evaluations of a step down to a positive level, beyond its first."""
    return on(student, student.timeline.grid[:2].numpy()).evaluations - 1


def ends_of(
    taught: Taught, student: Setting, model: Any, labels: Tensor | None, guidance: Any
) -> Iterator[tuple[int, int, Tensor, int]]:
    """(i, j, states [W, P] at stamp j, images evaluated) of the student's step of every pair."""
    import torch

    shape = (len(taught.states), *model.shape)
    device = getattr(model, "device", None)
    for i, j in zip(*np.triu_indices(taught.stamps, 1), strict=True):
        levels = taught.levels[[i, j]]
        answer = taught.answers[:, i].reshape(shape).to(device)
        bound = Continued(answer, model, labels, shape[0], guidance)
        x = taught.states[:, i].reshape(shape).to(device) / float(levels[0])
        with torch.no_grad(), student.solver.guarded():
            end = on(student, levels).run(bound, x, None)
        yield int(i), int(j), end.flatten(1).cpu(), bound.images

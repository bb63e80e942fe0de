"""Steps of a student that keeps nothing, made from the teacher's states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np

from samplebench.tune.gits.steps import on

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound
    from samplebench.sampling.setting import Setting
    from samplebench.tune.gits.teacher import Taught


class Continued:
    """What a sampler sees of a model whose first answer is known already.

    Args:
        bound: the model, which counts the others.
        answer: of the first state, like it.
    """

    def __init__(self, bound: Bound, answer: Tensor) -> None:
        self.bound, self.answer = bound, [answer]
        self.sigma_min, self.sigma_max = bound.sigma_min, bound.sigma_max
        self.round_sigma = bound.round_sigma

    def __call__(self, x: Tensor, sigma: float | Tensor, rows: Tensor | None = None) -> Tensor:
        return self.answer.pop().to(x) if self.answer else self.bound(x, sigma, rows)


def further(student: Setting) -> int:
    """Evaluations of a step down to a positive level, beyond its first."""
    return on(student, student.timeline.grid[:2].numpy()).evaluations - 1


def ends_of(
    taught: Taught, student: Setting, bound: Bound, like: Tensor
) -> Iterator[tuple[int, int, Tensor]]:
    """(i, j, states [W, P] at stamp j) of the student's step of every pair of stamps.

    Args:
        bound: the model with the labels of the W latents.
        like: the latents.
    """
    import torch

    for i, j in zip(*np.triu_indices(taught.stamps, 1), strict=True):
        levels = taught.levels[[i, j]]
        known, x = (part[:, i].reshape(like.shape) for part in (taught.answers, taught.states))
        view = Continued(bound, known.to(like))
        with torch.no_grad(), student.solver.guarded():
            # The run multiplies by the first level.
            end = on(student, levels).run(cast("Bound", view), x.to(like) / float(levels[0]), None)
        yield int(i), int(j), end.flatten(1).cpu()

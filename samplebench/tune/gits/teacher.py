"""A teacher's trajectories: states on many stamps, and what the model answered at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import UsageError
from samplebench.models.bound import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from samplebench.sampling.setting import Setting

# A level that has been a sampler's own time and back is the stamp but for rounding.
_SAME_LEVEL = 1e-9


@dataclass(frozen=True)
class Taught:
    """W trajectories of a teacher on M stamps.

    Attributes:
        levels: float64 [M], decreasing, the last 0 where the teacher went on to it.
        states: [W, M, P] on the host, P numbers a sample: where the model was last asked at a
            stamp; at the last stamp the result.
        answers: D of all states but the last, [W, M - 1, P].
        images: evaluations that it took in all.
    """

    levels: np.ndarray
    states: Tensor
    answers: Tensor
    images: int

    @property
    def stamps(self) -> int:
        return len(self.levels)


class Recorder(Bound):
    """A model that keeps what it was asked at the stamps, and its answers.

    What is kept is the model's own, before any end rule: GITS's slopes are raw ones.

    Args:
        levels: of the stamps where it is to be asked, float64 [M - 1].
        keep: told (number of the stamp, state, answer) each time.
        given: as for `Bound`.
    """

    def __init__(
        self,
        levels: np.ndarray,
        keep: Callable[[int, Tensor, Tensor], None],
        *given: Any,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self.levels, self.keep = levels, keep

    def __call__(self, x: Tensor, sigma: float | Tensor, rows: Tensor | None = None) -> Tensor:
        # Before the answer: a sampler may write on its state.
        asked = x.flatten(1).cpu().clone()
        answer = super().__call__(x, sigma, rows)
        near = np.isclose(self.levels, float(sigma), rtol=_SAME_LEVEL, atol=0)
        if near.any():
            self.keep(int(near.argmax()), asked, answer.flatten(1).cpu())
        return answer


def teach(
    setting: Setting,
    model: Any,
    latents: Tensor,
    labels: Tensor | None = None,
    *,
    guidance: Any = None,
    batch: int = 64,
    report: Callable[[int], None] | None = None,
) -> Taught:
    """Runs a teacher and keeps its trajectories (Chen et al. 2024, section 3.2).

    Args:
        setting: a deterministic sampler on the stamps, its grid, which ends in sigma_min or in 0;
            GITS's own is ipndm, 61 stamps of "edm" with rho 7, final="sigma_min".
        latents: unit normal [W, C, H, W'], apart from those that a grid is judged by.
        labels: int64 [W] or None.
        guidance: as for `Bound`.
        batch: latents at once.
        report: called with the number of latents after each batch.

    Raises:
        UsageError: the sampler draws noise, or does not ask the model at every stamp.
    """
    import torch

    if setting.solver.stochastic(setting.params):
        raise UsageError(f"a teacher is deterministic; sampler {setting.solver.name} draws noise")
    levels = np.array(setting.timeline.grid.tolist())
    size = latents[0].numel()
    states = torch.empty(len(latents), len(levels), size, dtype=latents.dtype)
    answers = torch.empty(len(latents), len(levels) - 1, size, dtype=latents.dtype)
    images = 0
    for first in range(0, len(latents), batch):
        part = slice(first, first + batch)
        seen: set[int] = set()

        def keep(stamp: int, state: Tensor, answer: Tensor, part: slice = part) -> None:
            states[part, stamp], answers[part, stamp] = state, answer
            seen.add(stamp)  # noqa: B023

        few = latents[part]
        of = None if labels is None else labels[part]
        bound = Recorder(levels[:-1], keep, model, of, len(few), guidance)
        with torch.no_grad(), setting.solver.guarded():
            end = setting.run(bound, few, None)
        states[part, -1] = end.flatten(1).cpu()
        if missing := set(range(len(levels) - 1)) - seen:
            raise UsageError(
                f"sampler {setting.solver.name} is no teacher: it does not ask the model at noise "
                f"level {levels[min(missing)]:g}; ipndm, euler and heun do"
            )
        images += bound.images
        if report:
            report(len(few))
    return Taught(levels, states, answers, images)

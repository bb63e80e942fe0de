"""A teacher's trajectories: states on many stamps, and what the model answered at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from samplebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from samplebench.models.bound import Bound
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
    """

    levels: np.ndarray
    states: Tensor
    answers: Tensor

    @property
    def stamps(self) -> int:
        return len(self.levels)


class Recorder:
    """What a sampler sees of a model, and a note of what it asks at the stamps.

    What is kept is the model's own answer, before any end rule: GITS's slopes are raw ones.

    Args:
        bound: the model, which counts.
        levels: of the stamps where it is to be asked, float64 [M - 1].
        keep: told (number of the stamp, state, answer) each time.
    """

    def __init__(
        self, bound: Bound, levels: np.ndarray, keep: Callable[[int, Tensor, Tensor], None]
    ) -> None:
        self.bound, self.levels, self.keep = bound, levels, keep
        self.sigma_min, self.sigma_max = bound.sigma_min, bound.sigma_max
        self.round_sigma = bound.round_sigma

    def __call__(self, x: Tensor, sigma: float | Tensor, rows: Tensor | None = None) -> Tensor:
        # Before the answer: a sampler may write on its state.
        asked = x.flatten(1).cpu().clone()
        answer = self.bound(x, sigma, rows)
        near = np.isclose(self.levels, float(sigma), rtol=_SAME_LEVEL, atol=0)
        if near.any():
            self.keep(int(near.argmax()), asked, answer.flatten(1).cpu())
        return answer


def teach(setting: Setting, bound: Bound, latents: Tensor) -> Taught:
    """Runs a teacher and keeps its trajectories (Chen et al. 2024, section 3.2).

    Args:
        setting: a deterministic sampler on the stamps, its grid, which ends in sigma_min or in 0;
            GITS's own is ipndm, 61 stamps of "edm" with rho 7, final="sigma_min".
        bound: the model with the labels of the W latents.
        latents: unit normal [W, C, H, W'], apart from those that a grid is judged by.

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
    seen: set[int] = set()

    def keep(stamp: int, state: Tensor, answer: Tensor) -> None:
        states[:, stamp], answers[:, stamp] = state, answer
        seen.add(stamp)

    with torch.no_grad(), setting.solver.guarded():
        end = setting.run(cast("Bound", Recorder(bound, levels[:-1], keep)), latents, None)
    states[:, -1] = end.flatten(1).cpu()
    if missing := set(range(len(levels) - 1)) - seen:
        raise UsageError(
            f"sampler {setting.solver.name} cannot be a teacher: it does not evaluate the model at "
            f"noise level {levels[min(missing)]:g}; ipndm, euler and heun do"
        )
    return Taught(levels, states, answers)

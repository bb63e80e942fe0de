"""Where the probability-flow ODE leads from the first latents of a set, for truncation errors."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.sampling.setting import Setting
from samplebench.trajectory.measure import unit_of
from samplebench.trajectory.plan import on_levels, refuse_noise
from samplebench.trajectory.reference import solve
from samplebench.trajectory.tally import levels_of, start_of

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.board.store import Shelf

# Of a set: its reference solution takes thousands of evaluations.
FOLLOWED = 256
# Errors on a board of up to 50 evaluations are above 1e-6.
RTOL = 1e-9


def follows(model: Any, setting: Setting) -> bool:
    """Whether a sampler has a truncation error: it is deterministic, on noise levels that the
    reference solution has, and follows the model's own D."""
    if setting.timeline.constants.get("thresholding"):
        return False
    try:
        on_levels(model, setting.solver.name)
        refuse_noise(setting)
    except UsageError:
        return False
    return True


class Truths:
    """End states of the ODE for one set of latents, solved once per start and kept.

    Args:
        model: with an exact denoiser down to sigma = 0.
        latents: unit normal [N, C, H, W], of which the first `FOLLOWED` are followed.
        labels: theirs.
        settings: all whose ends may be asked for.
        store: keeps the solutions.
        conditions: of what model and latents are.
        report: called with sigma at every evaluation.
    """

    def __init__(
        self,
        model: Any,
        latents: Tensor,
        labels: Tensor | None,
        settings: Iterable[Setting],
        store: Shelf,
        conditions: Mapping[str, Any],
        report: Callable[[float], None],
    ) -> None:
        self.latents = latents[:FOLLOWED]
        self.labels = None if labels is None else labels[:FOLLOWED]
        self.model, self.store, self.conditions, self.report = model, store, conditions, report
        # The end at 0 is solved for anyhow.
        self._ends: dict[tuple[float, float], set[float]] = defaultdict(lambda: {0.0})
        for setting in settings:
            self._ends[_start(setting)].add(levels_of(setting)[-1])
        self._solved: dict[tuple[float, float], dict[float, np.ndarray]] = {}

    def error(self, setting: Setting, x: Tensor) -> float:
        """Median over the followed samples of the root mean square error of each; inf where it is
        no number.

        Args:
            x: the sampler's images [N, C, H, W], from these latents.
        """
        start = _start(setting)
        if start not in self._solved:
            self._solved[start] = self._solve(start)
        truth = self._solved[start][levels_of(setting)[-1]]
        away = x[:FOLLOWED].cpu().double().flatten(1).numpy() - truth
        found = float(np.median(np.sqrt(np.square(away).mean(1))))
        return found if math.isfinite(found) else math.inf

    def _solve(self, start: tuple[float, float]) -> dict[float, np.ndarray]:
        """States by noise level, flat."""
        ends = sorted(self._ends[start])
        facts = {"start": [*start], "ends": ends, "followed": FOLLOWED, "rtol": RTOL}
        conditions = {**self.conditions, "truth": facts}
        kept = self.store.arrays(conditions)
        names = {end: f"at-{end!r}" for end in ends}
        if kept is None or set(kept) != set(names.values()):
            sigma, unit = start
            bound = Bound(self.model, self.labels, len(self.latents))
            positive = [end for end in ends if end > 0]
            found = solve(bound, self.latents * unit, sigma, positive, RTOL, self.report)
            kept = {names[end]: found.states[end].flatten(1).numpy() for end in ends}
            self.store.keep_arrays(conditions, kept)
        return {end: kept[name] for end, name in names.items()}


def _start(setting: Setting) -> tuple[float, float]:
    """The first noise level, and what latents are multiplied by beside it."""
    return start_of(setting), unit_of(setting)

"""The probability-flow ODE from the judging latents: what the errors of grids are measured by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.rounding import rounded
from samplebench.cards.levels import LevelsCard
from samplebench.errors import UsageError
from samplebench.sampling.setting import Setting, prepare
from samplebench.timelines.words import Words
from samplebench.trajectory.measure import followed
from samplebench.trajectory.reference import solve, tolerance
from samplebench.tune.problem import RHO, Problem

if TYPE_CHECKING:
    from torch import Tensor

# Errors of grids of few steps are far above; the solve is given up after so many evaluations.
_RTOL, _MOST = 1e-6, 2000
# One-step, so that levels of other grids may stand beside its own.
_FINE, _LEVELS = "heun", 128
# Levels nearer than that are one.
_SAME = 1e-6
# Levels by which it is seen whether the model knows any, or those of a table alone.
_PROBES = 7


@dataclass(frozen=True)
class FineSolution:
    """The solution from the latents of a problem.

    Attributes:
        words: how it was found.
        end: where it ends, float64 [W, C, H, W].
        states: by the levels asked for.
    """

    words: str
    end: Tensor
    states: Mapping[float, Tensor]


def flow_of(problem: Problem, levels: Sequence[float]) -> FineSolution:
    """DOP853's solution where the model can be followed, else Heun's on a fine grid.

    Args:
        levels: positive noise levels whose states are needed, up to the baseline's first.
    """
    if _known_anywhere(problem.model, *problem.span):
        try:
            return _followed(problem, levels)
        except UsageError:
            # Not smooth enough, or not finite somewhere between.
            pass
    return _fine(problem, levels)


def _known_anywhere(model: Any, low: float, high: float) -> bool:
    """Whether the model answers at any noise level, and not at those of a table alone."""
    own: Callable[[Any], Any] | None = getattr(model, "round_sigma", None)
    if own is None:
        return True
    probes = np.geomspace(low, high, _PROBES + 2)[1:-1].tolist()
    return all(rounded(own, level) == level for level in probes)


def _followed(problem: Problem, levels: Sequence[float]) -> FineSolution:
    low, high = problem.solved
    with problem.counted(0, "DOP853") as bound:
        rtol = max(_RTOL, tolerance(bound, problem.latents, math.sqrt(low * high)))
        found = solve(
            bound, problem.latents, high, [*levels, low], rtol, lambda sigma: None, most=_MOST
        )
        end = found.end(low) if problem.ends_at_zero else found.states[low]
    truth = found.truth
    words = f"DOP853, rtol {truth.rtol:.1g}, error about {truth.error:.1g}"
    return FineSolution(words, end, found.states)


def _fine(problem: Problem, levels: Sequence[float]) -> FineSolution:
    final = "zero" if problem.ends_at_zero else "sigma_min"
    words = Words(nfe=2 * _LEVELS, rho=RHO, params={"final": final})
    own = prepare(problem.model, _FINE, words=words).timeline.grid.tolist()
    grid = _joined(own, levels, problem.solved)
    setting = prepare(
        problem.model, _FINE, words=Words(discretization=LevelsCard("fine", tuple(grid)))
    )
    states = _states(problem, setting, grid)
    return FineSolution(
        f"Heun's on {len(grid) - 1} steps, as D is known at a table's levels alone"
        if not _known_anywhere(problem.model, *problem.span)
        else f"Heun's on {len(grid) - 1} steps, as DOP853 cannot follow the model",
        states[grid[-1]],
        {level: states[_nearest(grid, level)] for level in levels},
    )


def _joined(
    own: Sequence[float], levels: Sequence[float], span: tuple[float, float]
) -> list[float]:
    """Levels of a fine grid and those asked for, each once; the ends are the span's, and 0."""
    low, high = span
    wanted = sorted({low, high, *(level for level in levels if low < level < high)}, reverse=True)
    between = (x for x in own if low < x < high)
    free = [x for x in between if all(abs(x / y - 1) > _SAME for y in wanted)]
    kept: list[float] = []
    for level in sorted((*wanted, *free), reverse=True):
        if not kept or kept[-1] / level - 1 > _SAME:
            kept.append(level)
    kept[-1] = low
    return [*kept, *([0.0] if own[-1] == 0 else [])]


def _states(problem: Problem, setting: Setting, grid: Sequence[float]) -> dict[float, Tensor]:
    """Of a run its states by level, the start and the end among them, float64 on the host."""
    states = {grid[0]: problem.latents.cpu().double() * grid[0]}

    def note(step: int, x: Tensor) -> None:
        states[grid[step + 1]] = x.cpu().double()

    planned = setting.evaluations * len(problem.seeds)
    with problem.counted(planned, "fine solution") as bound:
        end = followed(setting, bound, problem.latents, note)
    return {**states, grid[-1]: end.cpu().double()}


def _nearest(grid: Sequence[float], level: float) -> float:
    return min((x for x in grid if x > 0), key=lambda x: abs(math.log(x / level)))

"""Restart (Xu et al. 2023, Algorithm 1): Heun steps, and back up with fresh noise in intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from samplebench.answers.rounding import rounded
from samplebench.errors import UsageError
from samplebench.processes.karras import rho_levels
from samplebench.registry import samplers
from samplebench.samplers.probability_flow import check_signs, draw, heun_step
from samplebench.samplers.restart_intervals import Interval, intervals_of, placed, written
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

RHO = 7.0


def _levels(
    steps: int, model: Any, sigma_min: float, sigma_max: float, intervals: Any, K: int | None
) -> list[float]:
    """EDM's levels and 0; whether the intervals fit is seen here, before anything runs."""
    if steps < 2:
        raise UsageError(f"steps={steps}: restart needs at least 2")
    levels = _rounded(model, rho_levels(steps, sigma_min, sigma_max, RHO).tolist())
    placed(intervals_of(intervals, K), levels)
    return [*levels, 0.0]


def _evaluations(steps: int, intervals: Any = None, K: int | None = None) -> int:
    found = intervals_of(intervals, K)
    return 2 * steps - 1 + sum(2 * each.K * (each.N_restart - 1) for each in found)


def _noises(steps: int, params: dict[str, Any]) -> int:
    found = intervals_of(params["intervals"], params["K"])
    return steps + sum(each.K * each.N_restart for each in found)


def _stochastic(params: dict[str, Any]) -> bool:
    return any(each.K for each in intervals_of(params["intervals"], params["K"]))


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    found = [each for each in intervals_of(params["intervals"], params["K"]) if each.K]
    S_noise = params["S_noise"] if found else 1.0
    return "restart", {"intervals": written(found), "K": None, "S_noise": S_noise}


@samplers.register(
    "restart",
    timeline="own",
    order=2,
    evaluations=_evaluations,
    levels=_levels,
    stochastic=_stochastic,
    noises=_noises,
    canonical=_canonical,
    cite=("xu2023restart", "karras2022edm"),
)
def restart(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    intervals: str | Sequence[Sequence[float]] | None = None,
    K: int | None = None,
    S_noise: float = 1.0,
) -> Tensor:
    """Restart on Heun steps, order 2, 2N - 1 + sum of 2 K (N_R - 1) evaluations for N steps.

    Its levels are EDM's with rho = 7, down to 0. Where it reaches t_min of an interval, it goes K
    times up to t_max with fresh noise and down again on N_R such levels. t_min is the nearest of
    the levels to the one asked for. A draw for each jump, and one, unused, for each Heun step.

    Args:
        intervals: N_R:K:t_min:t_max, several joined by "/" in any order, or in Python a list of
            [N_R, K, t_min, t_max]. None for 3:2:0.06:0.3, which costs 8 evaluations.
        K: for every interval, in place of its own; 0 is heun.
        S_noise: standard deviation of the noise of a jump.

    Raises:
        UsageError: intervals that are none, that overlap, or that do not fit the levels; S_noise
            negative.
    """
    check_signs(S_noise=S_noise)
    found = intervals_of(intervals, K)
    stochastic = any(each.K for each in found)
    path = _path(model, grid.tolist(), found)
    for i, (sigma, sigma_next, jump) in enumerate(path):
        if jump > 0:
            x = x + jump * S_noise * draw(noise, x)
        if stochastic:
            draw(noise, x)
        x, denoised = heun_step(model, x, sigma, sigma_next)
        if callback:
            callback(Step(i, x, sigma_next, denoised))
    return x


def _path(
    model: Bound, levels: list[float], intervals: Sequence[Interval]
) -> list[tuple[float, float, float]]:
    """Of every Heun step its two levels, and before it the standard deviation of a jump or 0."""
    starts = placed(intervals, [level for level in levels if level > 0])
    path = []
    for i, (sigma, sigma_next) in enumerate(pairwise(levels), 1):
        path.append((sigma, sigma_next, 0.0))
        if i in starts:
            each = starts[i]
            inner = rho_levels(each.N_restart, sigma_next, each.t_max, RHO).tolist()
            inner = [*_rounded(model, inner[:-1]), sigma_next]
            jump = math.sqrt(inner[0] ** 2 - sigma_next**2)
            steps = list(pairwise(inner))
            for _ in range(each.K):
                path += [(a, b, jump if k == 0 else 0.0) for k, (a, b) in enumerate(steps)]
    return path


def _rounded(model: Any, levels: list[float]) -> list[float]:
    """The nearest levels that the model knows."""
    nearest = getattr(model, "round_sigma", float)
    return [rounded(nearest, level) for level in levels]

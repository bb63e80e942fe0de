"""Restart (Xu et al. 2023, Algorithm 1): Heun steps, and back up with fresh noise in intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from samplebench.answers.rounding import rounded
from samplebench.processes.karras import rho_levels
from samplebench.registry import samplers
from samplebench.samplers.probability_flow import check_signs, draw, heun_step, two_stages
from samplebench.samplers.restart_intervals import Interval, intervals_of, placed, written
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

RHO = 7.0
USUAL_K = 2


def _levels(
    steps: int, model: Any, sigma_min: float, sigma_max: float, intervals: Any, K: int
) -> list[float]:
    """EDM's levels as the model knows them, and 0; intervals that do not fit are refused here."""
    nearest = getattr(model, "round_sigma", float)
    levels = [rounded(nearest, t) for t in rho_levels(steps, sigma_min, sigma_max, RHO).tolist()]
    placed(_used(intervals, K), levels)
    return [*levels, 0.0]


def _used(intervals: Any, K: int) -> list[Interval]:
    """The intervals that are gone through."""
    return [each for each in intervals_of(intervals, K) if each.K]


def _evaluations(steps: int, intervals: Any = None, K: int = USUAL_K) -> int:
    found = _used(intervals, K)
    return two_stages(steps) + sum(2 * each.K * (each.N_restart - 1) for each in found)


def _noises(steps: int, params: dict[str, Any]) -> int:
    found = _used(params["intervals"], params["K"])
    return steps + sum(each.K * each.N_restart for each in found)


def _stochastic(params: dict[str, Any]) -> bool:
    return bool(_used(params["intervals"], params["K"]))


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    found = _used(params["intervals"], params["K"])
    S_noise = params["S_noise"] if found else 1.0
    return "restart", {"intervals": written(found), "S_noise": S_noise}


@samplers.register(
    "restart",
    timeline="own",
    order=2,
    evaluations=_evaluations,
    levels=_levels,
    least=2,
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
    K: int = USUAL_K,
    S_noise: float = 1.0,
) -> Tensor:
    """Restart on Heun steps, order 2 at K = 0, 2N - 1 + sum of 2 K (N_R - 1) evaluations.

    Its levels are EDM's with rho = 7, down to 0. Where it reaches t_min of an interval, it goes K
    times up to t_max with fresh noise and down again on N_R such levels. t_min is the nearest of
    the levels to the one asked for. A draw for each jump, and one, unused, for each Heun step.

    Args:
        intervals: N_R:K:t_min:t_max or N_R:t_min:t_max, several joined by "/" in any order; in
            Python also a list of [N_R, K, t_min, t_max]. None for 3:0.06:0.3.
        K: of the intervals that do not say theirs, 0 or more; without any it is heun.
        S_noise: standard deviation of the noise of a jump.

    Raises:
        UsageError: intervals that are none, that overlap, or that do not fit the levels; S_noise
            negative.
    """
    check_signs(S_noise=S_noise)
    found = _used(intervals, K)
    path = _path(grid.tolist(), found)
    for i, (sigma, sigma_next, jump) in enumerate(path):
        if jump > 0:
            x = x + jump * S_noise * draw(noise, x)
        if found:
            draw(noise, x)
        x, denoised = heun_step(model, x, sigma, sigma_next)
        if callback:
            callback(Step(i, x, sigma_next, denoised))
    return x


def _path(
    levels: Sequence[float], intervals: Sequence[Interval]
) -> list[tuple[float, float, float]]:
    """Of every Heun step its two levels, and before it the standard deviation of a jump or 0."""
    starts = placed(intervals, [level for level in levels if level > 0])
    path = []
    for i, (sigma, t_min) in enumerate(pairwise(levels), 1):
        path.append((sigma, t_min, 0.0))
        if i in starts:
            each = starts[i]
            between = rho_levels(each.N_restart, t_min, each.t_max, RHO)[1:-1]
            steps = list(pairwise([each.t_max, *between.tolist(), t_min]))
            jump = math.sqrt(each.t_max**2 - t_min**2)
            for _ in range(each.K):
                path += [(a, b, 0.0 if k else jump) for k, (a, b) in enumerate(steps)]
    return path

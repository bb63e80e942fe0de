"""DPM-Solver-2 as a two-stage rule in sigma, with EDM's noise injection (k-diffusion)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError
from samplebench.registry import samplers
from samplebench.samplers.like import final, resolved
from samplebench.samplers.probability_flow import (
    Churn,
    churns,
    decisive,
    late,
    two_stages,
    without_idle,
)
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """At r = 1 it is Heun's step."""
    kept = resolved(without_idle(params))
    if kept["r"] == 1:
        del kept["r"]
        return "heun", kept
    return "dpm-2", kept


@samplers.register(
    "dpm-2",
    order=2,
    evaluations=two_stages,
    final=final,
    stochastic=churns,
    canonical=_canonical,
    decisive=decisive,
    late=late,
    code="k-diffusion",
    cite=("lu2022dpmsolver", "crowson2022kdiffusion", "karras2022edm"),
)
def dpm_2(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    r: float = 0.5,
    like: str = "k-diffusion",
    S_churn: float = 0.0,
    S_min: float = 0.0,
    S_max: float = math.inf,
    S_noise: float = 1.0,
) -> Tensor:
    """Midpoint rule in sigma through a^(1-r) b^r, order 2, 2N - 1 evaluations; 2N to sigma_min.

    At r = 1/2 the steps are those of dpm-solver-2.

    Args:
        r: place of the second stage in (0, 1], in log sigma; at 1 it is Heun's step.
        like: where the grid ends: "k-diffusion" at 0, by Euler's step; "diff-sampler" at sigma_min.
        S_churn, S_min, S_max, S_noise: EDM's noise injection; deterministic at S_churn = 0.

    Raises:
        UsageError: r outside (0, 1], or an unknown word.
    """
    if not 0 < r <= 1:
        raise UsageError(f"dpm-2.r={r}: the second stage lies in (0, 1], e.g. r=0.5")
    levels = grid.tolist()
    churn = Churn(S_churn, S_min, S_max, S_noise)
    for i, (sigma, b) in enumerate(pairwise(levels)):
        x_hat, a = churn.at_level(model, x, sigma, len(levels) - 1, noise, rounds=False)
        denoised = model(x_hat, a)
        d = (x_hat - denoised) / a
        if b > 0:
            middle = a ** (1 - r) * b**r
            x_middle = x_hat + (middle - a) * d
            denoised = model(x_middle, middle)
            d_middle = (x_middle - denoised) / middle
            d = (1 - 1 / (2 * r)) * d + 1 / (2 * r) * d_middle
        x = x_hat + (b - a) * d
        if callback:
            callback(Step(i, x, b, denoised))
    return x

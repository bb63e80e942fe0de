"""DPM-Solver++(2S) (Lu et al. 2022b, Algorithm 1) with ancestral noise (k-diffusion)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from samplebench.registry import samplers
from samplebench.samplers.ancestral import ancestral, check_share, draws, or_quiet, renoised
from samplebench.samplers.probability_flow import check_signs, two_stages
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


@samplers.register(
    "dpmpp-2s-ancestral",
    order=2,
    evaluations=two_stages,
    stochastic=draws,
    canonical=or_quiet("dpmpp-2s-ancestral", "dpm-solver-2", predicts="x0"),
    code="k-diffusion",
    cite=("lu2022dpmpp", "crowson2022kdiffusion"),
)
def dpmpp_2s_ancestral(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    eta: float = 1.0,
    S_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver++(2S) with ancestral noise, order 2 at eta = 0, 2N - 1 evaluations for N steps.

    Args:
        eta: share of fresh noise, 0 to 1; deterministic at 0. Above 1 a step would go down to 0 at
            once, where it has no second stage.
        S_noise: its standard deviation.

    Raises:
        UsageError: one out of its range.
    """
    check_signs(eta=eta, S_noise=S_noise)
    check_share(eta)
    for i, (a, b) in enumerate(pairwise(grid.tolist())):
        denoised = model(x, a)
        down, up = ancestral(a, b, eta)
        if down > 0:
            middle = math.sqrt(a * down)
            x_middle = middle / a * x + (1 - middle / a) * denoised
            denoised = model(x_middle, middle)
        x = down / a * x + (1 - down / a) * denoised
        x = renoised(x, up, eta, S_noise, noise)
        if callback:
            callback(Step(i, x, b, denoised))
    return x

"""DPM-Solver++ (SDE), singlestep with two ancestral steps (k-diffusion)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from samplebench.registry import samplers
from samplebench.samplers.ancestral import ancestral, draws, or_quiet, renoised
from samplebench.samplers.probability_flow import check_signs, draw, two_stages
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


@samplers.register(
    "dpmpp-sde",
    order=2,
    evaluations=two_stages,
    stochastic=draws,
    noises=lambda steps, params: 2 * steps,
    canonical=or_quiet("dpmpp-sde", "dpm-solver-2", predicts="x0"),
    code="k-diffusion",
    cite=("lu2022dpmpp", "crowson2022kdiffusion"),
)
def dpmpp_sde(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    eta: float = 1.0,
    S_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver++ (SDE), order 2 at eta = 0, 2N - 1 evaluations and 2N draws for N steps.

    One ancestral step to the middle in log sigma, and one with what is predicted there. The noise
    of its code is a Brownian tree; here the draws are independent.

    Args:
        eta: share of fresh noise, 0 or more; deterministic at 0.
        S_noise: its standard deviation.

    Raises:
        UsageError: a negative one.
    """
    check_signs(eta=eta, S_noise=S_noise)
    for i, (a, b) in enumerate(pairwise(grid.tolist())):
        denoised = model(x, a)
        if b > 0:
            middle = math.sqrt(a * b)
            down, up = ancestral(a, middle, eta)
            x_middle = down / a * x + (1 - down / a) * denoised
            x_middle = renoised(x_middle, up, eta, S_noise, noise)
            denoised = model(x_middle, middle)
        elif eta > 0:
            draw(noise, x)  # as many draws in every step
        down, up = ancestral(a, b, eta)
        x = down / a * x + (1 - down / a) * denoised
        x = renoised(x, up, eta, S_noise, noise)
        if callback:
            callback(Step(i, x, b, denoised))
    return x

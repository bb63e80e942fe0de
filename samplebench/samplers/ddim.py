"""DDIM on a grid of noise levels (Song, Meng & Ermon 2021, Eq. 12 and 16)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from samplebench.errors import UsageError
from samplebench.registry import samplers
from samplebench.samplers.ancestral import draws, or_quiet
from samplebench.samplers.probability_flow import draw
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


@samplers.register(
    "ddim",
    order=1,
    evaluations=lambda steps: steps,
    stochastic=draws,
    canonical=or_quiet("ddim", "euler"),
    on={"discrete": "ddim-native"},
    cite=("song2021ddim",),
)
def ddim(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    eta: float = 0.0,
) -> Tensor:
    """DDIM, order 1 at eta = 0, N evaluations; eta = 1 is DDPM's ancestral step.

    The paper's x_t is sqrt(alpha_bar) x here, with alpha_bar = 1 / (1 + sigma^2); divided by it,
    Eq. 12 keeps x0 = D and splits the next level into a kept and a fresh part.

    Args:
        eta: share of fresh noise in [0, 1] (Eq. 16).

    Raises:
        UsageError: eta outside [0, 1].
    """
    if not 0 <= eta <= 1:
        raise UsageError(f"eta={eta}: DDIM's share of fresh noise lies in [0, 1]")
    levels = grid.tolist()
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        denoised = model(x, sigma)
        eps = (x - denoised) / sigma
        fresh = eta * sigma_next * math.sqrt(max(1 - (sigma_next / sigma) ** 2, 0))
        x = denoised + math.sqrt(sigma_next**2 - fresh**2) * eps
        if eta > 0:
            x = x + fresh * draw(noise, x)
        if callback:
            callback(Step(i, x, sigma_next, denoised))
    return x

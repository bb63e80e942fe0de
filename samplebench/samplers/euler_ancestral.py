"""Euler's method with ancestral noise (k-diffusion)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from samplebench.registry import samplers
from samplebench.samplers.ancestral import ancestral, draws, renoised
from samplebench.samplers.probability_flow import check_signs
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """At S_noise = 1 it is DDIM: `up` and `down` are the fresh and the kept part of its noise."""
    if params["eta"] == 0:
        return "euler", {}
    if params["S_noise"] == 1 and 0 < params["eta"] <= 1:
        return "ddim", {"eta": params["eta"]}
    return "euler-ancestral", params


@samplers.register(
    "euler-ancestral",
    order=1,
    evaluations=lambda steps: steps,
    stochastic=draws,
    canonical=_canonical,
    code="k-diffusion",
    cite=("crowson2022kdiffusion", "song2021ddim"),
)
def euler_ancestral(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    eta: float = 1.0,
    S_noise: float = 1.0,
) -> Tensor:
    """Euler steps with ancestral noise, order 1 at eta = 0, N evaluations for N steps.

    Args:
        eta: share of fresh noise, 0 or more; deterministic at 0.
        S_noise: its standard deviation.

    Raises:
        UsageError: a negative one.
    """
    check_signs(eta=eta, S_noise=S_noise)
    for i, (a, b) in enumerate(pairwise(grid.tolist())):
        denoised = model(x, a)
        down, up = ancestral(a, b, eta)
        x = x + (down - a) * (x - denoised) / a
        x = renoised(x, up, eta, S_noise, noise)
        if callback:
            callback(Step(i, x, b, denoised))
    return x

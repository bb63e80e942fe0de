"""EDM's stochastic sampler (Karras et al. 2022, Algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.registry import samplers
from samplebench.samplers.probability_flow import (
    Churn,
    churns,
    decisive,
    heun_step,
    late,
    moves,
    two_stages,
    without_idle,
)
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return ("edm", params) if moves(params) else ("heun", without_idle(params))


@samplers.register(
    "edm",
    order=2,
    evaluations=two_stages,
    stochastic=churns,
    canonical=_canonical,
    decisive=decisive,
    late=late,
    cite=("karras2022edm",),
)
def edm(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    S_churn: float = 0.0,
    S_min: float = 0.0,
    S_max: float = math.inf,
    S_noise: float = 1.0,
) -> Tensor:
    """EDM's stochastic sampler (Algorithm 2): fresh noise, then a Heun step, 2N - 1 evaluations.

    Args:
        S_churn: amount of noise over all N steps; min(S_churn / N, sqrt(2) - 1) per step.
        S_min, S_max: noise levels within which it is added, both ends included.
        S_noise: its standard deviation, slightly above 1 to offset lost detail.
    """
    t = grid.tolist()
    churn = Churn(S_churn, S_min, S_max, S_noise)
    for i in range(len(t) - 1):
        x_hat, t_hat = churn.at_level(model, x, t[i], len(t) - 1, noise)
        x, denoised = heun_step(model, x_hat, t_hat, t[i + 1])
        if callback:
            callback(Step(i, x, t[i + 1], denoised))
    return x

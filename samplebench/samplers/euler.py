"""Euler's method on the probability-flow ODE (Song et al. 2021; Karras et al. 2022, Eq. 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from samplebench.registry import samplers
from samplebench.samplers.probability_flow import (
    Churn,
    ProbabilityFlow,
    churns,
    decisive,
    late,
    without_idle,
)
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


@samplers.register(
    "euler",
    order=1,
    evaluations=lambda steps: steps,
    stochastic=churns,
    canonical=lambda params: ("euler", without_idle(params)),
    decisive=decisive,
    late=late,
    cite=("song2021score", "karras2022edm"),
)
def euler(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    schedule: str = "linear",
    scaling: str = "none",
    epsilon_s: float = 1e-3,
    S_churn: float = 0.0,
    S_min: float = 0.0,
    S_max: float = math.inf,
    S_noise: float = 1.0,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
) -> Tensor:
    """Euler's method on the probability-flow ODE, order 1, N evaluations for N steps.

    Args:
        schedule, scaling: coordinates of the ODE: "linear", "ve" or "vp"; "none" or "vp".
        epsilon_s: time of sigma_min under schedule "vp".
        S_churn, S_min, S_max, S_noise: EDM's noise injection; deterministic at S_churn = 0.
        sigma_min, sigma_max: range the "vp" schedule is fitted to; the grid's by default.
    """
    flow = ProbabilityFlow.on(model, grid, schedule, scaling, epsilon_s, sigma_min, sigma_max)
    churn = Churn(S_churn, S_min, S_max, S_noise)
    x = x * flow.at.s(flow.times[0])
    for i, (t, t_next) in enumerate(pairwise(flow.times)):
        x_hat, t_hat = churn(flow, x, t, noise)
        x = x_hat + (t_next - t_hat) * flow.slope(x_hat, t_hat)
        if callback:
            callback(Step(i, x, float(grid[i + 1]), flow.denoised))
    return flow.end(x)

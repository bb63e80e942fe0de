"""Second-order Runge-Kutta on the probability-flow ODE (Karras et al. 2022, Alg. 1 and 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from samplebench.errors import UsageError
from samplebench.registry import samplers
from samplebench.samplers.probability_flow import (
    Churn,
    ProbabilityFlow,
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


@samplers.register(
    "heun",
    order=2,
    evaluations=two_stages,
    stochastic=churns,
    canonical=lambda params: ("heun", without_idle(params)),
    decisive=decisive,
    late=late,
    cite=("karras2022edm",),
)
def heun(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    alpha: float = 1.0,
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
    """Two-stage Runge-Kutta, order 2, 2N - 1 evaluations: the step into sigma = 0 is Euler's.

    Args:
        alpha: position of the second stage in (0, 1]: 1 Heun, 1/2 midpoint, 2/3 Ralston.
        schedule, scaling, epsilon_s, S_churn, S_min, S_max, S_noise, sigma_min, sigma_max:
            as for euler.

    Raises:
        UsageError: alpha outside (0, 1].
    """
    if not 0 < alpha <= 1:
        raise UsageError(f"alpha={alpha}: the second stage lies in (0, 1], e.g. alpha=1 for Heun")
    flow = ProbabilityFlow.on(model, grid, schedule, scaling, epsilon_s, sigma_min, sigma_max)
    churn = Churn(S_churn, S_min, S_max, S_noise)
    x = x * flow.at.s(flow.times[0])
    for i, (t, t_next) in enumerate(pairwise(flow.times)):
        x_hat, t_hat = churn(flow, x, t, noise)
        h = t_next - t_hat
        d = flow.slope(x_hat, t_hat)
        if t_next > 0:
            d_stage = flow.slope(x_hat + alpha * h * d, t_hat + alpha * h)
            d = (1 - 1 / (2 * alpha)) * d + 1 / (2 * alpha) * d_stage
        x = x_hat + h * d
        if callback:
            callback(Step(i, x, float(grid[i + 1]), flow.denoised))
    return flow.end(x)

"""DPM-Solver++(3M) SDE (k-diffusion, after Lu et al. 2022b)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.registry import samplers
from samplebench.samplers.ancestral import draws, or_quiet
from samplebench.samplers.dpmpp_3m import third_order
from samplebench.samplers.log_snr import with_noise
from samplebench.samplers.multistep import Method, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


@samplers.register(
    "dpmpp-3m-sde",
    order=2,
    evaluations=lambda steps: steps,
    stochastic=draws,
    canonical=or_quiet("dpmpp-3m-sde", "dpmpp-3m", solver_type="heun", lower_order_final=False),
    code="k-diffusion",
    cite=("crowson2022kdiffusion", "lu2022dpmpp"),
)
def dpmpp_3m_sde(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    eta: float = 1.0,
    S_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver++(3M) SDE, order 2 at eta = 0, N evaluations for N steps; a draw per step.

    Args:
        eta: share of fresh noise, at least 0; 1 is the reverse SDE, 0 a dpmpp-3m.
        S_noise: factor of the fresh noise, at least 0.

    Raises:
        UsageError: a negative number.
    """
    rule = with_noise(third_order("x0", "heun", eta=eta), eta, S_noise)
    method = Method(rule, 3, "x0")
    return multistep(model, x, grid, method, noise=noise, stochastic=eta > 0, callback=callback)

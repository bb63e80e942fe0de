"""DPM-Solver++(2M) SDE: the step on the reverse SDE, SDE-DPM-Solver++(2M) (Lu et al. 2022b)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.registry import samplers
from samplebench.samplers.ancestral import draws
from samplebench.samplers.dpmpp_2m import second_order
from samplebench.samplers.log_snr import with_noise
from samplebench.samplers.multistep import Method, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if draws(params):
        return "dpmpp-2m-sde", params
    return "dpmpp-2m", {"solver_type": params["solver_type"], "lower_order_final": False}


@samplers.register(
    "dpmpp-2m-sde",
    order=2,
    evaluations=lambda steps: steps,
    stochastic=draws,
    canonical=_canonical,
    code="k-diffusion",
    cite=("lu2022dpmpp", "crowson2022kdiffusion"),
)
def dpmpp_2m_sde(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    eta: float = 1.0,
    S_noise: float = 1.0,
    solver_type: str = "midpoint",
) -> Tensor:
    """DPM-Solver++(2M) SDE, order 2 at eta = 0, N evaluations for N steps; a draw per step.

    Args:
        eta: share of fresh noise, at least 0; 1 is the reverse SDE, 0 is dpmpp-2m.
        S_noise: factor of the fresh noise, at least 0.
        solver_type: "midpoint", or "heun" where the slope has its Taylor weight.

    Raises:
        UsageError: a negative number or an unknown word.
    """
    rule = with_noise(second_order("x0", solver_type, eta), eta, S_noise)
    method = Method(rule, 2, "x0")
    return multistep(model, x, grid, method, noise=noise, stochastic=eta > 0, callback=callback)

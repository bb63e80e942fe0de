"""Linear multistep on the probability-flow ODE in sigma (k-diffusion's LMS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.registry import samplers
from samplebench.samplers.adams_bashforth import in_sigma
from samplebench.samplers.multistep import Method, check_order, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

MOST = 4


def canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Of every name of the method: with one point it is Euler's."""
    return ("euler", {}) if params["order"] == 1 else ("lms", {"order": params["order"]})


@samplers.register(
    "lms",
    order=lambda params: params["order"],
    evaluations=lambda steps: steps,
    canonical=canonical,
    code="k-diffusion",
    cite=("crowson2022kdiffusion", "zhang2023deis"),
)
def lms(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    order: int = 4,
) -> Tensor:
    """Variable-step Adams-Bashforth in sigma down to 0, order 4, N evaluations for N steps.

    Args:
        order: predictions that a step uses, 1 to 4; the first steps have fewer.

    Raises:
        UsageError: another order.
    """
    method = Method(in_sigma, check_order("lms", order, MOST))
    return multistep(model, x, grid, method, callback=callback)

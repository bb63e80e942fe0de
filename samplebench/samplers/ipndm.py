"""iPNDM: Adams-Bashforth as if all steps were equal (Liu et al. 2022; Zhang & Chen 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.registry import samplers
from samplebench.samplers.multistep import Method, Weights, check_order, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

# Adams-Bashforth of 1 to 4 points, equal steps.
EQUAL_STEPS = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def equal_steps(levels: Sequence[float], i: int, points: int) -> Weights:
    """The step from sigma_i to sigma_{i+1}."""
    h = levels[i + 1] - levels[i]
    return Weights(1.0, tuple(h * weight for weight in EQUAL_STEPS[points - 1]))


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return ("euler", {}) if params["order"] == 1 else ("ipndm", params)


@samplers.register(
    "ipndm",
    # The steps of a grid are not equal: a second point helps the order, more do not.
    order=lambda params: min(params["order"], 2),
    evaluations=lambda steps: steps,
    final="sigma_min",
    canonical=_canonical,
    code="diff-sampler",
    cite=("liu2022pndm", "zhang2023deis", "zhou2024amed"),
)
def ipndm(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    order: int = 4,
) -> Tensor:
    """iPNDM, fixed Adams-Bashforth weights of 4 points, order 2, N evaluations for N steps.

    Args:
        order: predictions that a step uses, 1 to 4; the first steps have fewer.

    Raises:
        UsageError: another order.
    """
    method = Method(equal_steps, check_order("ipndm", order, len(EQUAL_STEPS)))
    return multistep(model, x, grid, method, callback=callback)

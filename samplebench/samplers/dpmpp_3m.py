"""DPM-Solver++(3M) (Lu et al. 2022b), as published and with the curvature's full weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.registry import samplers
from samplebench.samplers.dpmpp_2m import second_order
from samplebench.samplers.log_snr import LogSnrStep, three_points
from samplebench.samplers.multistep import Method, Rule, Weights, check_order, late, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def third_order(predicts: str, solver_type: str, curvature: float = 1.0, eta: float = 0.0) -> Rule:
    """The rule of three points; with fewer, and into 0, it is that of `second_order`.

    Args:
        curvature: factor of phi_3 D2. D2 is half the second derivative, so that order 3 needs 2;
            all published codes have 1, which is of order 2.
    """
    of_two = second_order(predicts, solver_type, eta)

    def rule(levels: Sequence[float], i: int, points: int) -> Weights:
        if points < 3 or levels[i + 1] == 0:
            return of_two(levels, i, points)
        step = LogSnrStep.between(levels[i], levels[i + 1], predicts, eta)
        return three_points(step, levels, i, curvature * step.third)

    return rule


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if params["order"] == 1:
        return "euler", {}
    others = {name: value for name, value in params.items() if name != "order"}
    return ("dpmpp-2m", others) if params["order"] == 2 else ("dpmpp-3m", params)


@samplers.register(
    "dpmpp-3m",
    order=lambda params: min(params["order"], 2),
    evaluations=lambda steps: steps,
    late=late,
    final="sigma_min",
    canonical=_canonical,
    code="diff-sampler",
    cite=("lu2022dpmpp", "zhou2024amed"),
)
def dpmpp_3m(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    order: int = 3,
    predicts: str = "x0",
    solver_type: str = "midpoint",
    lower_order_final: bool = True,
) -> Tensor:
    """DPM-Solver++(3M) as published, multistep of order 2 in log-SNR, N evaluations for N steps.

    Args:
        order: predictions that a step uses, 1 to 3; the first steps have fewer.
        predicts: "x0", or "eps" for the multistep form of DPM-Solver-3.
        solver_type: of the steps of two points, as for dpmpp-2m.
        lower_order_final: whether the last two steps use fewer points; a step into 0 always one.

    Raises:
        UsageError: another order or an unknown word.
    """
    rule, points = third_order(predicts, solver_type), check_order("dpmpp-3m", order, 3)
    method = Method(rule, points, predicts, lower_order_final=lower_order_final)
    return multistep(model, x, grid, method, callback=callback)


@samplers.register(
    "dpmpp-3m-order3",
    order=3,
    evaluations=lambda steps: steps,
    final="sigma_min",
    cite=("lu2022dpmpp",),
)
def dpmpp_3m_order3(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    predicts: str = "x0",
    lower_order_final: bool = True,
) -> Tensor:
    """DPM-Solver++(3M) with the curvature weight that makes it order 3, N evaluations for N steps.

    Args:
        predicts, lower_order_final: as for dpmpp-3m.

    Raises:
        UsageError: an unknown word.
    """
    rule = third_order(predicts, "midpoint", curvature=2.0)
    method = Method(rule, 3, predicts, lower_order_final=lower_order_final)
    return multistep(model, x, grid, method, callback=callback)

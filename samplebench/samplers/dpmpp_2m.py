"""DPM-Solver++(2M) (Lu et al. 2022b, Algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from samplebench.errors import unknown
from samplebench.registry import samplers
from samplebench.samplers.like import final, lowered, resolved
from samplebench.samplers.log_snr import LogSnrStep, one_point, two_points
from samplebench.samplers.multistep import Method, Weights, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

SOLVER_TYPES = ("midpoint", "heun")


def second_order(predicts: str, solver_type: str, eta: float = 0.0) -> Callable[..., Weights]:
    """The rule of order 2: weights of each step.

    Args:
        solver_type: "midpoint", or "heun" where the slope has its Taylor weight.
    """
    if solver_type not in SOLVER_TYPES:
        raise unknown("solver_type", solver_type, SOLVER_TYPES)

    def rule(levels: Sequence[float], i: int, points: int) -> Weights:
        step = LogSnrStep.between(levels[i], levels[i + 1], predicts, eta)
        if points == 1 or levels[i + 1] == 0:
            return one_point(step)
        slope = step.first / 2 if solver_type == "midpoint" else step.second
        return two_points(step, levels, i, slope)

    return rule


@samplers.register(
    "dpmpp-2m",
    order=2,
    evaluations=lambda steps: steps,
    final=final,
    canonical=lambda params: ("dpmpp-2m", resolved(params)),
    code="k-diffusion",
    cite=("lu2022dpmpp", "crowson2022kdiffusion"),
)
def dpmpp_2m(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    predicts: str = "x0",
    solver_type: str = "midpoint",
    lower_order_final: bool | None = None,
    like: str = "k-diffusion",
) -> Tensor:
    """DPM-Solver++(2M), multistep of order 2 in log-SNR, N evaluations for N steps.

    Args:
        predicts: "x0", or "eps" for the multistep form of DPM-Solver-2.
        solver_type: "midpoint", or "heun" where the slope has its Taylor weight.
        lower_order_final: whether the last step is of order 1; a step into 0 always is. None for
            what `like` has.
        like: end rules of "k-diffusion", down to 0; or of "diff-sampler", down to sigma_min with
            lower_order_final.

    Raises:
        UsageError: an unknown word.
    """
    lower = lowered(lower_order_final, like)
    method = Method(second_order(predicts, solver_type), 2, predicts, lower_order_final=lower)
    return multistep(model, x, grid, method, callback=callback)

"""DDIM on a discrete process's own steps (Song, Meng & Ermon 2021), as OpenAI's releases run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.errors import UsageError
from samplebench.processes.discrete import cast
from samplebench.registry import samplers
from samplebench.samplers.ancestral import draws
from samplebench.samplers.probability_flow import draw
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.views import DiscreteView


@samplers.register(
    "ddim-native",
    summary="DDIM on a discrete model's own steps, with its clipping: what ddim means there",
    order=1,
    evaluations=lambda steps: steps,
    stochastic=draws,
    timeline="discrete",
    guided=True,
    cite=("song2021ddim", "dhariwal2021adm"),
)
def ddim_native(
    model: DiscreteView,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    eta: float = 0.0,
    clip_x0: bool = True,
) -> Tensor:
    """DDIM from x_T down the kept steps (Eq. 12), order 1, N evaluations for N steps.

    The noise is derived anew from the clipped x0. With guidance it moves by
    -sqrt(1 - alpha_bar) * gradient, and x0 with it, not clipped again (Dhariwal & Nichol 2021,
    Algorithm 2).

    Args:
        eta: share of fresh noise in [0, 1] (Eq. 16).
        clip_x0: whether each predicted x0 is clipped to [-1, 1].

    Raises:
        UsageError: eta outside [0, 1].
    """
    if not 0 <= eta <= 1:
        raise UsageError(f"eta={eta}: DDIM's share of fresh noise lies in [0, 1]")
    law = model.process
    for i, j in enumerate(grid.tolist()):
        x0, _ = model.predict_x0(x, j)
        if clip_x0:
            x0 = x0.clamp(-1, 1)
        eps = law.eps(j, x, x0)
        a, a_prev = cast(law.alpha_bar[j], x), cast(law.alpha_bar_prev[j], x)
        gradient = model.gradient(x, j)
        if gradient is not None:
            eps = eps - (1 - a).sqrt() * gradient
            x0 = law.x0(j, x, eps)
        std = eta * ((1 - a_prev) / (1 - a)).sqrt() * (1 - a / a_prev).sqrt()
        x = x0 * a_prev.sqrt() + (1 - a_prev - std.square()).clamp(min=0).sqrt() * eps
        if eta > 0:
            fresh = std * draw(noise, x)
            x = x + fresh if j > 0 else x
        if callback:
            callback(Step(i, x, law.sigmas[j - 1].item() if j > 0 else 0.0, x0))
    return x

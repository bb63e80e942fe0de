"""Exact draws of a model's law: what no sampler of the same number of samples is better than."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.registry import samplers
from samplebench.samplers.probability_flow import draw
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.views import ExactView


@samplers.register(
    "exact",
    evaluations=lambda steps: 0,
    stochastic=lambda params: True,
    noises=lambda steps, params: 1,
    timeline="no-steps",
)
def exact(
    model: ExactView,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
) -> Tensor:
    """Exact draws of a model in closed form: 0 evaluations, no time steps.

    Its value is not 0, for N draws are compared with other draws: it is what a sampler without any
    error has at this N. The latents x and one further normal number of each sample decide its draw.
    """
    import torch

    # Its distribution function makes a normal number a uniform one; in float64 on every device.
    uniforms = torch.special.ndtr(draw(noise, x.new_empty(len(x), 1))[:, 0].cpu().double())
    x = model.draw_from(uniforms.to(x.device), x)
    if callback:
        callback(Step(0, x, 0.0, x))
    return x

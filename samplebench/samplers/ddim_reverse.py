"""DDIM run upwards, from an image to the noise that draws it (Song, Meng & Ermon 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.processes.discrete import cast
from samplebench.registry import samplers
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.views import DiscreteView


@samplers.register(
    "ddim-reverse",
    evaluations=lambda steps: steps,
    timeline="discrete",
    draws=False,
    cite=("song2021ddim",),
)
def ddim_reverse(
    model: DiscreteView,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    clip_x0: bool = True,
) -> Tensor:
    """DDIM at eta = 0 upwards, from images (the latents) to x_T, N evaluations for N steps.

    The last step ends at alpha_bar = 0, in the noise alone.

    Args:
        clip_x0: whether each predicted x0 is clipped to [-1, 1].
    """
    law = model.process
    for i, j in enumerate(reversed(grid.tolist())):
        x0, _ = model.predict_x0(x, j)
        if clip_x0:
            x0 = x0.clamp(-1, 1)
        eps = law.eps(j, x, x0)
        a_next = cast(law.alpha_bar_next[j], x)
        x = x0 * a_next.sqrt() + (1 - a_next).sqrt() * eps
        if callback:
            sigma = law.sigmas[j + 1].item() if j + 1 < law.steps else math.inf
            callback(Step(i, x, sigma, x0))
    return x

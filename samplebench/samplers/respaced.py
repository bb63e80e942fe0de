"""Ancestral sampling on a discrete process (Ho et al. 2020; Nichol & Dhariwal 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.errors import UsageError, unknown
from samplebench.processes.discrete import VARIANCES, DiscreteProcess, cast
from samplebench.registry import samplers
from samplebench.samplers.probability_flow import draw
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.views import DiscreteView


@samplers.register(
    "respaced",
    evaluations=lambda steps: steps,
    stochastic=lambda params: True,
    timeline="discrete",
    guided=True,
    cite=("nichol2021improved", "dhariwal2021adm"),
)
def respaced(
    model: DiscreteView,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    clip_x0: bool = True,
    variance: str | None = None,
) -> Tensor:
    """OpenAI's ancestral sampler on the steps a respacing keeps, N evaluations for N steps.

    With guidance the mean moves by variance * gradient (Dhariwal & Nichol 2021, Algorithm 1).

    Args:
        clip_x0: whether each predicted x0 is clipped to [-1, 1].
        variance: of a step: "learned", "fixed_small" (the posterior's) or "fixed_large" (beta);
            None for the model's own.
    """
    law = model.process
    kind = variance or law.variance
    for i, j in enumerate(grid.tolist()):
        x0, v = model.predict_x0(x, j)
        if clip_x0:
            x0 = x0.clamp(-1, 1)
        mean = cast(law.posterior_mean_coef1[j], x) * x0 + cast(law.posterior_mean_coef2[j], x) * x
        log_variance = log_variance_of(law, kind, j, v, x)
        gradient = model.gradient(x, j)
        if gradient is not None and not (j == 0 and kind == "fixed_small"):
            mean = mean + log_variance.exp() * gradient
        fresh = (log_variance / 2).exp() * draw(noise, x)
        x = mean + fresh if j > 0 else mean
        if callback:
            callback(Step(i, x, law.sigmas[j - 1].item() if j > 0 else 0.0, x0))
    return x


def log_variance_of(
    law: DiscreteProcess, kind: str, j: int, v: Tensor | None, like: Tensor
) -> Tensor:
    """Log-variance of p(x_{t-1} | x_t) at step j, one value or for each entry of v.

    Raises:
        UsageError: no such kind, or "learned" of a network without variance channels.
    """
    if kind not in VARIANCES:
        raise unknown("variance", kind, VARIANCES)
    small = cast(law.posterior_log_variance[j], like)
    if kind == "fixed_small":
        return small
    if kind == "fixed_large":
        return cast(law.large_variance[j], like).log()
    if v is None:
        raise UsageError(
            "variance=learned: this network has no variance channels; use fixed_small or "
            "fixed_large"
        )
    fraction = (v + 1) / 2
    return fraction * cast(law.betas[j], like).log() + (1 - fraction) * small

"""The variational bound of discrete diffusion in bits per dimension (Nichol & Dhariwal 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from samplebench.errors import UsageError, unknown
from samplebench.likelihood.arguments import (
    around,
    check_bytes,
    images_for,
    labels_of,
    source_of_draws,
)
from samplebench.likelihood.gaussian import discretized_log_likelihood, normal_kl
from samplebench.models.bound import Bound
from samplebench.models.model import name_of
from samplebench.models.views import DiscreteView
from samplebench.noise.streams import PortableNoise
from samplebench.processes.discrete import VARIANCES, DiscreteProcess, cast
from samplebench.samplers.respaced import log_variance_of
from samplebench.timelines.choice import steps_of_its_own

if TYPE_CHECKING:
    from torch import Tensor


class VariationalBound(NamedTuple):
    """Terms of the bound on -log2 p(x0) / dimension, in x0's dtype.

    Columns are in the order of execution: the first is the noisiest step, the last is L_0.

    Attributes:
        vb: bits per dimension of each step [N, S].
        mse: mean squared error of the noise that the predicted x0 leaves [N, S].
        xstart_mse: that of the predicted x0 [N, S].
        prior: bits per dimension that x_T keeps of x0 [N].
        total: the bound [N], prior + sum of vb.
    """

    vb: Tensor
    mse: Tensor
    xstart_mse: Tensor
    prior: Tensor
    total: Tensor


def bits_per_dim(
    model: Any,
    x0: Any,
    *,
    respacing: str | int | Sequence[int] | None = None,
    clip_x0: bool = True,
    variance: str | None = None,
    labels: Any = None,
    noise: Any = None,
) -> VariationalBound:
    """The bound of a model on the steps of a discrete process, one evaluation an image and step.

    Improved-DDPM's: KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)) in every step but the last, where
    it is minus the log-likelihood of the byte (Ho et al. 2020, Eq. 5). It depends on the number
    of steps.

    Args:
        model: from `sb.load` or `sb.wrap`.
        x0: images of bytes b as b / 127.5 - 1, [N, C, H, W], on the model's device.
        respacing: which steps are kept, e.g. 250, "ddim25" or "10,15,20"; None: the model's own,
            all of them where it has none.
        clip_x0: whether each predicted x0 is clipped to [-1, 1].
        variance: "learned", "fixed_small" or "fixed_large"; None for the model's own.
        labels: the class of each image or one for all, of a class-conditional model.
        noise: None draws image i's from seed i; a function like torch.randn_like, called once a
            step; or the draws [S, N, C, H, W].

    Raises:
        UsageError: a model without such steps, no bytes, an unknown word, labels or noise that do
            not fit, or a network that returns something else than it should.
    """
    import torch

    law, x = kept_steps(model, respacing), images_for(model, x0)
    check_bytes(x)
    if variance is not None and variance not in VARIANCES:
        raise unknown("variance", variance, VARIANCES)
    usual = PortableNoise(range(len(x)), x.device, x.dtype)
    draw = source_of_draws(noise, law.steps, x, usual)
    bound = Bound(model, labels_of(model, labels, x), len(x))
    with around(model), torch.no_grad():
        return terms(DiscreteView(bound, law), x, draw, clip_x0, variance)


def kept_steps(model: Any, respacing: str | int | Sequence[int] | None) -> DiscreteProcess:
    """The process of the steps that are kept.

    Raises:
        UsageError: the model has none, or a single one is left, which has no variance.
    """
    if not steps_of_its_own(model):
        raise UsageError(
            f"{name_of(model)} has no discrete steps, which the bound needs; use ode_log_density"
        )
    every: DiscreteProcess = model.process
    spec = getattr(model, "respacing", "") if respacing is None else respacing
    kept = every if spec == "" else every.respaced(spec)
    if kept.steps < 2:
        raise UsageError(f"respacing '{spec}' keeps one step, which has no variance; keep 2")
    return kept


def terms(
    view: DiscreteView,
    x0: Tensor,
    draw: Callable[[Tensor], Tensor],
    clip_x0: bool = True,
    variance: str | None = None,
) -> VariationalBound:
    """The bound's terms, step by step from the noisiest; arguments as for `bits_per_dim`."""
    import torch

    law = view.process
    rows: list[tuple[Tensor, ...]] = []
    kind = variance or law.variance
    for j in reversed(range(law.steps)):
        noise = draw(x0)
        x_t = law.noised(j, x0, noise)
        found, v = view.predict_x0(x_t, j)
        if clip_x0:
            found = found.clamp(-1, 1)
        log_var = log_variance_of(law, kind, j, v, x0)
        rows.append(
            (
                _bits(_term(law, j, x0, x_t, found, log_var)),
                _mean((law.eps(j, x_t, found) - noise).square()),
                _mean((found - x0).square()),
            )
        )
    vb, mse, xstart_mse = (torch.stack(column, 1) for column in zip(*rows, strict=True))
    prior = _bits(prior_kl(law, x0))
    return VariationalBound(vb, mse, xstart_mse, prior, vb.sum(1) + prior)


def _term(
    law: DiscreteProcess, j: int, x0: Tensor, x_t: Tensor, found: Tensor, log_var: Tensor
) -> Tensor:
    """Nats of step j, entry by entry.

    Args:
        found: x0 as predicted.
        log_var: of p(x_{t-1} | x_t), one value or for each entry.
    """
    log_var = log_var.to(x0.device).expand_as(x0)
    own, rest = cast(law.posterior_mean_coef1[j], x0), cast(law.posterior_mean_coef2[j], x0)
    mean = own * found + rest * x_t
    if j == 0:
        return -discretized_log_likelihood(x0, mean, log_var / 2)
    true = own * x0 + rest * x_t
    return normal_kl(true, cast(law.posterior_log_variance[j], x0), mean, log_var)


def prior_kl(law: DiscreteProcess, x0: Tensor) -> Tensor:
    """KL(q(x_T | x0) || N(0, 1)) in nats, entry by entry."""
    a = law.alpha_bar[-1]
    zero = cast(0.0, x0)
    return normal_kl(cast(math.sqrt(a), x0) * x0, cast(math.log1p(-a), x0), zero, zero)


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)


def _bits(nats: Tensor) -> Tensor:
    """Per dimension [N]."""
    return _mean(nats) / math.log(2)

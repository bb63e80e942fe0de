"""The density of images by the probability-flow ODE (Song et al. 2021, section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.rounding import model_range
from samplebench.answers.scalars import real
from samplebench.errors import UsageError
from samplebench.likelihood.arguments import around, images_for, labels_of, source_of_draws
from samplebench.likelihood.divergence import (
    EXACT,
    HUTCHINSON,
    Traced,
    check_divergence,
    check_gradients,
    traced,
)
from samplebench.models.bound import Bound
from samplebench.models.model import name_of
from samplebench.noise.streams import signs
from samplebench.samplers.dormand_prince import integrate, root_mean_square
from samplebench.timelines.choice import denoises

if TYPE_CHECKING:
    from torch import Tensor

# Below the first, rounding in float64 is the error.
_TIGHTEST, _LOOSEST = 1e-11, 1e-2
# Of a tolerance, what a single step may take: errors add up.
_SHARE = 0.1

# Is told how much of the way each sample has done, [N] from 0 to 1.
Report = Callable[[np.ndarray], None]


def ode_log_density(
    model: Any,
    x0: Any,
    *,
    sigma_min: float = 0.002,
    sigma_max: float = 80,
    divergence: str = EXACT,
    noise: Any = None,
    rtol: float = 1e-8,
    labels: Any = None,
) -> tuple[Tensor, Tensor]:
    """log p(x0; sigma_min) of a model of D(x; sigma), and where x0 goes.

    With dx/dsigma = (x - D) / sigma from sigma_min to sigma_max,
    log p(x0; sigma_min) = log N(z; 0, sigma_max^2) + integral of (d - tr dD/dx) dln sigma, the
    density of x0 + sigma_min n at x0 itself. The steps are Dormand-Prince's in ln sigma, each
    sample's by its own error, so that none depends on its batch.

    Args:
        model: any callable (x, sigma, labels) -> D with sigma_min and sigma_max, whose answers can
            be differentiated.
        x0: [N, C, H, W] in [-1, 1], on the model's device, with noise on them where they are bytes.
        sigma_min, sigma_max: of the path, clipped to the levels that the model knows.
        divergence: "exact", a backward pass for each of at most 256 dimensions, or "hutchinson",
            one backward pass for e^T J e.
        noise: Hutchinson's e: None draws -1 and 1, image i's from seed i; a function like
            torch.randn_like, called once; or e itself [N, C, H, W].
        rtol: relative and absolute tolerance of state and integral, each for itself, 1e-11 to
            1e-2; a step takes a tenth of it.
        labels: the class of each image or one for all, of a class-conditional model.

    Returns:
        Log-density in nats [N] and the states at sigma_max [N, C, H, W], of x0's dtype.

    Raises:
        UsageError: a model that has no such ODE or no gradients, words that do not fit, or a
            sample that is not finite or does not meet rtol.
    """
    import torch

    x = images_for(model, x0)
    check_divergence(divergence, x[0].numel())
    low, high = path_of(model, sigma_min, sigma_max)
    noisy = source_of_draws(noise, 1, x, lambda x: rademacher(x, range(len(x))))
    e = noisy(x)
    bound = Bound(model, labels_of(model, labels, x), len(x))
    with around(model), torch.no_grad():
        check_gradients(bound, x, e)
        estimate = traced(bound, e if divergence == HUTCHINSON else None)
        z, gained = flow(bound, estimate, x, low, high, rtol)
        return gained + log_normal(z, high), z


def path_of(model: Any, sigma_min: float, sigma_max: float) -> tuple[float, float]:
    """The noise levels between which a model is followed.

    Raises:
        UsageError: it is no D(x; sigma), or knows none of them.
    """
    if not denoises(model):
        raise UsageError(f"{name_of(model)} has no D(x; sigma), whose ODE defines the density")
    low, high = real("sigma_min", sigma_min), real("sigma_max", sigma_max)
    known = model_range(model)
    low, high = max(low, known[0]), min(high, known[1])
    if not 0 < low < high < math.inf:
        raise UsageError(
            f"sigma_min={sigma_min:g} and sigma_max={sigma_max:g} leave no path for "
            f"{name_of(model)}, which has noise levels from {known[0]:g} to {known[1]:g}"
        )
    return low, high


def check_rtol(rtol: float) -> None:
    """Raises `UsageError` where no steps can meet a tolerance, or it means nothing."""
    if not _TIGHTEST <= rtol <= _LOOSEST:
        raise UsageError(f"rtol={rtol} must be from {_TIGHTEST:g} to {_LOOSEST:g}, e.g. 1e-4")


def rademacher(x: Tensor, seeds: Any, draw: int = 0) -> Tensor:
    """-1 and 1 like x, draw number `draw` of a seed for each image."""
    import torch

    return torch.from_numpy(signs(seeds, x.shape[1:], draw)).to(x)


def log_normal(z: Tensor, std: float) -> Tensor:
    """log N(z; 0, std^2) in nats [N]."""
    flat = z.flatten(1)
    constant = flat.shape[1] * (math.log(2 * math.pi) / 2 + math.log(std))
    return -flat.square().sum(1) / (2 * std**2) - constant


def flow(
    model: Bound,
    estimate: Traced,
    x: Tensor,
    sigma_min: float,
    sigma_max: float,
    rtol: float,
    report: Report = lambda done: None,
) -> tuple[Tensor, Tensor]:
    """States at sigma_max, and the integral of d - tr dD/dx over ln sigma [N] on the way.

    Args:
        model: what `estimate` asks.
        estimate: see `traced`.
        report: is told how far it is.

    Raises:
        UsageError: a sample that is not finite on its way, or takes more than 10,000 steps.
    """
    import torch

    check_rtol(rtol)
    # The integrator goes down: t = ln(sigma_max / sigma).
    shape, length = x.shape[1:], math.log(sigma_max / sigma_min)
    dim = x[0].numel()

    def slope(y: Tensor, t: Any, rows: Tensor | None) -> Tensor:
        n = len(y)
        sigma = np.broadcast_to(sigma_max * np.exp(-np.asarray(t)), (n,)).copy()
        state = y[:, :dim].reshape(n, *shape)
        denoised, trace = estimate(state, torch.from_numpy(sigma), rows)
        speed = torch.cat([(state - denoised).flatten(1), (dim - trace)[:, None].to(y)], 1)
        return -speed

    begin = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1)
    told, who = lambda _, t: report(1 - t / length), f"density with rtol={rtol:g}"
    end = integrate(slope, begin, length, 0.0, _SHARE * rtol, told, _apart, who)
    lost = ~torch.isfinite(end).all(1)
    if bool(lost.any()):
        why = model.watch.why(len(x)) or "the ODE has no finite way on"
        raise UsageError(f"{int(lost.sum())} of {len(x)} densities are not finite: {why}")
    return end[:, :dim].reshape(x.shape), end[:, dim]


def _apart(values: Tensor) -> np.ndarray:
    """The larger of the state's root mean square and the integral's entry [n]."""
    return np.maximum(root_mean_square(values[:, :-1]), root_mean_square(values[:, -1:]))

"""What each family of models is trained to minimise, as its paper has it.

An objective takes a network, clean images x0 [N, C, H, W] in [-1, 1], labels int64 [N] or None,
what is known of all training images, and the generator of all its random numbers; it returns the
batch's mean loss. In the target x0 gives way to its mean given the noisy image, see posterior.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from embedded_models.posterior import Posterior
from samplebench.networks.preconditioning import EDMPrecond, VEPrecond, VPPrecond
from samplebench.processes.discrete import DiscreteProcess

SPREAD = (0.004, 40.0)  # where the noise levels lie that are added to the papers'
SLOPE = 0.03  # largest standard deviation of the slopes of light, at noise levels above it

Objective = Callable[[nn.Module, Tensor, Tensor | None, Posterior, torch.Generator], Tensor]


def vp(
    network: nn.Module,
    x0: Tensor,
    labels: Tensor | None,
    known: Posterior,
    rng: torch.Generator,
) -> Tensor:
    """Song et al. 2021, Eq. 7 with lambda = sigma^2: t is uniform in [1e-5, 1]."""
    assert isinstance(network, VPPrecond)
    sigma = network.sigma(1e-5 + (1 - 1e-5) * uniform(x0, rng))
    return _noise_error(network, x0, sigma, known, rng)


def ve(
    network: nn.Module,
    x0: Tensor,
    labels: Tensor | None,
    known: Posterior,
    rng: torch.Generator,
) -> Tensor:
    """The same for the VE process: sigma is geometric in t."""
    assert isinstance(network, VEPrecond)
    low, high = float(network.sigma_min), float(network.sigma_max)
    sigma = low * (high / low) ** uniform(x0, rng)
    return _noise_error(network, x0, sigma, known, rng)


def _noise_error(
    network: nn.Module, x0: Tensor, sigma: Tensor, known: Posterior, rng: torch.Generator
) -> Tensor:
    """Weighted squared error of the noise that the denoised image leaves."""
    sigma = mixed(sigma, rng, float(network.sigma_min), float(network.sigma_max))
    x = x0 + sigma * normal(x0, rng) + slope(x0, sigma, rng)
    error = ((network(x, sigma) - known.mean(x, sigma, None)) / sigma).square()
    return (error * emphasis(sigma)).mean()


def emphasis(sigma: Tensor) -> Tensor:
    """Weight of an error of the noise at a noise level; 1 in the papers.

    Noise in 64 dimensions varies by 9 % in length, which group norms forget. A network of this size
    does not learn to tell it in minutes unless high levels count as they do for the image.
    """
    return 1 + 4 * sigma.clamp(max=20) ** 2


def edm(
    network: nn.Module,
    x0: Tensor,
    labels: Tensor | None,
    known: Posterior,
    rng: torch.Generator,
) -> Tensor:
    """Karras et al. 2022, Eq. 2 and table 1: ln sigma normal, weight c_out^-2."""
    assert isinstance(network, EDMPrecond)
    sigma = edm_levels(x0, rng)
    sigma[::2] = spread(x0, rng)[::2]
    weight = (sigma**2 + network.sigma_data**2) / (sigma * network.sigma_data) ** 2
    one_hot = None if labels is None else nn.functional.one_hot(labels, network.label_dim)
    x = x0 + sigma * normal(x0, rng) + slope(x0, sigma, rng)
    error = (network(x, sigma, one_hot) - known.mean(x, sigma, labels)).square()
    return (weight * error).mean()


@dataclass(frozen=True)
class Hybrid:
    """L_hybrid = L_simple + 0.001 L_vlb of Nichol & Dhariwal 2021, Eq. 16, t uniform.

    Attributes:
        process: all steps of the release; its variance is learned.
        perturbation: gamma of Ning et al. 2023, Eq. 8: the input's noise is eps + gamma xi, the
            target stays eps.
    """

    process: DiscreteProcess
    perturbation: float = 0.0
    weight: float = 0.001
    tables: dict[str, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        p = self.process
        arrays = {
            "signal": p.alpha_bar**0.5,
            "noise": (1 - p.alpha_bar) ** 0.5,
            "x0_mean": p.posterior_mean_coef1,
            "xt_mean": p.posterior_mean_coef2,
            "low": p.posterior_log_variance,
            "high": np.log(p.betas),
        }
        tables = {k: torch.from_numpy(v)[:, None, None, None] for k, v in arrays.items()}
        tables["emphasis"] = emphasis(torch.from_numpy(p.sigmas)[:, None, None, None])
        object.__setattr__(self, "tables", tables)

    def __call__(
        self,
        network: nn.Module,
        x0: Tensor,
        labels: Tensor | None,
        known: Posterior,
        rng: torch.Generator,
    ) -> Tensor:
        t = self._times(x0, rng)
        at = {k: v.to(x0.device)[t].to(x0.dtype) for k, v in self.tables.items()}
        eps = normal(x0, rng)
        if self.perturbation:
            eps = eps + self.perturbation * normal(x0, rng)
        shift = slope(x0, at["noise"] / at["signal"], rng)
        x_t = at["signal"] * (x0 + shift) + at["noise"] * eps
        factor = self.process.time_factor if self.process.rescale else 1.0
        predicted, v = network(x_t, t * factor, labels).chunk(2, dim=1)
        bound = _bound(at, x0, x_t, predicted.detach(), v, t == 0)
        # Of eps + gamma xi, gamma xi included, eps is the share 1 / (1 + gamma^2) on average.
        louder = 1 + self.perturbation**2
        sigma = at["noise"] / at["signal"] * louder**0.5
        mean = known.mean(x_t / at["signal"], sigma, labels)
        target = (x_t - at["signal"] * mean) / (at["noise"] * louder)
        simple = ((predicted - target).square() * at["emphasis"]).mean()
        # The bound is a sum over T steps, of which one was drawn.
        return simple + self.weight * self.process.steps * bound.mean()

    def _times(self, x0: Tensor, rng: torch.Generator) -> Tensor:
        """Uniform steps int64 [N], or those of other noise levels."""
        levels = torch.from_numpy(self.process.sigmas).to(x0.device)
        t = (uniform(x0, rng) * self.process.steps).long()
        sigma = mixed(levels[t], rng, levels[0].item(), levels[-1].item())
        return torch.searchsorted(levels, sigma.flatten()).clamp(max=self.process.steps - 1)


def _bound(
    at: dict[str, Tensor], x0: Tensor, x_t: Tensor, eps: Tensor, v: Tensor, last: Tensor
) -> Tensor:
    """Terms L_t of the variational bound per image [N], in bits per dimension."""
    predicted = ((x_t - at["noise"] * eps) / at["signal"]).clamp(-1, 1)
    mean, true = (at["x0_mean"] * x + at["xt_mean"] * x_t for x in (predicted, x0))
    share = (v + 1) / 2
    log_variance = share * at["high"] + (1 - share) * at["low"]
    log_ratio = log_variance - at["low"]
    kl = 0.5 * (log_ratio - 1 + (-log_ratio).exp() + (true - mean) ** 2 * (-log_variance).exp())
    nll = -_log_likelihood(x0, mean, log_variance)
    term = torch.where(last[:, None, None, None], nll, kl)
    return term.flatten(1).mean(1) / math.log(2)


def _log_likelihood(x0: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of the grey level, a bin of width 2/255, under a normal law; the outer bins are open."""
    scale = (-0.5 * log_variance).exp()
    upper = torch.special.ndtr((x0 - mean + 1 / 255) * scale).masked_fill(x0 > 0.999, 1)
    lower = torch.special.ndtr((x0 - mean - 1 / 255) * scale).masked_fill(x0 < -0.999, 0)
    return (upper - lower).clamp(min=1e-12).log()


def edm_levels(like: Tensor, rng: torch.Generator) -> Tensor:
    """Noise levels [N, 1, 1, 1]: ln sigma is normal, its mean that of Karras et al. 2024."""
    return (1.2 * torch.special.ndtri(uniform(like, rng)) - 0.4).exp()


def spread(like: Tensor, rng: torch.Generator, low: float = 0.0, high: float = 1e9) -> Tensor:
    """Noise levels [N, 1, 1, 1] that are even in ln sigma."""
    low, high = max(low, SPREAD[0]), min(high, SPREAD[1])
    return low * (high / low) ** uniform(like, rng)


def mixed(sigma: Tensor, rng: torch.Generator, low: float, high: float) -> Tensor:
    """A family's own noise levels, three of four replaced by EDM's and by a spread.

    The papers' laws visit the ends of the scale so seldom that a run of minutes does not learn
    them: there the background is cleaned, and the share of each kind of image decided.
    """
    levels = sigma.clone()
    levels[1::2] = edm_levels(sigma, rng)[1::2].clamp(low, high)
    levels[2::4] = spread(sigma, rng, low, high)[2::4]
    return levels


def slope(x0: Tensor, sigma: Tensor, rng: torch.Generator) -> Tensor:
    """What is added to a noisy image, as a sampler's errors look: a faint slope of light.

    White noise of a low level has no such part, hence nothing else would teach a network to take it
    away, and what a sampler got slightly too bright at a high level stayed so.
    """
    corners = torch.randn(len(x0), x0.shape[1], 2, 2, generator=rng, device=rng.device)
    field = nn.functional.interpolate(corners, x0.shape[2:], mode="bilinear", align_corners=True)
    return field.to(x0.dtype) * sigma.to(x0.dtype).clamp(max=SLOPE)


def uniform(like: Tensor, rng: torch.Generator | None) -> Tensor:
    """Uniform numbers float64 [N, 1, 1, 1], evenly spaced from one random start."""
    start = torch.rand(1, generator=rng, device=like.device, dtype=torch.float64)
    steps = torch.arange(len(like), device=like.device, dtype=torch.float64) / len(like)
    return ((start + steps) % 1)[:, None, None, None]


def normal(like: Tensor, rng: torch.Generator) -> Tensor:
    """Standard normal numbers of a tensor's shape and dtype."""
    return torch.randn(like.shape, generator=rng, device=rng.device, dtype=like.dtype)

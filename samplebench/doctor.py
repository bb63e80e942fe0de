"""Is this the denoiser it should be? Loads a checkpoint and looks at what it does to noise."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.model import Model

# Light noise: what is left of it says whether a network denoises, whatever it was trained on. Of
# lighter noise still (0.05) even the best linear denoiser of these images leaves two thirds.
SIGMAS = (0.1, 0.2, 0.5, 1.0)
# That one leaves half of 0.1 and less of the others; an untrained network all, at 0.1 at least.
HEALTHY = 0.8
# Light noise for a closed form, in units of its kernel's standard deviation.
_KERNELS = (1, 2, 5, 10)
_IMAGES = 8
_TIMED = 3


@dataclass(frozen=True)
class Finding:
    """What the model did to images with noise of one level.

    Attributes:
        sigma: the noise level.
        left: mean squared error of D over sigma^2: 1 is no better than the noisy image. On a
            linear process that of the noise prediction, summed over channels.
        finite: whether every pixel is a number.
    """

    sigma: float
    left: float
    finite: bool

    @property
    def healthy(self) -> bool:
        return self.finite and self.left < HEALTHY


@dataclass(frozen=True)
class Diagnosis:
    """Of one model.

    Attributes:
        findings: by increasing noise level.
        parameters: of the network, None where there is none.
        gflop: per evaluation of one image, None where nothing can be counted.
        seconds: per evaluation of one image, evaluated alone and in a batch, by batch size.
    """

    findings: tuple[Finding, ...]
    parameters: int | None
    gflop: float | None
    seconds: dict[int, float]

    @property
    def healthy(self) -> bool:
        return all(finding.healthy for finding in self.findings)


def examine(model: Model) -> Diagnosis:
    """Denoises images at several noise levels, and times it.

    On a linear process the level is that of the lowest frequency of an image, whose states are
    drawn at the time that has it.

    A network gets smooth random images at `SIGMAS`, those outside its range moved to its ends. A
    closed form knows no other images than its own: it gets draws of these, and as their kernel is
    noise too, levels that stand out from it.

    Args:
        model: from `sb.load`.
    """
    import torch

    from samplebench.adapters.exact import KernelDensity
    from samplebench.bench.flops import gflop_per_evaluation
    from samplebench.model import threads_of

    draw = torch.Generator().manual_seed(0)
    labels: Tensor | None = None
    sigmas: tuple[float, ...] = SIGMAS
    if isinstance(model, KernelDensity):
        images, labels = model.draw(_IMAGES, 0)
        sigmas = tuple(model.bandwidth * multiple for multiple in _KERNELS)
    else:
        images = smooth_images(_IMAGES, model.shape, draw)
        if model.num_classes:
            labels = torch.arange(_IMAGES) % model.num_classes
    images = images.to(model.device, model.state_dtype)
    labels = None if labels is None else labels.to(model.device)
    channels = 1 if model.law is None else model.law.channels
    shape = (len(images), channels, *model.shape)
    noise = torch.randn(shape, generator=draw, dtype=torch.float64).to(images)
    findings = []
    with torch.no_grad(), threads_of(model):
        for asked in sigmas:
            sigma = min(max(asked, model.sigma_min), model.sigma_max)
            error = _error(model, images, sigma, noise, labels)
            left = float(error.square().sum(1).mean())
            findings.append(Finding(sigma, left, bool(error.isfinite().all())))
        seconds = {n: _seconds(model, images[:n], labels) / n for n in (1, _IMAGES)}
    network: Any = model.network
    count = None if network is None else sum(p.numel() for p in network.parameters())
    return Diagnosis(tuple(findings), count, gflop_per_evaluation(model, 1), seconds)


def _error(
    model: Model, images: Tensor, sigma: float, noise: Tensor, labels: Tensor | None
) -> Tensor:
    """The noise of images at a noise level less what the model takes for it, [N, D, C, H, W]."""
    law = model.law
    if law is None:
        return (model(images + sigma * noise[:, 0], sigma, labels) - images)[:, None] / sigma
    from scipy.optimize import brentq  # type: ignore[import-untyped]

    from samplebench.processes.linear import apply

    def excess(t: float) -> float:
        """Of the noise level at the lowest frequency, over which all channels tell."""
        seen = law.signal(t)[0, 0, :, 0] @ law.score_factor(t)[0, 0]
        return -math.log(sigma**2 * float(seen @ seen))

    t = float(brentq(excess, law.t_min, law.T))
    u = apply(law.signal(t), law.encode(images)) + apply(law.R(t), noise)
    return noise - model.eps(u, t, labels)


def smooth_images(n: int, shape: tuple[int, int, int], draw: Any) -> Tensor:
    """Random images with the power spectrum of photographs, 1/f^2, in [-1, 1].

    Source of the spectrum: Field 1987.

    Args:
        n: how many.
        shape: (C, H, W).
        draw: torch.Generator on the CPU.

    Returns:
        float64 [n, C, H, W].
    """
    import torch

    _, height, width = shape
    fy = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    fx = torch.fft.rfftfreq(width, dtype=torch.float64)
    amplitude = (fy.square() + fx.square()).sqrt().clip(min=1 / max(height, width)).reciprocal()
    white = torch.randn(n, *shape, generator=draw, dtype=torch.float64)
    fields = torch.fft.irfft2(torch.fft.rfft2(white) * amplitude, s=(height, width))
    # Colours of a photograph go together.
    fields = 0.8 * fields.mean(1, keepdim=True) + 0.2 * fields
    return fields / fields.abs().amax((1, 2, 3), keepdim=True)


def _seconds(model: Model, images: Tensor, labels: Tensor | None) -> float:
    """Median wall-clock seconds of one evaluation of these images."""
    import torch

    labels = None if labels is None else labels[: len(images)]
    taken = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        if model.law is None:
            model(images, 1.0, labels)
        else:
            model.eps(model.law.encode(images), model.law.T / 2, labels)
        if images.device.type == "cuda":
            torch.cuda.synchronize(images.device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)

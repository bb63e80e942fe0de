"""Is this the denoiser it should be? Loads a checkpoint and looks at what it does to noise."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.model import Model

# Light noise: what is left of it says whether a network denoises, whatever it was trained on.
SIGMAS = (0.05, 0.1, 0.2, 0.5)
# A trained denoiser leaves a tenth to a half of light noise on smooth images, an untrained one all.
HEALTHY = 0.8
_IMAGES = 8
_TIMED = 3


@dataclass(frozen=True)
class Finding:
    """What the model did to images with noise of one level.

    Attributes:
        sigma: the noise level.
        left: mean squared error of D over sigma^2: 1 is no better than the noisy image.
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


def examine(model: Model, sigmas: Sequence[float] = SIGMAS) -> Diagnosis:
    """Denoises smooth random images at several noise levels, and times it.

    Args:
        model: from `sb.load`.
        sigmas: noise levels; those outside the model's range are moved to its ends.
    """
    import torch

    from samplebench.bench.flops import gflop_per_evaluation
    from samplebench.model import threads_of

    draw = torch.Generator().manual_seed(0)
    images = smooth_images(_IMAGES, model.shape, draw).to(model.device, model.state_dtype)
    noise = torch.randn(images.shape, generator=draw, dtype=torch.float64).to(images)
    labels = None
    if model.num_classes:
        labels = torch.arange(_IMAGES, device=model.device) % model.num_classes
    findings = []
    with torch.no_grad(), threads_of(model):
        for asked in sigmas:
            sigma = min(max(asked, model.sigma_min), model.sigma_max)
            denoised = model(images + sigma * noise, sigma, labels)
            left = float((denoised - images).square().mean()) / sigma**2
            findings.append(Finding(sigma, left, bool(denoised.isfinite().all())))
        seconds = {n: _seconds(model, images[:n], labels) / n for n in (1, _IMAGES)}
    network: Any = model.network
    count = None if network is None else sum(p.numel() for p in network.parameters())
    return Diagnosis(tuple(findings), count, gflop_per_evaluation(model, 1), seconds)


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
        model(images, 1.0, labels)
        if images.device.type == "cuda":
            torch.cuda.synchronize(images.device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)

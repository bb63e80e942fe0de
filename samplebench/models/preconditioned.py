"""The denoiser of a network that comes with its preconditioner."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from samplebench.models.model import Model, known_labels
from samplebench.networks.denoiser import Denoiser
from samplebench.networks.preconditioning import VEPrecond, VPPrecond
from samplebench.processes import process

_PROCESSES = {VPPrecond: "vp", VEPrecond: "ve"}


class PreconditionedModel(Model):
    """D(x; sigma) of a `Denoiser`, with integer labels and D(x; 0) = x.

    Args:
        network: with its weights, on any device.
        device: where it runs.
        dtype: of the network: None for the release's own (float16 on CUDA where the file says so,
            else float32), torch.float32, torch.bfloat16 or torch.float16.
    """

    def __init__(
        self, network: Denoiser, *, device: torch.device, dtype: torch.dtype | None
    ) -> None:
        if dtype is not None:
            network.use_fp16 = dtype == torch.float16
        low, high = network.sigma_min, network.sigma_max
        assert isinstance(low, float | int) and isinstance(high, float | int)
        self.sigma_min, self.sigma_max = float(low), float(high)
        self.network = network.to(device).eval().requires_grad_(False)
        network.convert(dtype or network.run_dtype(device))
        self.device = device
        self.shape = (network.img_channels, network.img_resolution, network.img_resolution)
        self.num_classes = network.label_dim
        if name := _PROCESSES.get(type(network)):
            self.process = process(name)
        # The samplers of these releases hold their state in float64; Metal has none.
        self.state_dtype = torch.float32 if device.type == "mps" else torch.float64

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        """The denoised images; without labels a conditional network gets the zero vector.

        Raises:
            UsageError: labels that it does not have.
        """
        if not isinstance(sigma, Tensor):
            sigma = torch.tensor(sigma, dtype=torch.float64)
        clean = sigma == 0
        # The logarithm of 0 would spoil the other samples too.
        denoised = self.network(x, torch.where(clean, 1.0, sigma), self._one_hot(labels))
        if not bool(clean.any()):
            return denoised
        return torch.where(clean.to(x.device).reshape(-1, 1, 1, 1), x, denoised)

    def _one_hot(self, labels: Tensor | None) -> Tensor | None:
        labels = known_labels(labels, self.num_classes, needed=False)
        if labels is None:
            return None
        return one_hot(labels.to(self.device), self.num_classes).to(torch.float32)

    def round_sigma(self, sigma: Any) -> Any:
        rounded = self.network.round_sigma(sigma)
        return rounded if isinstance(sigma, Tensor) else float(rounded)

"""The denoiser of a network in EDM's convention that is in memory already."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from samplebench.answers.rounding import rounded
from samplebench.answers.tensors import checked
from samplebench.models.model import Model


class EDMModel(Model):
    """D(x; sigma) of network(x, sigma, class_labels) -> denoised images; D(x; 0) = x.

    Args:
        network: x [N, C, H, W], sigma [N] on x's device and class_labels, one-hot
            [N, num_classes] or None for unconditional networks.
        config: sigma_min (0) and sigma_max (inf) where the network has no such attributes.
        shape: (C, H, W) of one image.
        num_classes: 0 for an unconditional network.
        device: where the network is.
        dtype: of what the network receives; None leaves x and sigma in the state's, class_labels
            in float32.
    """

    def __init__(
        self,
        network: Callable[..., Tensor],
        config: Mapping[str, Any],
        *,
        shape: tuple[int, int, int],
        num_classes: int,
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.network, self.shape, self.num_classes = network, shape, num_classes
        self.device, self.dtype = device, dtype
        ends = {"sigma_min": 0.0, "sigma_max": math.inf}
        for name, default in ends.items():
            setattr(self, name, float(config.get(name, getattr(network, name, default))))
        self.state_dtype = torch.float32 if device.type == "mps" else torch.float64

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        if not isinstance(sigma, Tensor):
            sigma = torch.tensor(sigma, dtype=torch.float64)
        sigma = sigma.to(x.device, x.dtype).reshape(-1).expand(len(x))
        clean = sigma == 0
        classes = None
        if self.num_classes and labels is not None:
            classes = one_hot(labels.to(x.device), self.num_classes)
            classes = classes.to(self.dtype or torch.float32)
        own = self.dtype or x.dtype
        level = torch.where(clean, torch.ones_like(sigma), sigma)
        denoised = self.network(x.to(own), level.to(own), classes)
        denoised = checked("the network", denoised, x)
        return torch.where(clean.reshape(-1, 1, 1, 1), x, denoised)

    def round_sigma(self, sigma: Any) -> Any:
        own = getattr(self.network, "round_sigma", None)
        return sigma if own is None else rounded(own, sigma)

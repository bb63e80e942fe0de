"""The denoiser of a network in EDM's convention that is in memory already."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from samplebench.answers.tensors import checked
from samplebench.model import Model


class EDMNetwork(Model):
    """D(x; sigma) of network(x, sigma, class_labels) -> denoised images; D(x; 0) = x.

    Args:
        network: x [N, C, H, W] in the state's dtype; sigma float [N] on x's device; class_labels
            one-hot float32 [N, num_classes], None for unconditional networks.
        config: sigma_min (0) and sigma_max (inf) where the network has no such attributes.
        shape: (C, H, W) of one image.
        num_classes: 0 for an unconditional network.
        device: where the network is.
    """

    def __init__(
        self,
        network: Callable[..., Tensor],
        config: Mapping[str, Any],
        *,
        shape: tuple[int, int, int],
        num_classes: int,
        device: torch.device,
    ) -> None:
        self.network, self.shape, self.num_classes, self.device = (
            network,
            shape,
            num_classes,
            device,
        )
        ends = {"sigma_min": 0.0, "sigma_max": math.inf}
        for name, default in ends.items():
            setattr(self, name, float(config.get(name, getattr(network, name, default))))
        self.state_dtype = torch.float32 if device.type == "mps" else torch.float64

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        sigma = torch.as_tensor(sigma).to(x.device, x.dtype).reshape(-1).expand(len(x))
        clean = sigma == 0
        classes = None
        if self.num_classes and labels is not None:
            classes = one_hot(labels.to(x.device), self.num_classes).to(torch.float32)
        denoised = self.network(x, torch.where(clean, 1.0, sigma), classes)
        return torch.where(clean.reshape(-1, 1, 1, 1), x, checked("the network", denoised, x))

    def round_sigma(self, sigma: Any) -> Any:
        own = getattr(self.network, "round_sigma", None)
        if own is None:
            return sigma
        rounded = own(torch.as_tensor(sigma))
        return rounded if isinstance(sigma, Tensor) else float(rounded)

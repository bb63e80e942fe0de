"""The noise in states of a linear process, from a network of gDDIM's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samplebench.models.model import Model
from samplebench.networks.ncsnpp import noise_label
from samplebench.processes.linear import LinearProcess


class GddimModel(Model):
    """eps(u, t) of a network trained on a linear process other than an isotropic one.

    Args:
        network: network(images, log(999 t)) -> the noise, in the images' precision. On a process
            whose channels couple, all of them lie side by side in the images' channels (CLD: x0 x1
            x2 v0 v1 v2); on a blurring one, images and noise are pixels.
        process: that it was trained on.
        shape: (C, H, W) of one image.
        device: where the network is.
        dtype: of the images that the network receives; None for float32.
    """

    kind = "linear"
    process: LinearProcess

    def __init__(
        self,
        network: nn.Module,
        process: LinearProcess,
        *,
        shape: tuple[int, int, int],
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        if dtype is not None:
            self.dtype = dtype
        self.network, self.process, self.shape, self.device = network, process, shape, device
        self.state_dtype = torch.float64 if device.type == "cpu" else torch.float32

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        """The noise in states u [N, D, C, H, W] at time t, in the basis R of the process."""
        if self.process.channels == 1:
            return self.process.encode(self._noise(self.process.decode(u), t))
        return self._noise(u.flatten(1, 2), t).reshape(u.shape)

    def _noise(self, images: Tensor, t: float) -> Tensor:
        label = noise_label(t).to(self.device, non_blocking=True)
        noise: Tensor = self.network(images.to(self.dtype or torch.float32), label)
        return noise.to(images.dtype)

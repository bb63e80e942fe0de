"""EDM2's network with its preconditioner.

Source: Karras et al. 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models"
(arXiv 2312.02696).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from samplebench.networks.denoiser import (
    Coefficients,
    Denoiser,
    level_tensor,
    planned,
    unit_variance,
)
from samplebench.networks.edm2_layers import MPConv, MPFourier
from samplebench.networks.edm2_unet import Edm2UNet
from samplebench.networks.edm_arguments import checked
from samplebench.networks.trunk import Trunk

# The name of the class in released files.
CLASS_NAME = "Precond"
# 8 GB of weights; the largest released network has 1,523 million parameters.
MOST_PARAMETERS = 2_000_000_000


class Edm2Precond(Denoiser):
    """The U-Net `unet`, and the uncertainty of its answers that training weighs noise levels by.

    Args:
        img_resolution, img_channels, label_dim, use_fp16: see `Denoiser`.
        sigma_data: standard deviation of the training images.
        logvar_channels: features of the noise level for the uncertainty.
        unet: further arguments of the U-Net.
    """

    sigma_min, sigma_max = 0.0, math.inf

    def __init__(
        self,
        img_resolution: int,
        img_channels: int,
        label_dim: int,
        use_fp16: bool = True,
        sigma_data: float = 0.5,
        logvar_channels: int = 128,
        **unet: Any,
    ) -> None:
        super().__init__(img_resolution, img_channels, label_dim, use_fp16)
        self.sigma_data = sigma_data
        self.unet = Edm2UNet(img_resolution, img_channels, label_dim, **unet)
        self.logvar_fourier = MPFourier(logvar_channels)
        self.logvar_linear = MPConv(logvar_channels, 1)

    @property
    def trunk(self) -> Trunk:
        return self.unet

    def coefficients(self, sigma: Tensor) -> Coefficients:
        return unit_variance(sigma, self.sigma_data)

    def logvar(self, sigma: float | Tensor) -> Tensor:
        """u(sigma), the logarithm of the weighted loss at noise levels of N entries, float32 [N].

        The training loss is e^-u (sigma^2 + sigma_data^2)/(sigma sigma_data)^2 |D - y|^2 + u.
        """
        label = self.coefficients(level_tensor(sigma).reshape(-1))[3]
        found: Tensor = self.logvar_linear(self.logvar_fourier(label))
        return found.flatten()


def edm2_denoiser(init_kwargs: Mapping[str, Any]) -> Edm2Precond:
    """The network a file describes, on the default device, its weights not yet set.

    Args:
        init_kwargs: constructor arguments of `Edm2Precond` and `Edm2UNet`; the classes fill what
            is missing.

    Raises:
        InputError: arguments that are unknown, missing, out of range or make no network.
    """
    arguments = checked(CLASS_NAME, (Edm2Precond, Edm2UNet), init_kwargs)
    found = planned(CLASS_NAME, Edm2Precond, arguments, MOST_PARAMETERS)
    assert isinstance(found, Edm2Precond)
    return found

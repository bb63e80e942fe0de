"""EDM's preconditioners: the denoisers of its files, VP, VE and improved DDPM among them.

Source: Karras et al. 2022, table 1. Their names, arguments and buffers are those of the released
files.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from samplebench.errors import InputError, unknown
from samplebench.networks.denoiser import (
    Coefficients,
    Denoiser,
    level_tensor,
    planned,
    unit_variance,
)
from samplebench.networks.dhariwal_unet import DhariwalUNet
from samplebench.networks.edm_arguments import RULES, checked, defaults
from samplebench.networks.song_unet import SongUNet
from samplebench.networks.trunk import Trunk

NETWORKS = {"SongUNet": SongUNet, "DhariwalUNet": DhariwalUNet}
# 4 GB of weights; the largest released network has 296 million parameters.
MOST_PARAMETERS = 1_000_000_000


class Preconditioner(Denoiser):
    """Base: a network `model` and the arithmetic around it.

    Args:
        img_resolution, img_channels, label_dim, use_fp16: see `Denoiser`.
        model_type: "SongUNet" or "DhariwalUNet".
        out_channels: channels the network returns, None for img_channels; further ones are ignored.
        model_kwargs: further arguments of the network.
    """

    def __init__(
        self,
        img_resolution: int,
        img_channels: int,
        label_dim: int = 0,
        use_fp16: bool = False,
        *,
        model_type: str,
        out_channels: int | None = None,
        **model_kwargs: Any,
    ) -> None:
        super().__init__(img_resolution, img_channels, label_dim, use_fp16)
        self.model: Trunk = NETWORKS[model_type](
            img_resolution=img_resolution,
            in_channels=img_channels,
            out_channels=out_channels or img_channels,
            label_dim=label_dim,
            **model_kwargs,
        )

    @property
    def trunk(self) -> Trunk:
        return self.model


class VPPrecond(Preconditioner):
    """The variance-preserving SDE of Song et al. 2021, whose network predicts the noise.

    Args:
        beta_d, beta_min: slope and start of the linear beta(t).
        M: number of steps of the original discrete process; c_noise lies in [0, M - 1].
        epsilon_t: the smallest time of training.
        model_type, common: see `Preconditioner`.
    """

    def __init__(
        self,
        *,
        beta_d: float = 19.9,
        beta_min: float = 0.1,
        M: int = 1000,
        epsilon_t: float = 1e-5,
        model_type: str = "SongUNet",
        **common: Any,
    ) -> None:
        super().__init__(model_type=model_type, **common)
        self.beta_d, self.beta_min, self.M = beta_d, beta_min, M
        # Evaluated in float32 where the networks were trained: 2^-10, not 0.0010005.
        self.sigma_min, self.sigma_max = self.sigma(
            torch.tensor([epsilon_t, 1.0], dtype=torch.float32, device="cpu")
        ).tolist()

    def sigma(self, t: Tensor) -> Tensor:
        """Noise level at time t."""
        return ((0.5 * self.beta_d * t.square() + self.beta_min * t).exp() - 1).sqrt()

    def t(self, sigma: Tensor) -> Tensor:
        """Time of a noise level; float32 resolves it coarsely near 0, as in training."""
        log = (1 + sigma.square()).log()
        return ((self.beta_min**2 + 2 * self.beta_d * log).sqrt() - self.beta_min) / self.beta_d

    def coefficients(self, sigma: Tensor) -> Coefficients:
        c_in = 1 / (sigma.square() + 1).sqrt()
        return torch.ones_like(sigma), -sigma, c_in, (self.M - 1) * self.t(sigma)


class VEPrecond(Preconditioner):
    """The variance-exploding SDE of Song et al. 2021, whose network predicts the noise, negated.

    Args:
        sigma_min, sigma_max: noise levels of training.
        model_type, common: see `Preconditioner`.
    """

    def __init__(
        self,
        *,
        sigma_min: float = 0.02,
        sigma_max: float = 100,
        model_type: str = "SongUNet",
        **common: Any,
    ) -> None:
        super().__init__(model_type=model_type, **common)
        self.sigma_min, self.sigma_max = sigma_min, sigma_max

    def coefficients(self, sigma: Tensor) -> Coefficients:
        one = torch.ones_like(sigma)
        return one, sigma, one, (0.5 * sigma).log()


class IDDPMPrecond(Preconditioner):
    """The discrete process of Nichol & Dhariwal 2021 with the cosine schedule.

    The buffer `u` holds its noise levels [M + 1], from the largest to 0. The network also returns
    a variance, which is ignored.

    Args:
        C_1: smallest ratio of successive alpha_bar.
        C_2: offset of the cosine schedule.
        M: number of noise levels above 0.
        model_type, common: see `Preconditioner`.
    """

    u: Tensor

    def __init__(
        self,
        *,
        C_1: float = 0.001,
        C_2: float = 0.008,
        M: int = 1000,
        model_type: str = "DhariwalUNet",
        img_channels: int,
        **common: Any,
    ) -> None:
        super().__init__(
            img_channels=img_channels,
            model_type=model_type,
            out_channels=2 * img_channels,
            **common,
        )
        self.M = M
        self.register_buffer("u", torch.empty(M + 1).copy_(noise_levels(C_1, C_2, M)))

    # The levels are those the file holds.
    @property
    def sigma_min(self) -> float:
        return float(self.u[self.M - 1])

    @property
    def sigma_max(self) -> float:
        return float(self.u[0])

    def index(self, sigma: Tensor) -> Tensor:
        """Position in u of the nearest level, on u's device; the first of two equally near."""
        exact = torch.float32 if self.u.device.type == "mps" else torch.float64
        levels = self.u.to(exact)
        distance = (sigma.to(exact).to(self.u.device).reshape(-1, 1) - levels).abs()
        return distance.argmin(dim=1).reshape(sigma.shape)

    def round_sigma(self, sigma: float | Tensor) -> Tensor:
        sigma = level_tensor(sigma)
        return self.u[self.index(sigma)].to(sigma)

    def coefficients(self, sigma: Tensor) -> Coefficients:
        c_in = 1 / (sigma.square() + 1).sqrt()
        return torch.ones_like(sigma), -sigma, c_in, self.M - 1 - self.index(sigma)


class EDMPrecond(Preconditioner):
    """The preconditioning of Karras et al. 2022: unit variance of the network's input and target.

    Args:
        sigma_min, sigma_max: noise levels the network supports.
        sigma_data: standard deviation of the training images.
        model_type, common: see `Preconditioner`.
    """

    def __init__(
        self,
        *,
        sigma_min: float = 0,
        sigma_max: float = math.inf,
        sigma_data: float = 0.5,
        model_type: str = "DhariwalUNet",
        **common: Any,
    ) -> None:
        super().__init__(model_type=model_type, **common)
        self.sigma_min, self.sigma_max, self.sigma_data = sigma_min, sigma_max, sigma_data

    def coefficients(self, sigma: Tensor) -> Coefficients:
        return unit_variance(sigma, self.sigma_data)


# By the names that released files use.
PRECONDITIONERS: Mapping[str, type[Preconditioner]] = {
    "VPPrecond": VPPrecond,
    "VEPrecond": VEPrecond,
    "iDDPMPrecond": IDDPMPrecond,
    "EDMPrecond": EDMPrecond,
}


def preconditioner(class_name: str, init_kwargs: Mapping[str, Any]) -> Preconditioner:
    """The network a file describes, on the default device, its weights not yet set.

    Args:
        class_name: "VPPrecond", "VEPrecond", "iDDPMPrecond" or "EDMPrecond".
        init_kwargs: its constructor arguments and its network's; the class fills what is missing.

    Raises:
        InputError: arguments that are unknown, missing, out of range or make no network.
    """
    if class_name not in PRECONDITIONERS:
        word = reprlib.repr(class_name)[1:-1]
        raise InputError(str(unknown("preconditioner", word, PRECONDITIONERS)))
    cls = PRECONDITIONERS[class_name]
    model_type = init_kwargs.get("model_type", defaults(cls)["model_type"])
    if not RULES["model_type"].test(model_type):
        raise InputError(
            f"{class_name}: model_type is {reprlib.repr(model_type)}; "
            f"samplebench knows {', '.join(NETWORKS)}"
        )
    arguments = checked(class_name, (cls, Preconditioner, NETWORKS[model_type]), init_kwargs)
    found = planned(class_name, cls, arguments, MOST_PARAMETERS)
    assert isinstance(found, cls)
    return found


def noise_levels(C_1: float, C_2: float, M: int) -> Tensor:
    """The noise levels u of the improved-DDPM process, float32 [M + 1] on the CPU, u[M] = 0.

    Each operation rounds to float32, the argument of the sine included, as in the released files;
    these hold their own table. Source: Karras et al. 2022, appendix C.3.
    """
    steps = torch.arange(M + 1, dtype=torch.float32, device="cpu")
    alpha_bar = ((0.5 * math.pi * steps) / M / (C_2 + 1)).sin() ** 2
    ratio = (alpha_bar[:-1] / alpha_bar[1:]).clip(min=C_1).numpy()
    # NumPy's square root is IEEE's; torch's is MKL's, whose last bit depends on the processor.
    one, levels = np.float32(1), [np.float32(0)]
    for j in range(M, 0, -1):
        levels.append(np.sqrt((levels[-1] ** 2 + one) / ratio[j - 1] - one))
    return torch.from_numpy(np.array(levels[::-1]))

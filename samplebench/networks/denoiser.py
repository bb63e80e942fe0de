"""D(x; sigma) = c_skip x + c_out F(c_in x; c_noise), around a network F.

Source: Karras et al. 2022, equation 7. The arithmetic around the network is float64 where x or
sigma is, else float32; the network runs in float32, in the half precision that it was put into, or
in float16 where the file asks for it and the images are on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from samplebench.errors import InputError
from samplebench.networks.trunk import Trunk

Coefficients = tuple[Tensor, Tensor, Tensor, Tensor]


class Denoiser(nn.Module):
    """Base: a network, which subclasses hold under the name that its files have, as `trunk`.

    Args:
        img_resolution, img_channels: size and channels of the images.
        label_dim: number of classes, 0 for none.
        use_fp16: whether the network runs in float16 on CUDA.

    Attributes:
        sigma_min, sigma_max: noise levels the network was trained for.
        takes_any_dtype: that x and sigma may be wider than its weights.
        precision: the half precision that the network was put into, None for none.
    """

    takes_any_dtype = True
    precision: torch.dtype | None = None

    def __init__(
        self, img_resolution: int, img_channels: int, label_dim: int, use_fp16: bool
    ) -> None:
        super().__init__()
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.label_dim, self.use_fp16 = label_dim, use_fp16

    @property
    def trunk(self) -> Trunk:
        """The network F(x, noise labels, class labels)."""
        raise NotImplementedError

    def coefficients(self, sigma: Tensor) -> Coefficients:
        """(c_skip, c_out, c_in, c_noise) at noise levels [N or 1, 1, 1, 1], each of their shape."""
        raise NotImplementedError

    def round_sigma(self, sigma: float | Tensor) -> Tensor:
        """The nearest noise level the network was trained for, like sigma; numbers in float64."""
        return level_tensor(sigma)

    def run_dtype(self, device: torch.device, force_fp32: bool = False) -> torch.dtype:
        """Precision of the U-Net on a device; its embedding of the noise level is float32."""
        if force_fp32:
            return torch.float32
        released = torch.float16 if self.use_fp16 and device.type == "cuda" else torch.float32
        return self.precision or released

    def convert(self, dtype: torch.dtype) -> None:
        """Puts the network into a precision, its weights cast once; float32 leaves them."""
        if dtype != torch.float32:
            self.trunk.convert(dtype)
            self.precision = dtype

    def forward(
        self,
        x: Tensor,
        sigma: float | Tensor,
        class_labels: Tensor | None = None,
        force_fp32: bool = False,
        **extra: Any,
    ) -> Tensor:
        """The denoised images D(x; sigma); at sigma = 0 not a number where c_noise is ln(sigma).

        Args:
            x: noisy images [N, img_channels, img_resolution, img_resolution].
            sigma: noise level, a number or a tensor of 1 or N entries, on any device.
            class_labels: one-hot rows [N or 1, label_dim]; None: all zero, the label that stands
                for no class. Ignored where label_dim is 0.
            force_fp32: whether the network runs in float32, on whatever weights it has.
            extra: further inputs of the network, e.g. augment_labels.

        Returns:
            Of x's shape and dtype.
        """
        sigma = level_tensor(sigma)
        # Metal has no float64.
        wide = torch.float64 in (x.dtype, sigma.dtype) and x.device.type != "mps"
        dtype = torch.float64 if wide else torch.float32
        sigma = sigma.to(dtype).to(x.device, non_blocking=True).reshape(-1, 1, 1, 1)
        c_skip, c_out, c_in, c_noise = self.coefficients(sigma)

        if self.label_dim == 0:
            class_labels = None
        elif class_labels is None:
            class_labels = torch.zeros(1, self.label_dim, device=x.device)
        else:
            class_labels = class_labels.to(torch.float32).reshape(-1, self.label_dim)
        noisy = x.to(dtype)
        raw = self.trunk(
            (c_in * noisy).to(self.run_dtype(x.device, force_fp32)),
            c_noise.flatten().to(torch.float32),
            class_labels,
            **extra,
        )
        return (c_skip * noisy + c_out * raw[:, : self.img_channels].to(dtype)).to(x.dtype)


def unit_variance(sigma: Tensor, sigma_data: float) -> Coefficients:
    """The coefficients that give input and target of F unit variance, of sigma's shape each.

    Source: Karras et al. 2022, table 1, "Ours"; EDM2 has the same.
    """
    variance = sigma.square() + sigma_data**2
    c_out = sigma * sigma_data / variance.sqrt()
    return sigma_data**2 / variance, c_out, 1 / variance.sqrt(), sigma.log() / 4


def planned(owner: str, cls: type[Denoiser], arguments: Mapping[str, Any], most: int) -> Denoiser:
    """A network of checked arguments, on the default device, its weights not yet set.

    Args:
        owner: the class as the file names it.
        cls, arguments: what is built.
        most: the parameters that it may have.

    Raises:
        InputError: the arguments make no network, or one too large.
    """
    # Tried where no memory is taken, however wide it is.
    try:
        with torch.device("meta"):
            plan = cls(**arguments)
    except ValueError as error:
        model_type = arguments.get("model_type", "network")
        raise InputError(f"{owner}: its arguments make no {model_type}: {error}") from error
    count = sum(parameter.numel() for parameter in plan.parameters())
    if count > most:
        raise InputError(
            f"{owner}: its arguments make {count:,} parameters; the limit is {most:,}, more than "
            "any release has"
        )
    return plan if torch.get_default_device().type == "meta" else cls(**arguments)


def level_tensor(sigma: float | Tensor) -> Tensor:
    """A noise level as a tensor; numbers in float64."""
    return sigma if isinstance(sigma, Tensor) else torch.tensor(sigma, dtype=torch.float64)

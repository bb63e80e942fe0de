"""Blurring diffusion (Hoogeboom & Salimans 2023): a linear law that is diagonal in frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from samplebench.errors import UsageError
from samplebench.processes.linear import LinearProcess, Times, stacked

if TYPE_CHECKING:
    from torch import Tensor

_SHIFT = 0.004  # of the cosine schedule, whose angle is (t + 0.004) / 1.008 pi / 2


@dataclass(frozen=True)
class Blurring(LinearProcess):
    """y_t = a_t y_0 + sigma_t z, y the orthonormal DCT-II of an image; high frequencies fade first.

    a_t = sqrt(alpha_bar) d, sigma_t = sqrt(1 - alpha_bar), with a cosine schedule and
    d = (1 - d_min) exp(-lambda sigma_B^2 / 2) + d_min, sigma_B = sigma_blur_max sin^2(pi t / 2).

    Attributes:
        image_size: H = W, at which the frequencies are lambda = (pi i / H)^2 + (pi j / H)^2.
        sigma_blur_max: largest standard deviation of the blur, in pixels.
        d_min: what is left of the highest frequencies.
        noise_max: noise level in EDM's convention, without the blur, where sampling starts.
        t_min: where its steps end.
    """

    name: ClassVar[str] = "bdm"

    image_size: int = 32
    sigma_blur_max: float = 10.0
    d_min: float = 0.001
    noise_max: float = 80.0
    t_min: float = 1e-5

    def check(self) -> None:
        if self.image_size < 1 or self.image_size != int(self.image_size):
            raise UsageError(f"process bdm: image_size={self.image_size} must be a whole number")
        super().check()

    @property
    def size(self) -> tuple[int, int]:
        return (self.image_size, self.image_size)

    @property
    def T(self) -> float:
        """The time of `noise_max`, counted from the noise that t = 0 has."""
        first = self.alpha_bar(0.0)
        last = first / ((self.noise_max + math.sqrt(1 - first)) ** 2 + first)
        return math.acos(math.sqrt(last)) * 2 / math.pi * (1 + 2 * _SHIFT) - _SHIFT

    @staticmethod
    def alpha_bar(t: Times) -> Times:
        """Share of the signal in the variance, without the blur."""
        level: Times = np.cos(_angle(t)) ** 2
        return level

    def blur(self, t: Times) -> np.ndarray:
        """d, the share of each frequency that the blur leaves, [..., H, W]."""
        width = np.asarray(self.sigma_blur_max * np.sin(np.pi * t / 2) ** 2)[..., None, None]
        return (1 - self.d_min) * np.exp(-self._frequencies * width**2 / 2) + self.d_min

    def signal(self, t: Times) -> np.ndarray:
        kept = np.asarray(np.cos(_angle(t)))[..., None, None] * self.blur(t)
        return kept[..., None, None]

    def psi(self, t: Times, s: Times) -> np.ndarray:
        return self.signal(t) / self.signal(s)

    def R(self, t: Times) -> np.ndarray:
        return stacked((np.sin(_angle(t)),))

    def F(self, t: Times) -> np.ndarray:
        return (_log_slope(t) / 2 + self._fading(t))[..., None, None]

    def GGT(self, t: Times) -> np.ndarray:
        noise = np.asarray(np.sin(_angle(t)) ** 2)[..., None, None]
        return (-_log_slope(t) - 2 * noise * self._fading(t))[..., None, None]

    def encode(self, images: Tensor) -> Tensor:
        """The DCT-II of every channel, as one channel of the state."""
        matrix = self._dct(images)
        return (matrix @ images @ matrix.T)[:, None]

    def decode(self, u: Tensor) -> Tensor:
        matrix = self._dct(u)
        return matrix.T @ u[:, 0] @ matrix

    @cached_property
    def _frequencies(self) -> np.ndarray:
        axis = (np.pi * np.arange(self.image_size) / self.image_size) ** 2
        return axis[:, None] + axis

    def _fading(self, t: Times) -> np.ndarray:
        """d' / d, [..., H, W]."""
        angle = np.asarray(np.pi * t / 2)[..., None, None]
        # sigma_B sigma_B'
        growth = self.sigma_blur_max**2 * np.pi * np.sin(angle) ** 3 * np.cos(angle)
        return -self._frequencies * growth * (1 - self.d_min / self.blur(t))

    def _dct(self, like: Tensor) -> Tensor:
        import torch

        return torch.from_numpy(self._transform).to(like)

    @cached_property
    def _transform(self) -> np.ndarray:
        """The orthonormal DCT-II as a matrix, [H, H]."""
        from scipy.fft import dct  # type: ignore[import-untyped]

        matrix: np.ndarray = dct(np.eye(self.image_size), axis=0, norm="ortho")
        return matrix


def _angle(t: Times) -> Times:
    return (t + _SHIFT) / (1 + 2 * _SHIFT) * np.pi / 2


def _log_slope(t: Times) -> np.ndarray:
    """alpha_bar' / alpha_bar, [..., 1, 1]."""
    return -np.pi / (1 + 2 * _SHIFT) * np.asarray(np.tan(_angle(t)))[..., None, None]

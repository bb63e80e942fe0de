"""Critically damped Langevin diffusion (Dockhorn, Vahdat & Kreis 2022), as gDDIM trains on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import gammainc  # type: ignore[import-untyped]

from samplebench.processes.linear import LinearProcess, Times, apply, stacked
from samplebench.processes.quadrature import gauss, panels

if TYPE_CHECKING:
    from torch import Tensor

# Below it the covariance is that of t = 0 to a few per mille: one panel reaches down to 0.
_FIRST_PANEL = 1e-5


@dataclass(frozen=True)
class CLD(LinearProcess):
    """A position x and a velocity v per pixel: noise enters v alone and reaches x through it.

    dx = beta v / M dt, dv = -beta (x + Gamma v / M) dt + sqrt(2 Gamma beta) dw, Gamma = 2 sqrt(M).

    Attributes:
        beta_0, beta_1: beta(t) = beta_0 + beta_1 t.
        m_inv: 1 / M, the inverse mass.
        vv_gamma: variance of v at t = 0 over M.
        numerical_eps: added to both variances at t = 0; a network's basis R depends on it.
        T, t_min: where sampling starts and where its steps end.
    """

    name: ClassVar[str] = "cld"
    channels: ClassVar[int] = 2
    denoise: ClassVar[bool] = True

    beta_0: float = 4.0
    beta_1: float = 0.0
    m_inv: float = 4.0
    vv_gamma: float = 0.04
    numerical_eps: float = 1e-6
    T: float = 1.0
    t_min: float = 1e-3

    @property
    def prior_factor(self) -> tuple[float, ...]:
        return (1.0, 1 / math.sqrt(self.m_inv))

    def psi(self, t: Times, s: Times) -> np.ndarray:
        a = math.sqrt(self.m_inv)
        y = a * (self._beta_integral(t) - self._beta_integral(s))
        decay = np.exp(-y)
        return stacked(
            (decay * (1 + y), decay * a * y), (-decay * y / a, decay * (1 - y))
        )  # fmt: skip

    def cov(self, t: Times) -> np.ndarray:
        xx, xv, vv = self._covariance(t)
        return stacked((xx, xv), (xv, vv))

    def R(self, t: Times) -> np.ndarray:
        """L O(phi): Cholesky's factor, turned by the angle that its differential equation gives."""
        xx, xv, vv = self._covariance(t)
        lower_xx = np.sqrt(xx)
        lower_vx = xv / lower_xx
        lower_vv = np.sqrt(vv - lower_vx**2)
        phi = self._phi(np.asarray(t, dtype=float))
        cos, sin = np.cos(phi), np.sin(phi)
        return stacked(
            (lower_xx * cos, lower_xx * sin),
            (lower_vx * cos - lower_vv * sin, lower_vx * sin + lower_vv * cos),
        )

    def F(self, t: Times) -> np.ndarray:
        beta = self.beta_0 + self.beta_1 * t
        return stacked((0.0, beta * self.m_inv), (-beta, -2 * beta * math.sqrt(self.m_inv)))

    def GGT(self, t: Times) -> np.ndarray:
        beta = self.beta_0 + self.beta_1 * t
        return stacked((0.0, 0.0), (0.0, 4 * beta / math.sqrt(self.m_inv)))

    def encode(self, images: Tensor) -> Tensor:
        import torch

        return torch.stack([images, torch.zeros_like(images)], dim=1)

    def last(self, u: Tensor, eps: Tensor, t: float) -> Tensor:
        """Euler's step on the reverse SDE without its noise, as gDDIM's release ends."""
        drift = apply(self.F(t), u) + apply(self.GGT(t) @ self.score_factor(t), eps)
        return u - t * drift

    def _beta_integral(self, t: Times) -> Times:
        """Of beta from 0 to t."""
        return self.beta_0 * t + self.beta_1 * t * t / 2

    def _covariance(self, t: Times) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entries xx, xv, vv: what is left of t = 0, and the noise since, in sums without
        cancellation."""
        a = math.sqrt(self.m_inv)
        first_x = self.numerical_eps
        first_v = self.vv_gamma / self.m_inv + self.numerical_eps
        y = a * np.asarray(self._beta_integral(t))
        decay = np.exp(-2 * y)
        noise_xx = gammainc(3, 2 * y)
        noise_xv = 2 * y * y * decay / a
        noise_vv = (noise_xx + 4 * y * decay) / self.m_inv
        xx = decay * ((1 + y) ** 2 * first_x + self.m_inv * y * y * first_v) + noise_xx
        xv = decay * (a * y * (1 - y) * first_v - (1 + y) * y / a * first_x) + noise_xv
        vv = decay * (y * y / self.m_inv * first_x + (1 - y) ** 2 * first_v) + noise_vv
        return xx, xv, vv

    def _turning(self, t: np.ndarray) -> np.ndarray:
        """d phi / dt = beta / M L_vv / L_xx."""
        xx, xv, vv = self._covariance(t)
        return (self.beta_0 + self.beta_1 * t) * self.m_inv * np.sqrt(xx * vv - xv * xv) / xx

    def _phi(self, t: np.ndarray) -> np.ndarray:
        ends, angles = self._angles
        panel = np.clip(np.searchsorted(ends, t, "right") - 1, 0, len(ends) - 1)
        nodes, weights = gauss(ends[panel], t)
        rest: np.ndarray = (weights * self._turning(nodes)).sum(-1)
        return angles[panel] + rest

    @cached_property
    def _angles(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of panels that cover [0, T], and phi there."""
        ends = np.append(0.0, panels(_FIRST_PANEL, self.T))
        nodes, weights = gauss(ends[:-1], ends[1:])
        parts = (weights * self._turning(nodes)).sum(-1)
        return ends, np.append(0.0, np.cumsum(parts))

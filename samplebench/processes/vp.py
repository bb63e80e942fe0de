"""The variance-preserving law with linear beta(t) (Song et al. 2021; EDM Table 1, column VP)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import Times, stacked


@dataclass(frozen=True)
class VP(Isotropic):
    """sigma(t) = sqrt(exp(beta_d t^2 / 2 + beta_min t) - 1) for t in [0, 1].

    As a linear process du = -beta/2 u dt + sqrt(beta) dw, u = (x0 + sigma n) / sqrt(1 + sigma^2).

    Attributes:
        beta_d, beta_min: slope and start of beta(t), per unit of t.
        T, t_min: where sampling starts and where its steps end.
    """

    name: ClassVar[str] = "vp"

    beta_d: float = 19.9
    beta_min: float = 0.1
    T: float = 1.0
    t_min: float = 1e-3

    @classmethod
    def fit(cls, sigma_min: float, sigma_max: float, epsilon_s: float = 1e-3) -> VP:
        """The law with sigma(1) = sigma_max and sigma(epsilon_s) = sigma_min."""
        low, high = math.log1p(sigma_min**2), math.log1p(sigma_max**2)
        beta_d = 2 * (low / epsilon_s - high) / (epsilon_s - 1)
        return cls(beta_d, high - beta_d / 2)

    def beta(self, t: Times) -> Times:
        return self.beta_min + self.beta_d * t

    def integral(self, t: Times) -> Times:
        """Of beta from 0 to t."""
        return self.beta_d * t * t / 2 + self.beta_min * t

    def sigma(self, t: float) -> float:
        return math.sqrt(math.expm1(self.integral(t)))

    def sigma_dot(self, t: float) -> float:
        """d sigma / dt."""
        sigma = self.sigma(t)
        return float(self.beta(t)) / 2 * (sigma + 1 / sigma)

    def time(self, sigma: float) -> float:
        """The inverse of `sigma`."""
        log = math.log1p(sigma * sigma)
        return (math.sqrt(self.beta_min**2 + 2 * self.beta_d * log) - self.beta_min) / self.beta_d

    def psi(self, t: Times, s: Times) -> np.ndarray:
        return stacked((np.exp((self.integral(s) - self.integral(t)) / 2),))

    def R(self, t: Times) -> np.ndarray:
        return stacked((np.sqrt(-np.expm1(-self.integral(t))),))

    def F(self, t: Times) -> np.ndarray:
        return stacked((-self.beta(t) / 2,))

    def GGT(self, t: Times) -> np.ndarray:
        return stacked((self.beta(t),))

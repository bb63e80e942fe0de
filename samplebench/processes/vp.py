"""The variance-preserving law with linear beta(t) (Song et al. 2021; EDM Table 1, column VP)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class VP:
    """sigma(t) = sqrt(exp(beta_d t^2 / 2 + beta_min t) - 1) for t in [0, 1].

    Attributes:
        beta_d, beta_min: slope and start of beta(t), per unit of t.
    """

    beta_d: float = 19.9
    beta_min: float = 0.1

    @classmethod
    def fit(cls, sigma_min: float, sigma_max: float, epsilon_s: float = 1e-3) -> VP:
        """The law with sigma(1) = sigma_max and sigma(epsilon_s) = sigma_min."""
        low, high = math.log1p(sigma_min**2), math.log1p(sigma_max**2)
        beta_d = 2 * (low / epsilon_s - high) / (epsilon_s - 1)
        return cls(beta_d, high - beta_d / 2)

    def sigma(self, t: float) -> float:
        return math.sqrt(math.expm1(self.beta_d * t * t / 2 + self.beta_min * t))

    def sigma_dot(self, t: float) -> float:
        """d sigma / dt."""
        sigma = self.sigma(t)
        return (self.beta_min + self.beta_d * t) / 2 * (sigma + 1 / sigma)

    def time(self, sigma: float) -> float:
        """The inverse of `sigma`."""
        log = math.log1p(sigma * sigma)
        return (math.sqrt(self.beta_min**2 + 2 * self.beta_d * log) - self.beta_min) / self.beta_d

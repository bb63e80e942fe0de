"""EDM's grid of noise levels (Karras et al. 2022, Eq. 5)."""

from __future__ import annotations

import numpy as np


def rho_levels(count: int, sigma_min: float, sigma_max: float, rho: float) -> np.ndarray:
    """So many levels, at least 2, from sigma_max down to sigma_min, uniform in sigma^(1/rho)."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return (high + np.arange(count) / (count - 1) * (low - high)) ** rho

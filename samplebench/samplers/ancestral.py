"""Ancestral steps: down to less noise than the next level has, then up to it with fresh noise."""

from __future__ import annotations

import math
from typing import Any


def ancestral(a: float, b: float, eta: float) -> tuple[float, float]:
    """(down, up) of a step from sigma = a to b < a: down^2 + up^2 = b^2.

    At eta = 1 `up` is what DDPM's posterior has; above 1 it is at most b, and `down` at least 0.
    """
    up = min(b, eta * math.sqrt(b**2 * (a**2 - b**2) / a**2))
    return math.sqrt(b**2 - up**2), up


def draws(params: dict[str, Any]) -> bool:
    """Whether such a sampler draws noise."""
    return params["eta"] > 0

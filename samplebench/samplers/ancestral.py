"""Ancestral steps: down to less noise than the next level has, then up to it with fresh noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError
from samplebench.samplers.probability_flow import draw

if TYPE_CHECKING:
    from torch import Tensor


def ancestral(a: float, b: float, eta: float) -> tuple[float, float]:
    """(down, up) of a step from sigma = a to b < a: down^2 + up^2 = b^2.

    At eta = 1 `up` is what DDPM's posterior has; above 1 it is at most b, and `down` at least 0.
    """
    up = min(b, eta * math.sqrt(b**2 * (a**2 - b**2) / a**2))
    return math.sqrt(b**2 - up**2), up


def check_share(eta: float) -> None:
    """Raises `UsageError` for a share above 1, with which `down` may be 0 at any level."""
    if eta > 1:
        raise UsageError(f"eta={eta}: the share of fresh noise is at most 1 here")


def draws(params: dict[str, Any]) -> bool:
    """Whether such a sampler draws noise."""
    return params["eta"] > 0


def renoised(
    x: Tensor, up: float, eta: float, S_noise: float, noise: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """The state with S_noise `up` times fresh noise; nothing is drawn at eta = 0."""
    return x + up * S_noise * draw(noise, x) if eta > 0 else x


def or_quiet(
    name: str, other: str, **params: Any
) -> Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]:
    """The `canonical` of a sampler that at eta = 0 is another one with these parameters."""
    return lambda effective: (other, params) if effective["eta"] == 0 else (name, effective)

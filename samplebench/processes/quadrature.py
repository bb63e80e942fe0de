"""Quadrature in time: laws of noise change over decades of t, so panels are geometric in it."""

from __future__ import annotations

import math

import numpy as np

_POINTS, _PER_DECADE = 16, 6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_POINTS)


def panels(low: float, high: float) -> np.ndarray:
    """Ends of the panels of [low, high], 0 < low < high, at most six to a decade."""
    count = max(1, math.ceil(_PER_DECADE * math.log10(high / low)))
    ends = low * (high / low) ** (np.arange(count + 1) / count)
    ends[-1] = high
    return ends


def gauss(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights of each interval [low, high], both [..., 16]."""
    half = np.asarray(high - low)[..., None] / 2
    return np.asarray(low)[..., None] + half * (1 + _NODES), half * _WEIGHTS


def gauss_on_panels(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights of [low, high] on its panels, both [n]."""
    ends = panels(low, high)
    nodes, weights = gauss(ends[:-1], ends[1:])
    return nodes.ravel(), weights.ravel()


def left_riemann(start: float, end: float, count: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """Left Riemann sum from start to end, either way: nodes [count] and their signed weights."""
    width = (end - start) / count
    return start + width * np.arange(count), np.full(count, width)

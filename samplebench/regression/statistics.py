"""Whether two means of other seeds differ: pooled standard errors, Student's t, Holm.

The variance of one range of N samples is modelled as a + b x value over the points of a curve: the
delta method gives a squared distance a variance in proportion to itself, and a its own floor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# Measured on Frechet distances, jackknives over 20 blocks: pooled over the points of a sweep, the
# errors of two ranges vary as with 18 to 65 degrees of freedom, of four as with 50 or more.
_DOF_PER_RANGE = 10
MIN_DOF = 20
_ROUNDS = 20
# Between the jackknife errors of two single ranges. Their logarithms spread by 0.17 to 0.27 between
# the ranges of the committed curves, so that this is 4.5 standard deviations of their difference.
_SPREAD = 5.0


def pooled_variances(values: Sequence[float], variances: Sequence[float]) -> np.ndarray:
    """The variance of one range at every point, from those of all points of a curve.

    a + b max(value, 0) with a, b >= 0, fitted to relative residuals (a gamma model with identity
    link, by iterated least squares), and never below the point's own: where a metric does not
    follow the model, the error bar gets too wide and not too narrow.

    Args:
        values: means over both sides, [m].
        variances: mean squared standard errors of one range, [m].

    Returns:
        float64 [m].
    """
    from scipy.optimize import nnls  # type: ignore[import-untyped]

    own = np.asarray(variances, dtype=np.float64)
    if not own.size or not own.max() > 0:
        return own
    design = np.stack([np.ones_like(own), np.clip(values, 0, None)], axis=1)
    # Columns of like size, as values and variances may differ by orders of magnitude.
    scale = np.maximum(design.max(axis=0), np.finfo(np.float64).tiny)
    design, unit = design / scale, own.max()
    weights = 1 / np.maximum(own / unit, 1e-12)
    fitted = own
    for _ in range(_ROUNDS):
        solution, _ = nnls(design * weights[:, None], own / unit * weights)
        fitted = design @ solution * unit
        weights = 1 / np.maximum(fitted / unit, 1e-12)
    return np.maximum(fitted, own)


def degrees_of_freedom(ranges: int) -> int:
    """Of a standard error from so many disjoint seed ranges, all points of a sweep together.

    Points of one sweep share their seeds: pooling over them steadies an error but adds none.
    """
    return max(MIN_DOF, _DOF_PER_RANGE * ranges)


def spread_factor(old: int, new: int) -> float:
    """How far the mean jackknife errors of so many ranges may lie apart, as a factor above 1."""
    return float(_SPREAD ** math.sqrt((1 / old + 1 / new) / 2))


def p_value(t: float, dof: float) -> float:
    """Two-sided tail probability of Student's t."""
    from scipy.special import stdtr  # type: ignore[import-untyped]

    return 1.0 if math.isnan(t) else float(2 * stdtr(dof, -abs(t)))


def critical(alpha: float, dof: float) -> float:
    """|t| whose two-sided tail probability is alpha."""
    from scipy.special import stdtrit

    return float(-stdtrit(dof, alpha / 2))


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which hypotheses fall at family-wise error alpha, under any dependence (Holm 1979).

    The smallest of m is held to alpha / m, the next to alpha / (m - 1), until one stands.
    """
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected

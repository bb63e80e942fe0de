"""Error bars from one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from samplebench.metrics.moments import Moments


def delete_one(blocks: Sequence[Moments], estimate: Callable[[Moments], float]) -> list[float]:
    """`estimate` without each block in turn, empty ones left out.

    Nothing where fewer than 2 samples or blocks would be left.
    """
    filled = [block for block in blocks if block.count]
    total = Moments.zeros(len(filled[0].total)) if filled else None
    for block in filled:
        total = total + block  # type: ignore[operator]
    if len(filled) < 2 or total is None:
        return []
    if total.count - max(block.count for block in filled) < 2:
        return []
    return [float(estimate(total - block)) for block in filled]


def spread(left_out: Sequence[float]) -> float:
    """Standard error from delete-one values, or from the differences of two paired lists of them.

    sqrt((g - 1) / g * sum (theta_i - mean theta)^2) over g blocks of nearly equal size (Efron &
    Tibshirani 1993, Eq. 11.5). NaN for fewer than 2 values.
    """
    g = len(left_out)
    if g < 2:
        return math.nan
    values = np.array(left_out)
    return float(np.sqrt((g - 1) / g * np.square(values - values.mean()).sum()))

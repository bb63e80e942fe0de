"""Error bars from one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from samplebench.metrics.moments import Moments


def jackknife(blocks: Sequence[Moments], estimate: Callable[[Moments], float]) -> float:
    """Standard error of `estimate` by leaving out one block at a time.

    sqrt((g - 1) / g * sum (theta_i - mean theta)^2) over g blocks of nearly equal size (Efron &
    Tibshirani 1993, Eq. 11.5). NaN where fewer than 2 samples or blocks would be left.
    """
    filled = [block for block in blocks if block.count]
    g = len(filled)
    total = Moments.zeros(len(filled[0].total)) if filled else None
    for block in filled:
        total = total + block  # type: ignore[operator]
    if g < 2 or total is None or total.count - max(block.count for block in filled) < 2:
        return math.nan
    left_out = np.array([estimate(total - block) for block in filled])
    return float(np.sqrt((g - 1) / g * np.square(left_out - left_out.mean()).sum()))

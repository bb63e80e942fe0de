"""Error bars from one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from samplebench.metrics.blocks import Blocked


def delete_one(statistic: Blocked, estimate: Callable[[Any], float]) -> list[float]:
    """`estimate` without each block of the statistic in turn; nothing where these are not known."""
    return [float(estimate(left)) for left in statistic.left_out()]


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

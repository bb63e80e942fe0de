"""The noise levels that make DMN's objective small: a constrained search of seconds."""

from __future__ import annotations

import math
import warnings

import numpy as np

from samplebench.errors import UsageError
from samplebench.tune.dmn.objective import objective

# Equal levels divide by 0: no step is shorter in log sigma.
SHORTEST = 1e-3
# Of a difference quotient, in log sigma.
_DIFFERENCE = 1e-6
# Corners of the objective hold a search up: they are rounded, by these shares of the objective,
# each search beginning where the one before has ended.
_ROUNDINGS = (1e-2, 1e-3, 1e-4, 0.0)
_STOP = {"gtol": 1e-8, "xtol": 1e-5}


def levels(
    steps: int, sigma_min: float, sigma_max: float, *, p: float = 1.0, truncation: int = 3
) -> np.ndarray:
    """Noise levels from sigma_max to sigma_min, by DMN's objective (Xue et al. 2024).

    Found from levels uniform in log sigma. The objective is flat and not smooth: another release
    of SciPy may find other levels that are as good.

    Args:
        steps: N, at least 1.
        sigma_min, sigma_max: the ends, 0 < sigma_min < sigma_max; of a VP process std / alpha.
        p, truncation: as of `objective`.

    Returns:
        float64 [steps + 1], decreasing, without a final 0.

    Raises:
        UsageError: an impossible range, or one too short for the steps.
    """
    if not 0 < sigma_min < sigma_max < math.inf:
        raise UsageError(
            f"noise range [{sigma_min:g}, {sigma_max:g}] is empty; need 0 < sigma_min < sigma_max"
        )
    low, high = -math.log(sigma_max), -math.log(sigma_min)
    most = int((high - low) / (2 * SHORTEST))
    if not 1 <= steps <= most:
        raise UsageError(f"steps={steps}: this noise range has room for 1 to {most}")
    found = np.exp(-_searched(np.linspace(low, high, steps + 1), p, truncation))
    found[[0, -1]] = sigma_max, sigma_min
    return found


def _searched(start: np.ndarray, p: float, truncation: int) -> np.ndarray:
    """The half log-SNRs of the smallest objective; the ends of the start stay."""
    from scipy.optimize import LinearConstraint, minimize  # type: ignore[import-untyped]

    inner = len(start) - 2
    if inner < 1:
        return start

    def whole(free: np.ndarray) -> np.ndarray:
        ends = np.broadcast_to(start[[0, -1]], (*free.shape[:-1], 2))
        return np.concatenate([ends[..., :1], free, ends[..., 1:]], -1)

    def value(free: np.ndarray) -> np.ndarray:
        return objective(whole(free), p=p, truncation=truncation, rounding=rounding)

    def slope(free: np.ndarray) -> np.ndarray:
        moved = _DIFFERENCE * np.eye(inner)
        return (value(free + moved) - value(free - moved)) / (2 * _DIFFERENCE)

    # The steps h are gaps @ free + ends.
    gaps = np.eye(inner + 1, inner) - np.eye(inner + 1, inner, -1)
    ends = np.zeros(inner + 1)
    ends[0], ends[-1] = -start[0], start[-1]
    room = LinearConstraint(gaps, SHORTEST - ends, np.inf, keep_feasible=True)
    free = start[1:-1]
    with warnings.catch_warnings():
        # Said where a step is too short for the slope to change.
        warnings.filterwarnings("ignore", "delta_grad == 0.0")
        for share in _ROUNDINGS:
            rounding = share * float(objective(whole(free), p=p, truncation=truncation))
            free = minimize(
                value, free, jac=slope, method="trust-constr", constraints=[room], options=_STOP
            ).x
    return whole(free)

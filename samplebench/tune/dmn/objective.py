"""The bound of the error of a data-prediction multistep solver (Xue et al. 2024, section 3.3).

A step integrates e^lambda D(lambda) with D interpolated through the answers at 1, 2 or 3 half
log-SNRs; the error of an answer there is taken to be w, so that w times its coefficient counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def objective(
    lambdas: ArrayLike, *, p: float = 1.0, truncation: int = 3, rounding: float = 0.0
) -> np.ndarray:
    """What the search makes small.

    Args:
        lambdas: half log-SNRs, increasing, float64 [..., N + 1]; -ln sigma where alpha is 1.
        p: exponent of w = s^p / alpha, with alpha = 1 / sqrt(1 + e^(-2 lambda)) and
            s = 1 / sqrt(1 + e^(2 lambda)); of 1 it is sigma.
        truncation: T: of the steps before it each counts by its own; of the others what they have
            of one answer is added up first, so that errors may cancel.
        rounding: of the corners where these sums are 0: |a| is sqrt(a^2 + rounding^2).

    Returns:
        float64 [...]; not finite where two lambdas are equal.
    """
    at = np.asarray(lambdas, dtype=np.float64)
    count = at.shape[-1] - 1
    orders = np.minimum(3, np.minimum(np.arange(count) + 1, count - np.arange(count)))
    # s^p / alpha
    error = (1 + np.exp(2 * at)) ** (-p / 2) * np.sqrt(1 + np.exp(-2 * at))
    total, shared = np.zeros(at.shape[:-1]), np.zeros_like(at)
    with np.errstate(all="ignore"):
        for order in range(1, orders.max(initial=0) + 1):
            steps = np.flatnonzero(orders == order)
            used = steps[:, None] + np.arange(1 - order, 1)
            each = error[..., used] * coefficients(at, steps, order)
            alone = (steps < truncation) | (order == 1)
            total = total + np.sqrt(np.square(each[..., alone, :]).sum(-1)).sum(-1)
            for place in range(order):
                shared[..., used[~alone, place]] += each[..., ~alone, place]
    return total + np.sqrt(shared**2 + rounding**2).sum(-1)


def coefficients(lambdas: np.ndarray, steps: np.ndarray, order: int) -> np.ndarray:
    """Integrals of e^lambda over steps of the Lagrange polynomials of the last answers.

    Args:
        lambdas: [..., N + 1].
        steps: int [n], from lambda_step to the next.
        order: 1, 2 or 3 answers.

    Returns:
        [..., n, order], the newest answer last.
    """
    h = np.diff(lambdas)[..., steps[:, None] + np.arange(1 - order, 1)]
    scale, last = np.exp(lambdas[..., steps]), h[..., -1]
    # Integrals of e^u, u e^u and u^2 e^u from 0 to the step's length.
    grown, zeroth = np.exp(last), np.expm1(last)
    first = last * grown - zeroth
    second = last**2 * grown - 2 * first
    if order == 1:
        found = [zeroth]
    elif order == 2:
        a = h[..., 0]
        found = [-first / a, (first + a * zeroth) / a]
    else:
        a, b = h[..., 0], h[..., 1]
        found = [
            (second + b * first) / (a * (a + b)),
            -(second + (a + b) * first) / (a * b),
            (second + (2 * b + a) * first + b * (a + b) * zeroth) / (b * (a + b)),
        ]
    return scale[..., None] * np.stack(found, -1)

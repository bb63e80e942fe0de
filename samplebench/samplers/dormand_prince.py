"""Dormand-Prince 5(4) (Dormand & Prince 1980): its tableau, and steps that its error controls.

The step control is that of Hairer, Norsett & Wanner (Solving Ordinary Differential Equations I,
section II.4) with SciPy's constants, for each sample of a batch on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.tensors import column
from samplebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

# Of RK5(4)7M; its seventh stage is the first of the next step.
NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
SOLUTION = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
_FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
_ERROR = tuple(b - c for b, c in zip((*SOLUTION, 0.0), _FOURTH, strict=True))

SAFETY, LEAST, MOST = 0.9, 0.2, 10.0
# One over the order of the error.
_POWER = 1 / 5
# Of a sample; more are no adaptive method's, but the sign of a tolerance below the rounding.
_MOST_STEPS = 10_000

# (states, times [n], which samples or None for all) -> dx/dt.
Slope = Callable[..., Any]
# Values [n, ...] of each entry -> their size for each sample [n], on the host.
Norm = Callable[..., np.ndarray]


def weighted(weights: tuple[float, ...], slopes: list[Any]) -> Any:
    """The sum of slopes by their weights."""
    return sum(weight * slope for weight, slope in zip(weights, slopes, strict=True))


def root_mean_square(values: Tensor) -> np.ndarray:
    """Of each sample's entries [n, ...], on the host."""
    return values.flatten(1).square().mean(1).sqrt().double().cpu().numpy()


def integrate(
    slope: Slope,
    x: Tensor,
    start: float,
    end: float,
    tolerance: float,
    report: Callable[[Tensor, np.ndarray], None],
    norm: Norm = root_mean_square,
    who: str = "",
) -> Tensor:
    """x(end) of dx/dt = slope from x(start), start above end, each sample by steps of its own.

    A sample at its end is evaluated no more. One without a finite way on becomes NaN.

    Args:
        tolerance: relative and absolute.
        report: is told the states and their times after every round of steps.
        norm: what a sample's error is, of those of its entries.
        who: asks for it at which tolerance, for messages; "" for rk45 at this one.

    Raises:
        UsageError: a sample needs more than 10,000 steps.
    """
    t, left = np.full(len(x), start), np.arange(len(x))
    first = slope(x, t, None)
    h = _first_step(slope, x, first, start, end, tolerance, norm)
    again = np.zeros(len(x), dtype=bool)
    for _ in range(_MOST_STEPS):
        lost = left[~(h[left] > 10 * np.spacing(t[left]))]
        if lost.size:
            x = x.index_fill(0, _rows(lost, x), float("nan"))
            left = np.setdiff1d(left, lost)
        if not left.size:
            return x
        rows = _rows(left, x)
        size = np.minimum(h[left], t[left] - end)
        new, last, error = _step(
            slope, x[rows], first[rows], t[left], size, tolerance, left, len(t), norm
        )
        passed, factor = error < 1, _factor(error)
        h[left] = size * np.where(again[left] & passed, np.minimum(factor, 1), factor)
        again[left] = ~passed
        done = left[passed]
        x = x.index_copy(0, _rows(done, x), new[_rows(passed.nonzero()[0], x)])
        first = first.index_copy(0, _rows(done, x), last[_rows(passed.nonzero()[0], x)])
        t[done] = np.where(size[passed] < t[done] - end, t[done] - size[passed], end)
        report(x, t)
        left = left[t[left] > end]
    who = who or f"rk45 with rtol={tolerance:g}"
    raise UsageError(
        f"{who}: a sample needs more than {_MOST_STEPS:,} steps; raise rtol"
        + (", or use a float64 state" if x.element_size() < 8 else "")
    )


def _step(
    slope: Slope,
    x: Tensor,
    first: Tensor,
    t: np.ndarray,
    size: np.ndarray,
    tolerance: float,
    left: np.ndarray,
    batch: int,
    norm: Norm,
) -> tuple[Tensor, Tensor, np.ndarray]:
    """New states, their slopes, and the error of each in units of the tolerance."""
    import torch

    rows = None if len(left) == batch else torch.from_numpy(left)
    back, slopes = -column(size, x), [first]
    for node, weights in zip(NODES[1:], STAGES[1:], strict=True):
        slopes.append(slope(x + back * weighted(weights, slopes), t - node * size, rows))
    new = x + back * weighted(SOLUTION, slopes)
    slopes.append(slope(new, t - size, rows))
    scale = tolerance * (1 + torch.maximum(x.abs(), new.abs()))
    return new, slopes[-1], norm(back * weighted(_ERROR, slopes) / scale)


def _factor(error: np.ndarray) -> np.ndarray:
    """By how much the next step is larger; what is not finite was far too large."""
    with np.errstate(all="ignore"):
        factor = SAFETY * error**-_POWER
    return np.where(np.isfinite(error), np.clip(factor, LEAST, MOST), LEAST)


def _first_step(
    slope: Slope,
    x: Tensor,
    first: Tensor,
    start: float,
    end: float,
    tolerance: float,
    norm: Norm,
) -> np.ndarray:
    """Sizes of the first steps; one more evaluation."""
    scale, span = tolerance * (1 + x.abs()), start - end
    with np.errstate(all="ignore"):
        state, speed = norm(x / scale), norm(first / scale)
        trial = np.where(np.minimum(state, speed) < 1e-5, 1e-6, 0.01 * state / speed)
        trial = np.minimum(trial, span)
        bent = slope(x - column(trial, x) * first, start - trial, None) - first
        largest = np.maximum(speed, norm(bent / scale) / trial)
        straight = largest <= 1e-15
        size = np.where(straight, np.maximum(1e-6, trial * 1e-3), (0.01 / largest) ** _POWER)
        return np.minimum(np.minimum(100 * trial, size), span)


def _rows(which: np.ndarray, x: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(which).to(x.device)

"""Descent on the levels of a grid: damped Gauss-Newton steps on where its trajectories end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samplebench.tune.candidate import Candidate
from samplebench.tune.problem import Problem, valid

# A level is moved by such shares of its wider gap to see what it does, the first that the model
# tells apart; a gap counts no more than a factor e.
_PROBES = (0.1, 0.3, 0.6)
# No gap changes by more than this factor in a step.
_MOST = np.e
_DAMPING, _LESS, _MORE = 0.1, 4.0, 5.0
# So often is a step that makes it worse damped further.
_TRIES = 4
# Gains below which slopes are found anew, and below which, with new ones, it ends.
_SMALL, _LEAST = 0.02, 0.002


@dataclass(frozen=True)
class Ending:
    """A candidate, and where its trajectories end.

    Attributes:
        away: from the fine solution's end, [W, P].
        error: the mean of the trajectories' root mean squares.
    """

    candidate: Candidate
    away: np.ndarray
    error: float

    @classmethod
    def of(cls, problem: Problem, candidate: Candidate) -> Ending:
        """Runs it; raises `Spent` where that does not fit into the budget."""
        return cls(candidate, problem.away(candidate), problem.error(candidate))

    @property
    def logs(self) -> np.ndarray:
        """Of the positive levels, [m]."""
        return np.log(self.candidate.positive)

    @property
    def free(self) -> slice:
        """The levels that may move: not the highest, and of a run that ends at its lowest not that
        one either."""
        return slice(1, None if self.candidate.to_zero else -1)

    @property
    def params(self) -> dict[str, object]:
        return dict(self.candidate.params)


def descend(problem: Problem, start: Ending) -> Ending:
    """From an ending down, until no step is better.

    The sum of the trajectories' errors is made small by Gauss-Newton steps, each trajectory
    weighted by one over its error, so that one which ends elsewhere does not decide (iteratively
    reweighted least squares). The steps are taken in the logarithms of the gaps between the levels'
    logarithms, so that levels never cross, and damped as Levenberg and Marquardt do. A slope costs
    a run for each level; Broyden's update keeps the slopes of one step for the next.

    Returns:
        The last one; whatever was tried is remembered by the problem.

    Raises:
        Spent: the next run does not fit into the budget.
    """
    here, slopes, damping = start, None, _DAMPING
    while True:
        fresh = slopes is None
        if slopes is None:
            slopes = _slopes(problem, here)
        there = None
        for _ in range(_TRIES if fresh else 1):
            tried = _stepped(problem, here, slopes, damping)
            if tried is not None and tried.error < here.error:
                there = tried
                break
            damping *= _MORE
        if there is None:
            if fresh:
                return here
            slopes, damping = None, min(damping, 1.0)
            continue
        gain = 1 - there.error / here.error
        slopes = _updated(slopes, here, there)
        here, damping = there, max(damping / _LESS, 1e-4)
        if gain < _SMALL:
            if fresh and gain < _LEAST:
                return here
            slopes = None


def _slopes(problem: Problem, here: Ending) -> np.ndarray:
    """Of the ends by the logarithm of each free level, [W P, free]; 0 of those that cannot move."""
    logs = here.logs
    gaps = -np.diff(logs)
    places = range(len(logs))[here.free]
    found = np.zeros((here.away.size, len(places)))
    for column, place in enumerate(places):
        above, below = gaps[place - 1], gaps[place] if place < len(gaps) else 0.0
        widest = min(above, 1.0) if above >= below else -min(below, 1.0)
        for share in _PROBES:
            moved = logs.copy()
            moved[place] += share * widest
            candidate = valid(problem, np.exp(moved), **here.params)
            if candidate is None or candidate.key == here.candidate.key:
                continue
            there = Ending.of(problem, candidate)
            if np.isfinite(there.error):
                by = there.logs[place] - logs[place]
                found[:, column] = (there.away - here.away).ravel() / by
            break
    return found


def _stepped(problem: Problem, here: Ending, slopes: np.ndarray, damping: float) -> Ending | None:
    """Where a damped step ends; None where it is none that the model can tell."""
    logs = here.logs
    gaps = -np.diff(logs)
    low = logs[-1] if not here.candidate.to_zero else np.log(problem.span[0])
    by_gap = slopes @ _levels_by_gaps(gaps, here)
    norms = np.linalg.norm(here.away, axis=1)
    weights = 1 / np.maximum(norms, 1e-3 * np.median(norms) + np.finfo(float).tiny)
    weighted = by_gap * np.repeat(weights, here.away.shape[1])[:, None]
    square = weighted.T @ by_gap
    scale = np.diag(square)
    scale = np.maximum(scale, 1e-3 * scale.max() + np.finfo(float).tiny)
    step = np.linalg.solve(square + damping * np.diag(scale), -(weighted.T @ here.away.ravel()))
    if not np.isfinite(step).all():
        return None
    step *= min(1.0, np.log(_MOST) / max(np.abs(step).max(), np.finfo(float).tiny))
    gaps = gaps * np.exp(step)
    room = logs[0] - low
    if not here.candidate.to_zero or gaps.sum() > room:
        gaps *= room / gaps.sum()
    moved = np.exp(np.append(logs[0], logs[0] - np.cumsum(gaps)))
    if not here.candidate.to_zero:
        moved[-1] = here.candidate.positive[-1]
    candidate = valid(problem, moved, **here.params)
    if candidate is None or candidate.key == here.candidate.key:
        return None
    return Ending.of(problem, candidate)


def _levels_by_gaps(gaps: np.ndarray, here: Ending) -> np.ndarray:
    """d log sigma_i / d log gap_k of the free levels, [free, m - 1].

    A level lies below all gaps above it; where the lowest is fixed, a wider gap narrows the others.
    """
    above = np.tri(len(gaps)) * gaps
    if not here.candidate.to_zero:
        above -= np.outer(np.cumsum(gaps) / gaps.sum(), gaps)
        above = above[:-1]
    return -above


def _updated(slopes: np.ndarray, here: Ending, there: Ending) -> np.ndarray:
    """Slopes that explain the step just made (Broyden 1965)."""
    step = (there.logs - here.logs)[here.free]
    missed = (there.away - here.away).ravel() - slopes @ step
    return slopes + np.outer(missed, step) / (step @ step)

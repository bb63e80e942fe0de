"""Descent on the coordinates of the grid: all its levels, against the fine solution."""

from __future__ import annotations

import math

from samplebench.tune.candidate import Candidate
from samplebench.tune.descent import Ending, descend
from samplebench.tune.problem import Problem, Spent

# Starts: exponents of "edm", and, where the run goes on to 0, fewer of them and shares of the
# logarithmic range by which sigma_min is raised.
_RHOS = (5.0, 7.0, 10.0, 20.0, 50.0)
_RHOS_TO_ZERO, _RAISED = (7.0, 20.0), (0.0, 0.2, 0.35)


def coordinate(problem: Problem) -> Candidate:
    """The levels with the smallest truncation error, by descent from a few grids, the best first.

    Free are all levels but the highest, and, where the run ends at its lowest, that one.

    Returns:
        Of those that were tried within the budget the best: never worse than its starts.
    """
    try:
        starts = [Ending.of(problem, start) for start in _starts(problem)]
        for start in sorted(starts, key=lambda one: one.error):
            if math.isfinite(start.error):
                descend(problem, start)
    except Spent:
        pass
    return problem.best


def _starts(problem: Problem) -> list[Candidate]:
    if not problem.baseline.to_zero:
        return [problem.at_rho(rho) for rho in _RHOS]
    low, high = problem.span
    lowest = [low * (high / low) ** share for share in _RAISED]
    return [problem.at_rho(rho, sigma_min=sigma) for rho in _RHOS_TO_ZERO for sigma in lowest]

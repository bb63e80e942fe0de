"""Descent on the coordinates of the grid: all its levels, against the fine solution."""

from __future__ import annotations

import math

from samplebench.tune.candidate import Candidate
from samplebench.tune.descent import Ending, descend
from samplebench.tune.methods.range import range_
from samplebench.tune.problem import Problem, Spent

# Of the budget what the search for a start may take. On the embedded models a descent from the best
# range is better than one from the best rho by a quarter, and as good with two thirds as with this.
_SHARE = 0.4


def coordinate(problem: Problem) -> Candidate:
    """The levels with the smallest truncation error, by descent from the best range and exponent.

    Free are all levels but the highest, which stays where the start has it, and, where the run ends
    at its lowest, that one. What is left of the budget goes to a descent from the best grid of the
    whole range.

    Returns:
        Of those that were tried within the budget the best: never worse than its starts.
    """
    whole = problem.budget
    problem.budget = problem.spent + int(_SHARE * problem.left)
    best = range_(problem)
    problem.budget = whole
    full = [one for one, _ in problem.tried.values() if one.levels[0] >= problem.baseline.levels[0]]
    starts = [best, min(full, key=problem.error, default=problem.baseline)]
    try:
        for start in dict.fromkeys(one.levels for one in starts):
            ending = Ending.of(problem, Candidate(start))
            if math.isfinite(ending.error):
                descend(problem, ending)
    except Spent:
        pass
    return problem.best

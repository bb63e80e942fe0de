"""Descent on the coordinates of the grid: all its levels, against the fine solution."""

from __future__ import annotations

import math
from functools import partial

from samplebench.tune.candidate import Candidate
from samplebench.tune.descent import Ending, descend
from samplebench.tune.methods.dmn import best_of, grids
from samplebench.tune.methods.range import range_
from samplebench.tune.problem import Problem, Spent

# Of the budget what the search for a start may take. On the embedded models a descent from the best
# range is better than one from the best rho by a quarter, and as good with two thirds as with this.
_SHARE = 0.4


def coordinate(problem: Problem) -> Candidate:
    """The levels with the smallest truncation error, by descent from the best of three kinds.

    Starts are the best range with its exponent, the better DMN grid, and the best grid of the whole
    range; the descent begins at the best of them, and what is left of the budget goes to the next.
    Free are all levels but the highest, which stays where the start has it, and, where the run ends
    at its lowest, that one.

    Returns:
        Of those that were tried within the budget the best: never worse than its starts.
    """
    whole = problem.budget
    problem.budget = problem.spent + int(_SHARE * problem.left)
    starts = [best_of(problem, grids(problem)), range_(problem)]
    problem.budget = whole
    highest = problem.baseline.levels[0]
    full = [one for one, _ in problem.tried.values() if one.levels[0] >= highest]
    starts.append(min(full, key=problem.error, default=problem.baseline))
    try:
        for start in dict.fromkeys(
            one.levels for one in sorted(starts, key=partial(_known, problem))
        ):
            ending = Ending.of(problem, Candidate(start))
            if math.isfinite(ending.error):
                descend(problem, ending)
    except Spent:
        pass
    return problem.best


def _known(problem: Problem, candidate: Candidate) -> float:
    """Its error if it was tried."""
    return problem.error(candidate) if candidate.key in problem.tried else math.inf

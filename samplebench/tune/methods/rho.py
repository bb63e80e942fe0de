"""The best exponent of EDM's discretization (Karras et al. 2022, Eq. 5), coarse to fine."""

from __future__ import annotations

from samplebench.tune.candidate import Candidate
from samplebench.tune.problem import Problem, Spent

_COARSE = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 50.0)
# The interval around the best is halved so often, in log rho.
_HALVINGS = 3


def rho(problem: Problem) -> Candidate:
    """The rho with the smallest truncation error: a few values, then between the neighbours of the
    best.

    Returns:
        Of those that were tried within the budget the best.
    """
    try:
        errors = {value: problem.error(problem.at_rho(value)) for value in _COARSE}
        best = min(errors, key=errors.__getitem__)
        place = _COARSE.index(best)
        below = _COARSE[max(place - 1, 0)] / best
        above = _COARSE[min(place + 1, len(_COARSE) - 1)] / best
        for _ in range(_HALVINGS):
            below, above = below**0.5, above**0.5
            for value in (best * below, best * above):
                errors[value] = problem.error(problem.at_rho(value))
            best = min(errors, key=errors.__getitem__)
    except Spent:
        pass
    return problem.best

"""The best range of EDM's discretization, with its exponent, coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

from samplebench.errors import SamplebenchError
from samplebench.tune.candidate import Candidate
from samplebench.tune.problem import RHO, Problem, Spent

# A place is (log rho, share of the logarithmic range cut off below, share cut off above).
_Place = tuple[float, float, float]
_RHOS, _BELOW, _ABOVE = (3.0, RHO, 20.0), (0.0, 0.2, 0.35), (0.0, 0.1)
# How far a place looks around itself at first, and how often that is halved.
_STEPS: _Place = (math.log(2), 0.1, 0.05)
_HALVINGS = 4
_LOWEST_RHO, _MOST_CUT = 0.5, 0.9


def range_(problem: Problem) -> Candidate:
    """sigma_min, sigma_max and rho with the smallest truncation error, within the baseline's range.

    A few places, then from the best of them one coordinate after the other, a step to either side,
    and half the steps where none is better (Hooke & Jeeves 1961). The fine solution is that of the
    whole range, so that starting late and ending early are part of the error.

    Returns:
        Of those that were tried within the budget the best.
    """
    errors: dict[_Place, float] = {}

    def error(place: _Place) -> float:
        if place not in errors:
            candidate = _grid(problem, place)
            errors[place] = math.inf if candidate is None else problem.error(candidate)
        return errors[place]

    try:
        for below in _BELOW:
            for rho in _RHOS:
                error((math.log(rho), below, 0.0))
        best = min(errors, key=errors.__getitem__)
        for above in _ABOVE:
            error((*best[:2], above))
        best = min(errors, key=errors.__getitem__)
        for halving in range(_HALVINGS):
            while (found := _better(best, 2.0**-halving, error)) != best:
                best = found
    except Spent:
        pass
    return problem.best


def _better(best: _Place, share: float, error: Callable[[_Place], float]) -> _Place:
    """After a step along each coordinate, where either side is better."""
    for axis, step in enumerate(_STEPS):
        for way in (step * share, -step * share):
            moved = cast(_Place, tuple(x + way * (i == axis) for i, x in enumerate(best)))
            if error(moved) < error(best):
                best = moved
                break
    return best


def _grid(problem: Problem, place: _Place) -> Candidate | None:
    """The grid of a place; None where it is none."""
    log_rho, below, above = place
    low, high = problem.span
    if min(below, above) < 0 or below + above > _MOST_CUT or log_rho < math.log(_LOWEST_RHO):
        return None
    width = math.log(high / low)
    span = {
        **({"sigma_min": low * math.exp(width * below)} if below else {}),
        **({"sigma_max": high * math.exp(-width * above)} if above else {}),
    }
    try:
        return problem.at_rho(math.exp(log_rho), **span)
    except SamplebenchError:
        return None

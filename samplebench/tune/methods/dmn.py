"""DMN: levels that make the bound of a data-prediction multistep method small (Xue et al. 2024)."""

from __future__ import annotations

from samplebench.tune.candidate import Candidate
from samplebench.tune.dmn import levels
from samplebench.tune.problem import Problem, Spent, valid

# Exponents of the error that an answer is taken to have: of pixels 1, of latents 2.
_EXPONENTS = (1.0, 2.0)


def dmn(problem: Problem) -> Candidate:
    """The better of two grids that need no model: of p = 1 and 2, T = 3.

    Where the run ends at 0 it takes the last step from the level before sigma_min, so that it has
    as many steps as the bound.

    Returns:
        Of those that were tried within the budget the one with the smaller truncation error; the
        first where none was.
    """
    return best_of(problem, grids(problem))


def grids(problem: Problem) -> list[Candidate]:
    """The grids of the exponents, as far as the model tells their levels apart; nothing is run."""
    to_zero, (low, high) = problem.baseline.to_zero, problem.span
    steps = len(problem.baseline.levels) - 1
    found = []
    for p in _EXPONENTS:
        grid = levels(steps, low, high, p=p)
        if candidate := valid(problem, grid[: len(grid) - to_zero].tolist()):
            found.append(candidate)
    return found


def best_of(problem: Problem, found: list[Candidate]) -> Candidate:
    """Of some candidates the one with the smallest error, among those that the budget has room for.

    Returns:
        The baseline where there is none.
    """
    errors = []
    try:
        for candidate in found:
            errors.append(problem.error(candidate))
    except Spent:
        pass
    if not errors:
        return found[0] if found else problem.baseline
    return found[errors.index(min(errors))]

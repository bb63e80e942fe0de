"""GITS: the cheapest path over a teacher's trajectories (Chen et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samplebench.errors import UsageError, unknown
from samplebench.sampling.setting import prepare
from samplebench.timelines.words import Words
from samplebench.tune.candidate import Candidate
from samplebench.tune.gits import cost_matrix, own_costs, own_evaluations, path_of, teach
from samplebench.tune.gits.steps import memory
from samplebench.tune.methods.dmn import best_of
from samplebench.tune.problem import RHO, Problem, valid

if TYPE_CHECKING:
    from samplebench.sampling.setting import Setting

COSTS = ("own", "euler")
# The paper's stamps; as many where a step depends on the one before, whose pairs take seconds; and
# the fewest that are worth a search.
_STAMPS, _STAMPS_OF_PAIRS, _FEWEST = 61, 41, 11
_TEACHER = "ipndm"
# g: it weighs late steps more, as the errors of early ones shrink on their way.
_COEFFICIENTS = (1.0, 1.05, 1.15, 1.3)


def gits(problem: Problem, *, cost: str = "own") -> Candidate:
    """A path over the stamps of a teacher, by what each step costs.

    The last stamp is where the student's run ends: sigma_min, or 0, where the level before it is
    one that is searched for.

    Args:
        cost: "own", of the student's own step, by the l2 distance from the teacher; or "euler",
            the paper's, of Euler's, by how far it leads from the straight line.

    Returns:
        Of four coefficients g the path with the smallest truncation error.

    Raises:
        UsageError: another cost; a sampler that has no step by itself; or a budget that is too
            small.
    """
    check_gits(problem, cost=cost)
    count, to_zero = len(problem.seeds), problem.baseline.to_zero
    teacher = _teacher(problem, _stamps(problem, cost))
    with problem.counted(teacher.evaluations * count, "teacher") as bound:
        taught = teach(teacher, bound, problem.latents)
    if cost == "euler":
        costs = cost_matrix(taught, "dev")
    else:
        planned = own_evaluations(problem.first, bound, taught.stamps) * count
        with problem.counted(planned, "student's steps") as bound:
            costs = own_costs(taught, problem.first, bound, problem.latents, "l2")
    intervals, found = len(problem.baseline.levels) - 1, []
    for coefficient in _COEFFICIENTS:
        indices, _ = path_of(costs, intervals, coefficient)
        levels = taught.levels[list(indices)]
        candidate = valid(problem, levels[: len(levels) - to_zero].tolist())
        if candidate and candidate not in found:
            found.append(candidate)
    return best_of(problem, found)


def check_gits(problem: Problem, *, cost: str = "own") -> None:
    """Raises `UsageError` for another cost, or for a sampler that has no step by itself."""
    if cost not in COSTS:
        raise unknown("cost", cost, COSTS)
    if cost == COSTS[0]:
        own_evaluations(problem.first, problem.model, _FEWEST)


def _teacher(problem: Problem, stamps: int) -> Setting:
    """On so many stamps of "edm" with rho 7, or as many of them as the model tells apart."""
    low, high = problem.span
    params = {"final": "zero" if problem.baseline.to_zero else "sigma_min"}
    words = Words(steps=stamps - 1, rho=RHO, sigma_min=low, sigma_max=high, params=params)
    found = prepare(problem.model, _TEACHER, words=words)
    levels = sorted({*found.timeline.grid.tolist()}, reverse=True)
    if len(levels) == stamps:
        return found
    words = Words(discretization=tuple(levels), params=params)
    return prepare(problem.model, _TEACHER, words=words)


def _stamps(problem: Problem, cost: str) -> int:
    """As many as the budget has room for beside the candidates' runs.

    Raises:
        UsageError: too few.
    """
    least = max(_FEWEST, len(problem.baseline.levels) + 2)
    own, most = cost != "euler", _STAMPS
    if own and memory(problem.first, problem.model):
        own, most = False, _STAMPS_OF_PAIRS
    runs, needed = len(_COEFFICIENTS) * problem.run_cost, 0
    for stamps in range(max(most, least), least - 1, -1):
        more = own_evaluations(problem.first, problem.model, stamps) if own else 0
        if (needed := runs + (stamps + more) * len(problem.seeds)) <= problem.left:
            return stamps
    raise UsageError(
        f"gits has {problem.left:,} evaluations left and needs {needed:,} for {least} time points; "
        "raise --budget-evaluations"
    )

"""Truncation errors of what was found and of its rivals, on trajectories of other seeds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from samplebench.errors import SamplebenchError
from samplebench.sampling.solver import Solver
from samplebench.tune.candidate import Candidate
from samplebench.tune.flow import FineSolution, flow_of
from samplebench.tune.found import Found
from samplebench.tune.judged import BEST, RHO_7, JudgedBudget, JudgedGrid, StepError
from samplebench.tune.problem import RHO, Problem
from samplebench.tune.steps import ALONE, WITHIN, step_errors, steps_alone

# Judging trajectories, and the exponents of which the best is the hardest rival.
TRAJECTORIES, RHOS = 64, range(1, 21)


def judged(
    model: Any,
    sampler: str | Callable[..., Any] | Solver,
    asked: Mapping[int, Sequence[Found]],
    *,
    params: Mapping[str, Any],
    seeds: Sequence[int],
    report: Callable[[int, str], None] = lambda images, what: None,
) -> Iterator[JudgedBudget]:
    """What searches found for a sampler, beside rho = 7 and the best rho, budget by budget.

    The best of rho = 1..20 is that with the smallest error on these same trajectories: no grid of
    "edm" with such an exponent does better here. Budgets share one solution, whose evaluations are
    the first one's.

    Args:
        model: loaded.
        asked: by evaluations per sample what was found.
        params, report: as of `Problem`.
        seeds: of the judging trajectories.
    """
    problems = {
        nfe: Problem(
            model, sampler, nfe, params=params, seeds=seeds, budget=sys.maxsize, report=report
        )
        for nfe in asked
    }
    flows: dict[tuple[Any, ...], FineSolution] = {}
    for nfe, problem in problems.items():
        if (key := _ends(problem)) not in flows:
            alike = [n for n, other in problems.items() if _ends(other) == key]
            grids = (grid for n in alike for grid in _drawn(problems[n], asked[n]))
            levels = {level for grid in grids for level in grid.positive}
            flows[key] = flow_of(problem, sorted(levels, reverse=True))
        yield _budget(problem, asked[nfe], flows[key])


def _ends(problem: Problem) -> tuple[Any, ...]:
    """Between which levels its runs go."""
    return (*problem.span, problem.ends_at_zero)


def _drawn(problem: Problem, found: Sequence[Found]) -> list[Candidate]:
    """The grids whose steps are looked at."""
    plain = (f.candidate for f in found if not _noisy(problem, f.candidate))
    return [problem.baseline, *plain]


def _budget(problem: Problem, found: Sequence[Found], flow: FineSolution) -> JudgedBudget:
    # Errors are against this solution, not that of searches.
    problem.truth = flow.end
    rho, best = _best(problem)
    parts = {grid.key: steps_alone(problem, grid) for grid in _drawn(problem, found)}
    alone = all(part is not None for part in parts.values())

    def grid(name: str, candidate: Candidate, **more: Any) -> JudgedGrid:
        if _noisy(problem, candidate):
            return JudgedGrid(name, candidate, **more)
        errors = tuple(problem.errors(candidate).tolist())
        steps: tuple[StepError, ...] = ()
        if candidate.key in parts and name != BEST:
            own = parts[candidate.key] if alone else None
            steps = step_errors(problem, candidate, flow, own)
        return JudgedGrid(name, candidate, errors=errors, steps=steps, **more)

    return JudgedBudget(
        problem.nfe,
        problem.first.evaluations,
        (
            grid(RHO_7, problem.baseline, rho=RHO),
            grid(BEST, best, rho=rho),
            *(grid(each.told, each.candidate, found=each) for each in found),
        ),
        flow.words,
        ALONE if alone else WITHIN,
        problem.spent,
    )


def _best(problem: Problem) -> tuple[float, Candidate]:
    """Of the whole exponents the one with the smallest mean error, and its grid."""
    known: list[tuple[float, float, Candidate]] = []
    for rho in map(float, RHOS):
        try:
            candidate = problem.at_rho(rho)
            known.append((problem.error(candidate), rho, candidate))
        except SamplebenchError:
            # The model does not tell two of its levels apart, and the sampler needs that.
            continue
    finite = [each for each in known if np.isfinite(each[0])]
    if not finite:
        return RHO, problem.baseline
    _, rho, candidate = min(finite, key=lambda each: each[:2])
    return rho, candidate


def _noisy(problem: Problem, candidate: Candidate) -> bool:
    """Whether its parameters make the run draw noise, so that it has no truncation error."""
    setting = problem.setting(candidate)
    return setting.solver.stochastic(setting.params)

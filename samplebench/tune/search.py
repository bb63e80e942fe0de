"""Searches the grids that were asked for, one after the other, and keeps each as a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from samplebench.results.cell import hash_of
from samplebench.tune.candidate import Candidate
from samplebench.tune.cards import kept, list_path, write_list, write_solver
from samplebench.tune.found import Found
from samplebench.tune.methods import METHODS
from samplebench.tune.problem import Problem

# Of the first trajectory: far from the seeds that anybody samples with.
SEED, TRAJECTORIES, BUDGET = 10_000_000, 16, 25_000
OBJECTIVE = "mean over trajectories of the root mean square distance to the fine solution's end"
# Raised where a search of the same words becomes another.
VERSION = 1


def search(
    model: Any,
    model_id: str,
    sampler: str | Callable[..., Any],
    nfe: int,
    method: str,
    out: Path,
    *,
    identity: Mapping[str, Any],
    params: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    seeds: Sequence[int] = range(SEED, SEED + TRAJECTORIES),
    budget: int = BUDGET,
    report: Callable[[int, str], None] = lambda images, what: None,
) -> Found:
    """What a method finds for a sampler at a budget; cards in `out`.

    Args:
        model: loaded.
        model_id: its id.
        out: whose folder "cards" gets the noise levels, and "solvers" the solver.
        identity: what the model is, by its checkpoint's hash and the like.
        params, seeds, budget, report: as of `Problem`.
        options: what the method is told beside the problem.

    Returns:
        The same search as before if its card is there.
    """
    problem = Problem(model, sampler, nfe, params=params, seeds=seeds, budget=budget, report=report)
    conditions = hash_of(
        {
            "tune": VERSION, "model": dict(identity), "sampler": problem.solver.name,
            "params": dict(problem.params), "nfe": nfe, "method": method,
            "seeds": [seeds[0], len(seeds)], "budget": budget,
            **({"options": dict(options)} if options else {}),
        }
    )  # fmt: skip

    def found(candidate: Candidate, before: float, after: float, evaluations: int) -> Found:
        return Found(
            model_id, problem.solver.name, problem.params, nfe, method, candidate,
            problem.baseline, before, after, OBJECTIVE, (seeds[0], len(seeds)), evaluations,
            options=options, span=problem.span, conditions=conditions,
        )  # fmt: skip

    blank = found(problem.baseline, 0.0, 0.0, 0)
    if card := kept(list_path(out, blank), conditions):
        cost: dict[str, Any] = card.facts["cost"]
        return found(
            Candidate(card.levels), cost["objective_rho_7"], cost["objective_found"],
            cost["network_evaluations"],
        )  # fmt: skip
    before = problem.error(problem.baseline)
    # What is found is judged on the same trajectories, within the budget.
    problem.budget -= problem.run_cost
    best = METHODS[method](problem, **options)
    problem.budget += problem.run_cost
    done = found(best, before, problem.error(best), problem.spent)
    write_list(out, done, getattr(getattr(model, "process", None), "name", None))
    write_solver(out, done, problem.setting(best), model)
    return done

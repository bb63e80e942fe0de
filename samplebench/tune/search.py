"""Searches the grids that were asked for, one after the other, and keeps each as a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from samplebench.answers.parameters import parsed
from samplebench.errors import UsageError
from samplebench.results.cell import hash_of
from samplebench.tune.candidate import Candidate
from samplebench.tune.cards import kept, list_path, write_list, write_solver
from samplebench.tune.found import Found
from samplebench.tune.method import METRIC
from samplebench.tune.methods import METHODS
from samplebench.tune.problem import Problem, Spent
from samplebench.tune.scored import SAMPLES, Scored
from samplebench.tune.seeds import SEED

# With fewer trajectories what is found holds less on others: at 24 the error on other seeds was up
# to three times the search's, at 48 up to a half more.
TRAJECTORIES, BUDGET = 48, 25_000
# Folder of the cells of a search by the metric.
SEARCHED = "searched"
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
    seeds: Sequence[int] | None = None,
    budget: int = BUDGET,
    words: Mapping[str, Any] | None = None,
    report: Callable[[int, str], None] = lambda images, what: None,
) -> Found:
    """What a method finds for a sampler at a budget; cards in `out`.

    Args:
        model: loaded.
        model_id: its id.
        out: whose folder "cards" gets the noise levels, and "solvers" the solver.
        identity: what the model is, by its checkpoint's hash and the like.
        params, budget, report: as of `Problem`.
        options: what the method is told beside the problem.
        seeds: of the trajectories, or of the samples where the metric decides; None for as many as
            the method takes, from SEED on.
        words: of `samplebench.run` for methods by the metric, which say the model and what it is
            measured by; None: the model of that id and its own metric.

    Returns:
        The same search as before if its card is there.

    Raises:
        UsageError: a sampler that the method is not for, or a budget below the first run.
    """
    words = {"model": model_id} if words is None else words
    problem = _problem(
        model, sampler, nfe, method, out, words,
        params=params, seeds=seeds, budget=budget, report=report,
    )  # fmt: skip
    first, count = problem.seeds[0], len(problem.seeds)
    conditions = hash_of(
        {
            "tune": VERSION, "model": dict(identity), "sampler": problem.solver.name,
            "params": dict(problem.params), "nfe": nfe, "method": method,
            "seeds": [first, count], "budget": budget,
            **({"options": dict(options)} if options else {}),
            **_measured_by(method, words),
        }
    )  # fmt: skip

    def found(
        candidate: Candidate, before: float, after: float, evaluations: int, objective: str
    ) -> Found:
        return Found(
            model_id, problem.solver.name, problem.params, nfe, method, candidate,
            problem.baseline, before, after, objective, (first, count), evaluations,
            options=options, span=problem.span, conditions=conditions,
        )  # fmt: skip

    blank = found(problem.baseline, 0.0, 0.0, 0, "")
    if card := kept(list_path(out, blank), conditions):
        cost: dict[str, Any] = card.facts["cost"]
        return found(
            Candidate(card.levels, _changed(cost, problem)), cost["objective_rho_7"],
            cost["objective_found"], cost["network_evaluations"], cost["objective"],
        )  # fmt: skip
    best, before, after = _searched(problem, method, options)
    done = found(best, before, after, problem.spent, problem.objective)
    write_list(out, done, getattr(getattr(model, "process", None), "name", None))
    write_solver(out, done, problem.setting(best), model)
    return done


def _problem(
    model: Any,
    sampler: str | Callable[..., Any],
    nfe: int,
    method: str,
    out: Path,
    words: Mapping[str, Any],
    *,
    seeds: Sequence[int] | None,
    **problem: Any,
) -> Problem:
    if METHODS[method].kind == METRIC:
        own = range(SEED, SEED + SAMPLES) if seeds is None else seeds
        return Scored(model, sampler, nfe, words=words, folder=out / SEARCHED, seeds=own, **problem)
    own = range(SEED, SEED + TRAJECTORIES) if seeds is None else seeds
    return Problem(model, sampler, nfe, seeds=own, **problem)


def _measured_by(method: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a search by a metric beside the samples."""
    if METHODS[method].kind != METRIC:
        return {}
    return {name: str(words[name]) for name in ("metric", "reference") if words.get(name)}


def _searched(
    problem: Problem, method: str, options: Mapping[str, Any]
) -> tuple[Candidate, float, float]:
    """What the method finds, and the objective of the baseline and of that."""
    if check := METHODS[method].check:
        check(problem, **options)
    try:
        before = problem.error(problem.baseline)
    except Spent:
        raise UsageError(
            f"a budget of {problem.budget:,} evaluations is too small for {problem.solver.name} at "
            f"{problem.nfe} per sample: rho = 7 alone takes {problem.first_cost:,}"
        ) from None
    # What a method has not run itself is judged on the same trajectories, within the budget.
    aside = 0 if METHODS[method].kind == METRIC else min(problem.run_cost, problem.left)
    problem.budget -= aside
    best = METHODS[method].search(problem, **options)
    problem.budget += aside
    try:
        return best, before, problem.error(best)
    except Spent:
        raise UsageError(
            f"a budget of {problem.budget:,} evaluations has no room for a run of what {method} "
            f"found, which takes {problem.run_cost:,} beside the {problem.spent:,} of rho = 7"
        ) from None


def _changed(cost: Mapping[str, Any], problem: Problem) -> dict[str, Any]:
    """The parameters that were found, as a card says them."""
    params = parsed(cost.get("params", ""))
    return {name: value for name, value in params.items() if name not in problem.params}

"""Searches, judges them on other seeds, and writes table, cards and page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any

from samplebench.ambient import own_settings
from samplebench.bench import plan as planning
from samplebench.bench.plan import Plan
from samplebench.files.atomic import write_atomic
from samplebench.loading import load
from samplebench.models.model import is_foreign, threads_of
from samplebench.results.cell import hash_of
from samplebench.ticker import bar, say
from samplebench.tune.cards import check_model
from samplebench.tune.found import Found
from samplebench.tune.judge import TRAJECTORIES as JUDGING
from samplebench.tune.judge import judged
from samplebench.tune.judged import JudgedBudget
from samplebench.tune.kept import keep, kept, path_of
from samplebench.tune.page import write_page
from samplebench.tune.problem import RHO
from samplebench.tune.request import TuneRequest
from samplebench.tune.search import VERSION, search
from samplebench.tune.seeds import check_judging
from samplebench.tune.tuned import Tuned

JUDGED = "judged"
# Of a cell's conditions what is another search's, or decides samples alone.
_OTHERS = (
    "seed", "num_samples", "steps", "discretization", "sampler", "params", "block", "quantization",
)  # fmt: skip


def tune(*, quiet: bool = False, **words: Any) -> Tuned:
    """Searches time grids for a sampler at budgets of evaluations, and judges what it finds.

    Args:
        quiet: no progress, no notes.
        words: model, sampler, nfe, method, budget_evaluations, cost, param, seed, num_samples,
            metric, reference, device, checkpoints, file, format, offline, yes, out, as on the
            command line; a model may be one in memory, a sampler a function.

    Returns:
        What was found, judged; table, cards and page are in `out`. Finished searches, judged
        budgets and cells are kept there and not computed again.

    Raises:
        UsageError: an unknown name, a value that cannot be meant, or judging seeds that are search
            seeds; nothing was computed.
        Interrupted: by Ctrl-C or SIGTERM while samples are drawn; what was computed is kept.
    """
    with own_settings():
        asked = TuneRequest.of(**words)
        return tuned(asked, planned(asked), quiet)


def planned(asked: TuneRequest) -> Plan:
    """The runs with rho = 7: whatever is wrong with the words is told by them.

    Raises:
        UsageError: also where a judging seed is a search seed, or where the folder has another
            model's cards.
    """
    request = asked.request
    words = replace(request, rho=(RHO,), given=request.given | {"rho"})
    plan = planning.make(words, [asked.entry])
    check_judging(request.seed, max(JUDGING, _samples(asked, plan)))
    check_model(asked.out, asked.entry.id)
    return plan


def tuned(asked: TuneRequest, plan: Plan, quiet: bool) -> Tuned:
    """What is found for checked words and their plan, judged; raises as `tune` does."""
    if not quiet:
        for note in plan.notes:
            say(f"note: {note}")
    request = asked.request
    model = load(asked.entry, device=request.device, offline=request.offline, quiet=quiet)
    with nullcontext() if is_foreign(model) else own_settings(), threads_of(model):
        searches = {
            nfe: [_search(asked, model, nfe, method, plan, quiet) for method in asked.methods]
            for nfe in _budgets(plan)
        }
        budgets = _judged(asked, model, searches, plan, quiet)
    sampled, failures = 0, tuple[str, ...]()
    if asked.scored:
        # Figures of the folder's report are drawn by libraries that take a while to load.
        from samplebench.tune.cells import sampled as sample

        own = replace(request, out=str(asked.out / JUDGED))
        scores = sample(own, asked.entry, budgets, asked.params, asked.out, quiet)
        budgets, sampled, failures = scores.budgets, scores.evaluations, scores.failures
    every = [each for found in searches.values() for each in found]
    first, end = min(f.seeds[0] for f in every), max(sum(f.seeds) for f in every)
    result = Tuned(
        asked.entry.id, every[0].sampler, asked.params, (first, end - first),
        (request.seed, JUDGING), _samples(asked, plan), budgets, sampled, asked.out,
        failures,
    )  # fmt: skip
    write_atomic(asked.out / "tune.csv", result.csv().encode())
    write_page(result, asked.out / "tune.html")
    return result


def _samples(asked: TuneRequest, plan: Plan) -> int:
    """N of the metric, 0 without one."""
    return int(plan.rows[0].columns["num_samples"]) if asked.scored else 0


def _budgets(plan: Plan) -> list[int]:
    """Of the evaluations that were asked for those that are enough for a run."""
    asked = (row.columns["nfe_requested"] for row in plan.rows)
    return sorted({nfe for nfe in asked if nfe is not None})


def _identity(plan: Plan) -> dict[str, Any]:
    """What decides a search beside its own words: the model, its precision, code of others."""
    cell = plan.rows[0].cells[0]
    found = {k: v for k, v in cell.conditions.items() if k not in _OTHERS}
    # What cannot be told apart is never taken for the same.
    return {**found, "anew": time.time_ns()} if cell.not_reusable else found


def _search(
    asked: TuneRequest, model: Any, nfe: int, method: str, plan: Plan, quiet: bool
) -> Found:
    title, left = f"{method}, NFE {nfe}", asked.budget
    with ExitStack() as shown:
        advance: Callable[..., None] | None = None

        def report(images: int, what: str) -> None:
            # A search that was made before has no progress.
            nonlocal advance, left
            if advance is None:
                advance = shown.enter_context(bar(asked.budget, title, "eval", quiet))
            left -= images
            advance(images, f"{title}: {what}, {left:,} evaluations left")

        found = search(
            model, asked.entry.id, asked.request.sampler[0], nfe, method, asked.out,
            identity=_identity(plan), params=asked.params, options=asked.options.get(method, {}),
            budget=asked.budget, words=asked.measured, report=report,
        )  # fmt: skip
    if not quiet:
        made = "" if left < asked.budget else ", made before"
        say(
            f"{title}: {found.evaluations:,} evaluations{made}, {found.before:.3g} with rho 7 to "
            f"{found.after:.3g}"
        )
    return found


def _judged(
    asked: TuneRequest, model: Any, searches: Mapping[int, list[Found]], plan: Plan, quiet: bool
) -> tuple[JudgedBudget, ...]:
    """All budgets, of which those that were judged before are not computed again."""
    seeds = range(asked.request.seed, asked.request.seed + JUDGING)
    paths = {
        nfe: path_of(asked.out, _judging(asked, nfe, found, seeds, plan))
        for nfe, found in searches.items()
    }
    there = {nfe: kept(paths[nfe], found) for nfe, found in searches.items()}
    budgets = {nfe: budget for nfe, budget in there.items() if budget is not None}
    if missing := {nfe: found for nfe, found in searches.items() if nfe not in budgets}:
        with bar(None, "evaluation", "eval", quiet) as advance:
            made = judged(
                model, asked.request.sampler[0], missing, params=asked.params, seeds=seeds,
                report=lambda images, what: advance(images, f"evaluated: {what}"),
            )  # fmt: skip
            for budget in made:
                keep(paths[budget.nfe], budget)
                budgets[budget.nfe] = budget
    return tuple(budgets[nfe] for nfe in searches)


def _judging(asked: TuneRequest, nfe: int, found: list[Found], seeds: range, plan: Plan) -> str:
    """Hash of all that decides how a budget is judged."""
    grids = [[f.told, list(f.candidate.levels), dict(f.candidate.params)] for f in found]
    return hash_of(
        {
            "tune": VERSION, "model": _identity(plan), "sampler": found[0].sampler, "nfe": nfe,
            "params": dict(asked.params), "found": grids, "seeds": [seeds[0], len(seeds)],
        }
    )  # fmt: skip

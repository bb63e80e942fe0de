"""The metric of what was found and of its rivals: cells of ordinary runs, kept in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samplebench.bench import plan as planning
from samplebench.bench.plan import Plan
from samplebench.bench.ready import ready
from samplebench.bench.request import Request
from samplebench.cards.name import PREFIX
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.report.best import difference_error, direction
from samplebench.results.fields import metrics_of, number
from samplebench.results.row import STDERR, Row
from samplebench.results.view import View, failure
from samplebench.sampling.solver import Solver
from samplebench.trajectory.accumulation import Gap
from samplebench.tune.cards import list_path
from samplebench.tune.execution import executed
from samplebench.tune.judged import BEST, RHO_7, GridScore, JudgedBudget, JudgedGrid

# Of a sampler's parameters those that a list of noise levels answers.
_OF_GRID = ("final", "sigma_min", "sigma_max")


@dataclass(frozen=True)
class Sampled:
    """What the cells say.

    Attributes:
        budgets: with their scores.
        evaluations: of the network by all cells, counted, an image each.
        failures: why cells have no value, a line each.
    """

    budgets: tuple[JudgedBudget, ...]
    evaluations: int
    failures: tuple[str, ...]


def sampled(
    request: Request,
    entry: Checkpoint,
    budgets: Sequence[JudgedBudget],
    params: Mapping[str, Any],
    cards: Path,
    quiet: bool,
) -> Sampled:
    """Samples on every grid and scores them; finished cells are not computed again.

    Args:
        request: of the model, the one sampler, N, seed and metrics; `out` is the folder.
        params: of the sampler, fixed.
        cards: whose folder "cards" has what was found.

    Raises:
        UsageError: it takes more than a day and nobody allowed it.
        Interrupted: by Ctrl-C or SIGTERM; what was computed is kept.
    """
    grids = [(budget, grid) for budget in budgets for grid in budget.grids]
    plans: list[Plan] = []
    for budget, grid in grids:
        words = _words(request, budget, grid, params, cards)
        plan = planning.make(words, [entry])
        plans.append(ready(plan, quiet or bool(plans)))
    view = executed(plans, quiet, report=True)
    rows = iter(view.rows)
    own: list[tuple[JudgedBudget, JudgedGrid, list[Row]]] = [
        (budget, grid, [next(rows) for _ in plan.rows])
        for (budget, grid), plan in zip(grids, plans, strict=True)
    ]
    evaluations = sum(
        round(record["nfe"] * record["conditions"]["num_samples"]) for record in view.cells.values()
    )
    scored = []
    for budget in budgets:
        mine = [(grid, rows) for of, grid, rows in own if of is budget]
        scored.append(replace(budget, grids=tuple(_scored(mine, view))))
    lost = {s.failed: None for b in scored for g in b.grids for s in g.scores if s.failed}
    return Sampled(tuple(scored), evaluations, tuple(lost))


def _words(
    request: Request,
    budget: JudgedBudget,
    grid: JudgedGrid,
    params: Mapping[str, Any],
    cards: Path,
) -> Request:
    """The request of one grid."""
    if grid.found is None:
        word: dict[str, Any] = {"nfe": (budget.nfe,), "rho": (grid.rho,)}
        given = params
    else:
        word = {"discretization": (f"{PREFIX}{list_path(cards, grid.found)}",)}
        given = {k: v for k, v in grid.found.changed.items() if k not in _OF_GRID}
    name = Solver.of(request.sampler[0]).name
    table = {name: {k: (v,) for k, v in given.items()}} if given else {}
    checked = Request.of(**word)
    return replace(
        request,
        nfe=checked.nfe,
        rho=checked.rho,
        discretization=checked.discretization,
        param=table,
        given=request.given - {"nfe", "param"} | checked.given | ({"param"} if table else set()),
    )


def _scored(own: Sequence[tuple[JudgedGrid, Sequence[Row]]], view: View) -> Iterator[JudgedGrid]:
    """The grids of one budget with their scores, each beside the rivals'."""
    rivals = {grid.name: rows for grid, rows in own if grid.found is None}
    for grid, rows in own:
        scores = []
        for place, row in enumerate(rows):
            for metric in metrics_of([row]):
                gaps = (
                    None if grid.name == name else _gap(row, rivals[name][place], view, metric)
                    for name in (RHO_7, BEST)
                )
                scores.append(_score(row, view, metric, *gaps))
        yield replace(grid, scores=tuple(scores))


def _score(
    row: Row, view: View, metric: str, to_rho_7: Gap | None, to_best: Gap | None
) -> GridScore:
    scores = view.scores_of(row, metric)
    lost = (failure(record, scores) for record in view.records_of(row))
    return GridScore(
        metric,
        str(row.get("reference") or ""),
        direction(metric, view),
        number(row.get(metric)),
        number(row.get(metric + STDERR)),
        to_rho_7,
        to_best,
        next(filter(None, lost), ""),
    )


def _gap(row: Row, rival: Row, view: View, metric: str) -> Gap | None:
    """One value less the other, with the error of the paired difference where it is known."""
    own, other = number(row.get(metric)), number(rival.get(metric))
    if own is None or other is None:
        return None
    return Gap(own - other, number(difference_error(row, rival, view, metric)))

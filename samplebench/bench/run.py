"""A plan to results: every cell and score that the store does not have, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samplebench.answers.draws import watched_generators
from samplebench.answers.memory import memory_of
from samplebench.bench.cell import run_cell
from samplebench.bench.estimate import estimate
from samplebench.bench.keep import check_room
from samplebench.bench.loaded import Bench, load_extractors
from samplebench.bench.pictures import Pictures
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.bench.rehearsal import probed, try_extractors
from samplebench.bench.remade import Remade, remade
from samplebench.bench.scores import (
    Scoring,
    kept_statistic,
    kind_of,
    lacks_rows,
    score_of,
)
from samplebench.bench.sources import Source
from samplebench.bench.stop import Stop
from samplebench.bench.work import Work, work_of
from samplebench.devices import resolve_device
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.record import Score
from samplebench.results.store import Store
from samplebench.scoring.rehearsal import rehearse

if TYPE_CHECKING:
    import torch

_LESS = "free memory or choose another --device; finished cells are kept"


def plan_device(plan: Plan) -> torch.device:
    """The device a plan runs on; models in memory stay on theirs.

    Raises:
        EnvironmentError_: this machine does not have it, or it lacks a precision of the plan.
    """
    models = (source.checkpoint.model for source in plan.sources.values())
    here = [model.device for model in models if model is not None]
    if here and len(here) == len(plan.sources):
        return here[0]
    conditions = [cell.conditions for cell in plan.cells.values()]
    dtypes = {c[key] for c in conditions for key in ("state_dtype", "dtype")}
    return resolve_device(plan.request.device, dtypes)


def execute(plan: Plan, store: Store, progress: Progress, stop: Stop) -> None:
    """Computes what the store does not have of a plan.

    Raises:
        Interrupted: `stop` was asked for; all finished blocks are kept.
        UsageError: a network, sampler, extractor or metric of others fails, or returns something
            else than what is asked of it; all finished cells and blocks are kept.
    """
    device = plan_device(plan)
    work = work_of(plan, store)
    check_room(plan, [cell for cell, _ in work.sample], store.out)
    for note in work.notes:
        progress.note(note)
    with progress.over([cell for cell, _ in work.sample]), memory_of(device, _LESS):
        for name, source in plan.sources.items():
            own = getattr(source.checkpoint.model, "device", device)
            _model(_Model(name, source, plan, own), work, store, progress, stop)


@dataclass(frozen=True)
class _Model:
    """One model of a plan."""

    name: str
    source: Source
    plan: Plan
    device: torch.device

    @property
    def scoring(self) -> Scoring:
        return Scoring(self.source.measures, self.device)

    @property
    def cells(self) -> list[Cell]:
        every = self.plan.cells.values()
        return [cell for cell in every if cell.conditions["model"] == self.name]

    def own(
        self, work: Sequence[tuple[Cell, tuple[PlannedScore, ...]]]
    ) -> list[tuple[Cell, tuple[PlannedScore, ...]]]:
        return [item for item in work if item[0].conditions["model"] == self.name]


def _model(one: _Model, work: Work, store: Store, progress: Progress, stop: Stop) -> None:
    """Scores and samples the cells of one model."""
    for cell, scores in one.own(work.score):
        score_kept(cell, scores, one.scoring, store, progress)
        stop.check()
    missing = one.own(work.sample)
    pictures = Pictures(store.out / "images") if one.plan.request.save_images else None
    if pictures is not None:
        again = {cell.hash for cell, _ in missing}
        _save_kept((c for c in one.cells if c.hash not in again), pictures, store)
    if not missing:
        return
    bench = _bench(one, [cell for cell, _ in missing], progress)
    keep = one.plan.request.keep
    for cell, scores in missing:
        record, found = run_cell(
            cell, scores, bench, store, progress, stop, one.scoring, keep, pictures
        )
        progress.finish_cell(cell, record, found)


def _save_kept(cells: Iterable[Cell], pictures: Pictures, store: Store) -> None:
    """Saves what was kept of finished cells."""
    for cell in cells:
        there = pictures.has(cell, cell.conditions["num_samples"])
        if not there and store.kept.has(cell.hash, "images"):
            pictures.write_images(cell, 0, store.kept.images(cell.hash))


def _bench(one: _Model, cells: Sequence[Cell], progress: Progress) -> Bench:
    """Loads what the cells of a model share, tries others' code, and says how long it will take."""
    conditions = cells[0].conditions
    scores = [score for each in one.plan.scores_of(one.name).values() for score in each]
    # Networks draw their first weights, before they are given others.
    with watched_generators(0, one.device):
        extractors = load_extractors(scores, one.source.measures, one.device)
        bench = Bench.of(
            one.source.checkpoint,
            extractors,
            conditions["block"],
            one.device,
            conditions["dtype"],
            cells,
            one.source.guides,
        )
    try_extractors(bench.model, extractors, conditions["block"])
    for measure in one.source.measures:
        rehearse(measure, conditions["num_samples"])
    with probed(bench.model):
        progress.note(estimate(bench.model, cells, one.plan.request.yes, bench.guides))
    return bench


def score_kept(
    cell: Cell,
    scores: Sequence[PlannedScore],
    scoring: Scoring,
    store: Store,
    progress: Progress,
) -> list[Score]:
    """Scores a finished cell from what was kept of its images, and files the scores."""
    record = store.cell(cell.hash)
    failed = str(record.get("failed", ""))
    wanted = {} if failed else {kind_of(planned): planned for planned in scores}
    lacking = [p for kind, p in wanted.items() if lacks_rows(store, cell.hash, kind)]
    made = Remade({}, {})
    if lacking:
        with watched_generators(0, scoring.device):
            extractors = load_extractors(lacking, scoring.measures, scoring.device)
        made = remade(store, cell.hash, extractors, cell.conditions, quiet=progress.quiet)
    statistics = dict(made.statistics)
    found = []
    for planned in scores:
        kind = kind_of(planned)
        why = failed or made.failed.get(kind[0], "")
        if not why and kind not in statistics:
            statistics[kind] = kept_statistic(store, cell.hash, kind)
        statistic, doubts = statistics.get(kind, (None, []))
        score = score_of(
            planned,
            scoring.measure(planned),
            statistic,
            why,
            cell.conditions["seed"],
            scoring.device,
            doubts,
        )
        store.write_score(score)
        found.append(score)
    progress.scored(record, found)
    return found

"""A plan to results: every cell and score that the store does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from samplebench.answers.draws import watched_generators
from samplebench.answers.memory import memory_of
from samplebench.bench.engines.here import here
from samplebench.bench.job import Engine, Job
from samplebench.bench.keep import check_room
from samplebench.bench.loaded import load_extractors
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.bench.remade import Remade, remade
from samplebench.bench.scores import (
    Scoring,
    kept_statistic,
    kind_of,
    lacks_rows,
    score_of,
)
from samplebench.bench.shares import share_of
from samplebench.bench.stop import Stop
from samplebench.bench.work import work_of
from samplebench.devices import resolve_device
from samplebench.loading.precision import check_compiler
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.record import Score
from samplebench.results.store import Store

if TYPE_CHECKING:
    import torch

_LESS = "free memory or choose another --device; finished cells are kept"


def plan_device(plan: Plan) -> torch.device:
    """The device of this machine that a plan needs; models in memory stay on theirs.

    On a cluster the models are elsewhere.

    Raises:
        EnvironmentError_: this machine does not have it, or it lacks a precision of the plan, or
            a compiler that it needs.
    """
    if plan.request.engine == "ray":
        return resolve_device("cpu")
    models = (source.checkpoint.model for source in plan.sources.values())
    here = [model.device for model in models if model is not None]
    if here and len(here) == len(plan.sources):
        return here[0]
    conditions = [cell.conditions for cell in plan.cells.values()]
    dtypes = {c[key] for c in conditions for key in ("state_dtype", "dtype")}
    device = resolve_device(plan.request.device, dtypes)
    if plan.request.compile:
        check_compiler(device)
    return device


def model_device(plan: Plan, name: str) -> torch.device:
    """Where a model of a plan runs; raises as `plan_device` does."""
    model = plan.sources[name].checkpoint.model
    return plan_device(plan) if model is None else model.device


def execute(
    plan: Plan, store: Store, progress: Progress, stop: Stop, engine: Engine = here
) -> None:
    """Computes what the store does not have of a plan.

    Args:
        engine: samples cells.

    Raises:
        Interrupted: `stop` was asked for; all finished blocks are kept.
        UsageError: a network, sampler, extractor or metric of others fails, or returns something
            else than what is asked of it; all finished cells and blocks are kept.
    """
    device = plan_device(plan)
    work = work_of(plan, store)
    cells = [cell for cell, _ in work.sample]
    check_room(plan, cells, store.out)
    for note in work.notes:
        progress.note(note)
    job = Job(plan, work.sample, store, progress, stop, device)
    with progress.over(cells), memory_of(device, _LESS):
        for cell, scores in work.score:
            score_kept(cell, scores, job.scoring(cell.conditions["model"]), store, progress)
            stop.check()
        _save_kept(job)
        engine(job)


def _save_kept(job: Job) -> None:
    """Saves what was kept of finished cells, where images are asked for."""
    again, pictures = {cell.hash for cell, _ in job.items}, job.pictures
    if pictures is None:
        return
    for cell in (job.plan.cells[name] for name in share_of(job.plan) - again):
        there = pictures.has(cell, cell.conditions["num_samples"])
        if not there and job.store.kept.has(cell.hash, "images"):
            pictures.write_images(cell, 0, job.store.kept.images(cell.hash))


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

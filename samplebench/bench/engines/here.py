"""The engine of one process: a model after the other, each loaded once, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from samplebench.answers.draws import watched_generators
from samplebench.bench.cell import run_cell
from samplebench.bench.estimate import estimate
from samplebench.bench.job import Job
from samplebench.bench.loaded import Bench, load_extractors
from samplebench.bench.plan import Plan
from samplebench.bench.rehearsal import probed, try_extractors
from samplebench.bench.start_images import StartImages
from samplebench.results.cell import Cell
from samplebench.scoring.rehearsal import rehearse

if TYPE_CHECKING:
    import torch


def here(job: Job, starts: StartImages | None = None) -> None:
    """Samples a job in this process.

    Args:
        starts: real images, from which its cells with a start begin.
    """
    for name, items in job.models.items():
        cells, device = [cell for cell, _ in items], job.device_of(name)
        bench = replace(load_bench(job.plan, name, cells, device), starts=starts)
        with probed(bench.model):
            job.progress.note(estimate(bench.model, cells, job.plan.request.yes, bench.guides))
        scoring, keep, pictures = job.scoring(name), job.plan.request.keep, job.pictures
        for cell, scores in items:
            record, found = run_cell(
                cell, scores, bench, job.store, job.progress, job.stop, scoring, keep, pictures
            )
            job.progress.finish_cell(cell, record, found)


def load_bench(plan: Plan, name: str, cells: Sequence[Cell], device: torch.device) -> Bench:
    """Loads what the cells of a model share, and tries others' code.

    Args:
        cells: of the model; not none.

    Raises:
        UsageError: a network or extractor of others fails or answers wrongly.
        InputError: a file that is another than the planned one.
    """
    source, conditions = plan.sources[name], cells[0].conditions
    scores = [score for each in plan.scores_of(name).values() for score in each]
    # Networks draw their first weights, before they are given others.
    with watched_generators(0, device):
        extractors = load_extractors(scores, source.measures, device)
        bench = Bench.of(
            source.checkpoint,
            extractors,
            conditions["block"],
            device,
            conditions["dtype"],
            cells,
            source.guides,
        )
    try_extractors(bench.model, extractors, conditions["block"])
    for measure in source.measures:
        rehearse(measure, conditions["num_samples"])
    return bench

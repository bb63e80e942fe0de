"""One cell, sampled block by block where its model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from samplebench.answers.memory import memory_of
from samplebench.bench.behind import behind
from samplebench.bench.block import Block, BlockImages, run_block, sample_block, with_features
from samplebench.bench.conditions import setting_of
from samplebench.bench.facts import BenchFacts
from samplebench.bench.filing import Filing
from samplebench.bench.loaded import Bench
from samplebench.bench.pictures import Pictures
from samplebench.bench.progress import Progress
from samplebench.bench.scores import Scoring
from samplebench.bench.stop import Stop
from samplebench.models.model import threads_of
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.kept import LEVELS
from samplebench.results.record import Conditions, Record, Score
from samplebench.results.store import Store
from samplebench.sampling.setting import Setting

_LESS = "use a smaller --batch-size or free memory; finished cells and blocks are kept"


def computed(bench: Bench, setting: Setting, conditions: Conditions, index: int) -> Block:
    """A block, by the threads and in the memory that its model has; raises as `run_block` does."""
    with threads_of(bench.model), memory_of(bench.model.device, _LESS):
        return run_block(bench, setting, conditions, index)


def run_cell(
    cell: Cell,
    wanted: Sequence[PlannedScore],
    bench: Bench,
    store: Store,
    progress: Progress,
    stop: Stop,
    scoring: Scoring,
    keep: str = LEVELS[0],
    pictures: Pictures | None = None,
) -> tuple[Record, list[Score]]:
    """Computes one cell, from its partial state if there is one, files it and its scores."""
    setting, facts = setting_of(bench.model, cell.conditions), BenchFacts.of(bench, [cell])
    filing = Filing(cell, wanted, facts, store, scoring, keep, pictures, bench.changes)
    progress.start_cell(cell, done=filing.partial.next_sample)

    def file(sampled: BlockImages) -> None:
        progress.advance(filing.take(with_features(bench, sampled)))
        filing.save()

    with (
        filing.underway(),
        threads_of(bench.model),
        memory_of(bench.model.device, _LESS),
        behind(bench) as work,
    ):
        for index in filing.missing:
            work.take(partial(file, sample_block(bench, setting, cell.conditions, index)))
            if stop.requested:
                work.wait()
                filing.save(at_once=True)
                stop.check()
    return filing.finish()

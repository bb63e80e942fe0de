"""One cell, sampled block by block where its model is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from samplebench.answers.memory import memory_of
from samplebench.bench.block import run_block
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
from samplebench.results.record import Record, Score
from samplebench.results.store import Store

_LESS = "take a smaller --batch-size or free memory; finished cells and blocks are kept"


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
    with filing.underway():
        for index in filing.missing:
            with threads_of(bench.model), memory_of(bench.model.device, _LESS):
                block = run_block(bench, setting, cell.conditions, index)
            progress.advance(filing.take(block))
            filing.save(at_once=stop.requested)
            stop.check()
    return filing.finish()

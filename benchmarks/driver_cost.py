"""What filing costs the driver of a cluster, per block of feature rows, without Ray.

    python benchmarks/driver_cost.py [--workers 64] [--cells 1000]

The real schedule, filing and store work on made-up blocks of virtual workers, whose answers come
by a virtual clock. Counted is the processor time of this process without what the made-up workers
take; then, apart, what the moments of one whole cell take. The result is written as JSON and
Markdown into benchmarks/results/ under the hardware's name.
"""

from __future__ import annotations

import argparse
import heapq
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from samplebench.bench import plan as planning
from samplebench.bench.block import Block
from samplebench.bench.engines.cluster.crew import CrewRun
from samplebench.bench.engines.cluster.schedule import Load
from samplebench.bench.engines.cluster.worker import Hello, Loaded, WorkerBlock
from samplebench.bench.facts import BenchFacts, CellNotes, ExtractorFacts
from samplebench.bench.filing import Filing
from samplebench.bench.job import Job
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.bench.stop import Stop
from samplebench.results.store import Store
from timing.results import RESULTS, Bar, bars_table, facts, hardware, table, write

BLOCK, DIM, SHAPE = 64, 2048, (3, 32, 32)
# Seconds that a block may take: for each of them, how many workers keep the driver busy.
TYPICAL = (1.0, 5.0, 20.0, 60.0)
CELL = 50_000


class MadeUpCrew:
    """Workers that answer with the same rows, each after about a second of the virtual clock."""

    lack = ""

    def __init__(self, plan: Plan, workers: int) -> None:
        self.size, self.spent, self.answered = workers, 0.0, 0
        self._plan, self._random = plan, random.Random(0)
        self._events: list[tuple[float, int, int, Any]] = []
        self._free = [0.0] * workers
        self._now = 0.0
        self._number = 0
        draw = np.random.default_rng(0)
        self._rows = draw.standard_normal((BLOCK, DIM)).astype(np.float32).astype(np.float64)
        self._images = draw.integers(0, 255, (BLOCK, *SHAPE[1:], SHAPE[0]), np.uint8)
        for worker in range(workers):
            self._later(worker, Hello("virtual", "virtual"))

    def _later(self, worker: int, answer: Any) -> None:
        self._free[worker] = max(self._now, self._free[worker]) + self._random.uniform(0.5, 1.5)
        self._number += 1
        heapq.heappush(self._events, (self._free[worker], self._number, worker, answer))

    def hand_out(self, worker: Any, task: Any, cells: Any) -> None:
        began = time.process_time()
        if isinstance(task, Load):
            answer: Any = Loaded(task.model, facts_of(self._plan), None)
        else:
            answer = WorkerBlock(task.cell, self._block(task.index), ())
        self._later(worker, answer)
        self.spent += time.process_time() - began

    def _block(self, index: int) -> Block:
        rows, seconds = {"made-up": self._rows}, {"sampling": 1.0, "features": 0.1}
        return Block(
            index, index * BLOCK, self._images, rows, {}, BLOCK, 0, BLOCK, 0, "", (), seconds
        )

    def answers(self, seconds: float) -> Iterator[tuple[Any, Any]]:
        if not self._events:  # all is sampled, and scores are made
            time.sleep(0.005)
        else:
            self._now, _, worker, answer = heapq.heappop(self._events)
            self.answered += isinstance(answer, WorkerBlock)
            yield worker, answer

    def dismiss(self, worker: Any) -> None:
        raise AssertionError("nobody is sent away")


def facts_of(plan: Plan) -> BenchFacts:
    """A model whose extractor has `DIM` features."""
    notes = {name: CellNotes({}, (), (), None) for name in plan.cells}
    extractors = (ExtractorFacts("made-up", "made-up", DIM),)
    provenance: Any = {"versions": {}, "platform": "virtual", "hardware": "virtual"}
    return BenchFacts(SHAPE, "virtual", provenance, extractors, None, notes)


def planned(cells: int, samples: int) -> Plan:
    words: dict[str, Any] = {"model": "digits-exact", "sampler": "euler", "nfe": 5}
    words |= {"repeats": cells, "num_samples": samples, "batch_size": BLOCK}
    return planning.make(Request.of(**words))


def job_of(plan: Plan, folder: Path) -> Job:
    items = tuple((cell, tuple(plan.scores[name].values())) for name, cell in plan.cells.items())
    store = Store(folder, create=True)
    return Job(plan, items, store, Progress(quiet=True), Stop(), torch.device("cpu"))


@dataclass(frozen=True)
class Cost:
    """Milliseconds for each block, and seconds for the moments of a cell."""

    processor_ms: float
    wall_ms: float
    moments_processor_s: float
    moments_wall_s: float
    blocks: int

    def workers(self, seconds: float) -> tuple[float, float]:
        """How many workers with blocks of so many seconds keep the driver busy: with filing alone,
        and with the moments, which a second thread makes."""
        moments = self.moments_wall_s / (CELL / BLOCK)
        return seconds / (self.wall_ms / 1e3), seconds / max(self.wall_ms / 1e3, moments)


def measured(workers: int, cells: int, blocks: int, samples: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        job = job_of(planned(cells, blocks * BLOCK), Path(folder) / "out")
        crew = MadeUpCrew(job.plan, workers)
        with (
            job.store.locked(),
            job.progress.over([cell for cell, _ in job.items]),
            patch.object(Filing, "_statistics", lambda self: iter(())),
        ):
            began, wall = time.process_time(), time.perf_counter()
            CrewRun(job, crew).run()
            taken = time.process_time() - began - crew.spent
            wall = time.perf_counter() - wall - crew.spent
        assert crew.answered == cells * blocks
    with tempfile.TemporaryDirectory() as folder:
        job = job_of(planned(1, samples), Path(folder) / "out")
        crew = MadeUpCrew(job.plan, 1)
        filing = job.filing(job.items[0], facts_of(job.plan))
        with job.store.locked():
            for index in filing.missing:
                filing.take(crew._block(index))
            began, end = time.process_time(), time.perf_counter()
            filing.finish()
            moments = time.process_time() - began, time.perf_counter() - end
    scale = CELL / samples
    each = 1e3 / (cells * blocks)
    return Cost(taken * each, wall * each, moments[0] * scale, moments[1] * scale, cells * blocks)


def told(cost: Cost, workers: int, cells: int) -> list[str]:
    """The same in Markdown."""
    busy = [[f"{s:g}", *(f"{number:,.0f}" for number in cost.workers(s))] for s in TYPICAL]
    return [
        f"{workers} virtual workers, {cells:,} cells, {cost.blocks:,} blocks of feature rows "
        f"[{BLOCK}, {DIM:,}], without Ray.",
        f"Wall time of filing a block: {cost.wall_ms:.2f} ms. Moments of a cell of {CELL:,} apart: "
        f"CPU time {cost.moments_processor_s:.1f} s, wall time {cost.moments_wall_s:.1f} s.",
        table(["seconds of a block", "workers that keep the driver busy", "with moments"], busy),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--blocks", type=int, default=16, help="of a cell")
    parser.add_argument("--samples", type=int, default=CELL, help="of the cell with moments")
    parser.add_argument("--out", type=Path, help="JSON; default: under benchmarks/results")
    args = parser.parse_args()
    cost, device = (
        measured(args.workers, args.cells, args.blocks, args.samples),
        torch.device("cpu"),
    )
    bars = [Bar("ms of CPU to file a block, without moments", cost.processor_ms, 3)]
    found = {"cost": cost, "saturating": {seconds: cost.workers(seconds) for seconds in TYPICAL}}
    parts = [bars_table(bars), *told(cost, args.workers, args.cells)]
    out = args.out or RESULTS / hardware(device) / "driver_cost.json"
    title = "What filing costs the driver of a cluster"
    write(out, title, facts(device), {"bars": bars, **found}, parts)


if __name__ == "__main__":
    main()

"""Rank 0: computes its share of the blocks, and files those of all ranks in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from samplebench.bench.block import Block
from samplebench.bench.cell import computed
from samplebench.bench.conditions import setting_of
from samplebench.bench.engines.failure import Failure
from samplebench.bench.engines.here import load_bench
from samplebench.bench.engines.ranks.device import own_device
from samplebench.bench.engines.ranks.helper import AHEAD, END, LOOK
from samplebench.bench.engines.ranks.wire import Link, Peer, PeerLost
from samplebench.bench.engines.ranks.words import (
    Bye,
    End,
    Fetched,
    Folded,
    Halt,
    Made,
    Planned,
    Share,
    last,
    places,
)
from samplebench.bench.estimate import estimate
from samplebench.bench.facts import BenchFacts
from samplebench.bench.filing import Filing
from samplebench.bench.job import Job
from samplebench.bench.loaded import Bench
from samplebench.bench.progress import Progress
from samplebench.bench.rehearsal import probed
from samplebench.bench.stop import Interrupted
from samplebench.bench.work import Item
from samplebench.errors import EnvironmentError_
from samplebench.results.cell import Cell


@dataclass
class _Order:
    """The blocks of a model in their order.

    Attributes:
        filings: of its cells that have not ended; the first one is under way.
        place: of the next block among all.
        waiting: who has computed a block, and the block, by its place.
        changes: what of the model has changed in another process, lines.
        underway: around the work on the first cell.
    """

    filings: list[Filing]
    place: int = 0
    waiting: dict[int, tuple[int, Block]] = field(default_factory=dict)
    changes: dict[str, None] = field(default_factory=dict)
    underway: ExitStack = field(default_factory=ExitStack)

    def ahead(self, rank: int) -> int:
        """Blocks of a rank that wait for others."""
        return sum(whose == rank for whose, _ in self.waiting.values())

    def fold(self) -> Iterator[tuple[int, int]]:
        """Folds into the first cell what is there of it; yields whose it was, and how many."""
        filing = self.filings[0]
        while filing.missing and self.place in self.waiting:
            whose, block = self.waiting.pop(self.place)
            self.place += 1
            yield whose, filing.take(block)

    def keep(self) -> None:
        """Keeps all that is in its order, of the cells after a whole one too."""
        for filing in self.filings:
            while filing.missing and self.place in self.waiting:
                filing.take(self.waiting.pop(self.place)[1])
                self.place += 1
            if filing.partial.next_block:
                filing.save(at_once=True)
            if filing.missing:
                return


class Leader:
    """The rank that owns the store.

    Attributes:
        rank: of this process, 0.
        world: number of processes.
        outcome: what the other ranks return, plain values.
    """

    rank = 0

    def __init__(self, link: Link) -> None:
        self.world = link.world
        self.outcome: Any = None
        self._news = threading.Condition()
        self._order: _Order | None = None
        self._job: Job | None = None
        self._left: set[int] = set()
        self._error: BaseException | None = None
        others = range(1, self.world)
        self._lines = {rank: Peer(link, rank, self._heard, last) for rank in others}

    def fetched(self) -> None:
        """The others may look for files now."""
        self._tell(Fetched())

    def end(self, error: BaseException | None) -> None:
        """Has the last word."""
        self._tell(End(self.outcome, None if error is None else Failure.of(error)))
        for line in self._lines.values():
            line.close(END)

    def engine(self, job: Job) -> None:
        """Samples a job with all ranks."""
        self._job = job
        job.progress.workers = self.world
        cells = {name: cell.conditions for name, cell in job.plan.cells.items()}
        sampled = {name: [cell.hash for cell, _ in items] for name, items in job.models.items()}
        self._tell(Planned(cells, sampled))
        for name, items in job.models.items():
            self._sample(job, name, items)

    def _sample(self, job: Job, name: str, items: Sequence[Item]) -> None:
        """Samples the cells of a model."""
        source, cells = job.plan.sources[name], [cell for cell, _ in items]
        bench = load_bench(job.plan, name, cells, own_device(job.device, source.checkpoint.model))
        with probed(bench.model):
            allowed = job.plan.request.yes
            job.progress.note(estimate(bench.model, cells, allowed, bench.guides, self.world))
        facts, order = BenchFacts.of(bench, cells), _Order([])

        def changes() -> list[str]:
            return [*bench.changes(), *order.changes]

        order.filings += [job.filing(item, facts, changes) for item in items]
        starts = [filing.missing.start for filing in order.filings]
        with order.underway:
            with self._news:
                self._order = order
                self._begin(job.progress, order)
            self._tell(Share(name, starts, facts.stamp))
            try:
                self._own_share(job, bench, cells, starts)
            except BaseException as error:
                self._part(order, isinstance(error, Interrupted))
                raise

    def _own_share(
        self, job: Job, bench: Bench, cells: Sequence[Cell], starts: Sequence[int]
    ) -> None:
        """Computes its own blocks, and ends cells as they are whole."""
        order = self._order
        assert order is not None
        settings = [setting_of(bench.model, cell.conditions) for cell in cells]
        for place, (number, index) in enumerate(places(cells, starts)):
            if place % self.world == self.rank:
                self._wait(job, order, lambda: order.ahead(self.rank) < AHEAD)
                block = computed(bench, settings[number], cells[number].conditions, index)
                with self._news:
                    order.waiting[place] = self.rank, block
                    self._fold(job, order)
        self._wait(job, order, lambda: not order.filings)

    def _wait(self, job: Job, order: _Order, done: Callable[[], bool]) -> None:
        """Ends cells that are whole until something holds.

        Raises:
            Interrupted: the run is to stop.
            BaseException: what has failed elsewhere.
        """
        while True:
            job.stop.check()
            with self._news:
                if self._error is not None:
                    raise self._error
                whole = bool(order.filings) and not order.filings[0].missing
                if not whole:
                    if done():
                        return
                    self._news.wait(LOOK)
                    continue
            filing = order.filings[0]
            record, scores = filing.finish()
            order.underway.close()
            job.progress.finish_cell(filing.cell, record, scores)
            with self._news:
                del order.filings[0]
                self._begin(job.progress, order)
                self._fold(job, order)

    def _begin(self, progress: Progress, order: _Order) -> None:
        """Takes up the next cell, if there is one."""
        if order.filings:
            filing = order.filings[0]
            order.underway.enter_context(filing.underway())
            progress.start_cell(filing.cell, done=filing.partial.next_sample)

    def _fold(self, job: Job, order: _Order) -> None:
        if order.filings:
            for whose, samples in order.fold():
                job.progress.advance(samples)
                order.filings[0].save(at_once=job.stop.requested)
                if whose in self._lines:
                    self._lines[whose].say(Folded())

    def _part(self, order: _Order, patient: bool) -> None:
        """Has the others finish their blocks under way, and keeps what there is.

        Args:
            patient: whether these are waited for.
        """
        self._tell(Halt())
        end = time.monotonic() + END
        with self._news:
            while len(self._left) < len(self._lines) and (patient or time.monotonic() < end):
                self._news.wait(LOOK)
            order.keep()
            self._order = None

    def _tell(self, message: Any) -> None:
        for line in self._lines.values():
            line.say(message)

    def _heard(self, peer: int, message: Any) -> None:
        with self._news:
            try:
                self._hear(peer, message)
            except BaseException as error:  # of the disk, most of all
                self._error = self._error or error
            self._news.notify_all()

    def _hear(self, peer: int, message: Any) -> None:
        order, job = self._order, self._job
        match message:
            case Made() if order is not None and job is not None:
                order.changes |= dict.fromkeys(message.changes)
                order.waiting[message.place] = peer, message.block
                self._fold(job, order)
            case Bye():
                self._left.add(peer)
                failure = message.failure
                if failure is not None and failure.signal and job is not None:
                    job.stop.signal = job.stop.signal or failure.signal
                elif failure is not None:
                    self._error = self._error or failure.error()
            case PeerLost():
                self._left.add(peer)
                self._error = self._error or EnvironmentError_(
                    f"rank {peer} ended unexpectedly; the same command resumes"
                )
                if order is not None:
                    # Before whoever started this process ends it, too.
                    order.keep()

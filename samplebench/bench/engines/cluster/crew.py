"""A sweep on workers that come, lag and die: what is handed out, what becomes of the answers."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from samplebench.bench.block import count_of
from samplebench.bench.engines.cluster.schedule import BlockSchedule, Load, Sample, Task, Todo
from samplebench.bench.engines.cluster.worker import Answer, Gone, Hello, Loaded, WorkerBlock
from samplebench.bench.engines.failure import Failure
from samplebench.bench.estimate import told
from samplebench.bench.facts import BenchFacts
from samplebench.bench.filing import Filing
from samplebench.bench.job import Job
from samplebench.bench.progress import describe, passes_of
from samplebench.errors import EnvironmentError_
from samplebench.results.cell import Cell
from samplebench.results.record import Record, Score

# Blocks for each worker that may be under way or wait for an earlier one.
_AHEAD = 4
# Cells that may wait for their scores; meanwhile nothing is handed out.
_UNSCORED = 4
# Seconds: of a look at the answers; until it is said that no worker has come; until that is given
# up, as clusters that grow need minutes.
_LOOK, _TOLD, _PATIENCE = 0.2, 30.0, 600.0


class Crew(Protocol):
    """Workers, wherever they are.

    Attributes:
        size: how many there may be; 0 where none will come any more.
        lack: what is missing while none comes, in words.
    """

    @property
    def size(self) -> int: ...

    @property
    def lack(self) -> str: ...

    def hand_out(self, worker: Hashable, task: Task, cells: Sequence[Cell]) -> None:
        """Gives a worker what to do: `cells` are those of the model that it is to load."""
        ...

    def answers(self, seconds: float) -> Iterable[tuple[Hashable, Answer]]:
        """What has been answered; waits for it that long. Each worker says `Hello` when it has
        come, and when it has come back after it was lost."""
        ...

    def dismiss(self, worker: Hashable) -> None:
        """Sends a worker away for good."""
        ...


class CrewRun:
    """The cells of a job, sampled by a crew and filed here.

    Args:
        job: whose models nobody loads here.
        crew: who samples.
    """

    def __init__(self, job: Job, crew: Crew) -> None:
        self._job, self._crew = job, crew
        self._items = {item[0].hash: item for item in job.items}
        cells = [cell for cell, _ in job.items]
        todos = [
            Todo(c.hash, c.conditions["model"], count_of(c.conditions), _work(c)) for c in cells
        ]
        self._schedule = BlockSchedule(todos, self._begin, _AHEAD * max(1, crew.size))
        self._facts: dict[str, BenchFacts] = {}
        self._changes: dict[str, dict[str, None]] = {}
        self._filings: dict[str, Filing] = {}
        self._scoring: dict[Future[tuple[Record, list[Score]]], Cell] = {}
        self._stamp = self._why = ""
        self._since, self._told = time.monotonic(), False

    def run(self) -> None:
        """Samples and files all of them.

        Raises:
            EnvironmentError_: no worker comes, or a block has taken several with it.
            What `bench.run.execute` raises.
        """
        desk = ThreadPoolExecutor(1, "scores")
        try:
            while True:
                self._hand_out(desk)
                if self._schedule.done and not self._scoring:
                    return
                for worker, answer in self._crew.answers(_LOOK):
                    self._take(worker, answer)
                self._report()
                self._look_for_workers()
                self._job.stop.check()
        except BaseException:
            desk.shutdown(cancel_futures=True)
            self._keep_halves()
            raise
        finally:
            desk.shutdown()

    def _begin(self, name: str) -> Sequence[int]:
        """Takes up a cell; its blocks that are missing."""
        item = cell, _ = self._items[name]
        model = cell.conditions["model"]
        changes = self._changes.setdefault(model, {})
        filing = self._filings[name] = self._job.filing(item, self._facts[model], lambda: changes)
        self._job.progress.start_cell(cell, done=filing.partial.next_sample)
        return filing.missing

    def _hand_out(self, desk: ThreadPoolExecutor) -> None:
        if len(self._scoring) < _UNSCORED:
            for worker, task in self._schedule.tasks():
                cells = self._cells_of(task.model) if isinstance(task, Load) else ()
                self._crew.hand_out(worker, task, cells)
        for name in self._schedule.completed():
            filing = self._filings[name]
            self._scoring[desk.submit(filing.finish)] = filing.cell

    def _cells_of(self, model: str) -> list[Cell]:
        return [cell for cell, _ in self._job.items if cell.conditions["model"] == model]

    def _take(self, worker: Hashable, answer: Answer) -> None:
        if isinstance(answer, Failure):
            raise answer.error()
        if isinstance(answer, Hello):
            self._join(worker, answer)
        elif isinstance(answer, Loaded):
            self._note_loaded(answer)
            self._schedule.loaded(worker, answer.model)
        elif isinstance(answer, WorkerBlock):
            self._fold(worker, answer)
        else:
            self._lose(worker, answer)

    def _join(self, worker: Hashable, hello: Hello) -> None:
        """Blocks of other hardware have other bits: they must not meet in one cell."""
        self._stamp = self._stamp or hello.stamp
        if hello.stamp != self._stamp:
            self._why = f"{hello.place} ({hello.stamp}) is excluded: the others are {self._stamp}"
            self._job.progress.note(f"note: {self._why}; run a separate sweep there")
            self._crew.dismiss(worker)
            return
        self._schedule.join(worker)
        self._job.progress.workers = self._schedule.workers

    def _note_loaded(self, answer: Loaded) -> None:
        if answer.model in self._facts:
            return
        self._facts[answer.model] = answer.facts
        if answer.hours is not None:
            number = self._cells_of(answer.model)[0].conditions["num_samples"]
            allowed, size = self._job.plan.request.yes, self._crew.size
            self._job.progress.note(told(answer.hours, number, allowed, size))

    def _fold(self, worker: Hashable, answer: WorkerBlock) -> None:
        if not self._schedule.finish(worker, answer.cell, answer.block.index):
            return
        filing = self._filings[answer.cell]
        self._changes[filing.cell.conditions["model"]].update(dict.fromkeys(answer.changes))
        self._job.progress.advance(filing.take(answer.block), filing.cell)
        filing.save()

    def _lose(self, worker: Hashable, lost: Gone) -> None:
        self._why = lost.why
        before = self._schedule.workers
        beyond = self._schedule.leave(worker)
        self._job.progress.workers = self._schedule.workers
        if beyond:
            raise EnvironmentError_(
                f"block {beyond[0].index} of {self._named(beyond[0])} was lost with every worker "
                f"that had it ({lost.why}); finished cells are kept"
            )
        if self._schedule.workers < before:
            self._job.progress.note(
                f"note: a worker was lost ({lost.why}); its blocks go to others"
            )

    def _named(self, block: Sample) -> str:
        cell, _ = self._items[block.cell]
        return describe(cell.conditions, cell.nfe)

    def _report(self) -> None:
        """Tells the cells that have their scores; raises what a metric has raised."""
        for future in [future for future in self._scoring if future.done()]:
            cell = self._scoring[future]
            record, scores = future.result()
            del self._scoring[future], self._filings[cell.hash]
            self._job.progress.finish_cell(cell, record, scores)

    def _look_for_workers(self) -> None:
        """Raises `EnvironmentError_` where there is nobody, and nobody will come."""
        if self._schedule.workers or self._schedule.done:
            self._since, self._told = time.monotonic(), False
            return
        waited, why = time.monotonic() - self._since, f" ({self._why})" if self._why else ""
        if not self._crew.size:
            raise EnvironmentError_(f"no worker is left{why}; finished cells are kept")
        if waited > _PATIENCE:
            raise EnvironmentError_(
                f"no worker has come for {waited / 60:.0f} minutes{why}: {self._crew.lack}"
            )
        if waited > _TOLD and not self._told:
            self._told = True
            self._job.progress.note(f"note: waiting for a worker{why}: {self._crew.lack}")

    def _keep_halves(self) -> None:
        """Keeps what is whole of the cells under way."""
        for name, filing in self._filings.items():
            if any(future.done() and not future.cancelled() for future in self._futures(name)):
                continue
            filing.leave()

    def _futures(self, name: str) -> list[Future[tuple[Record, list[Score]]]]:
        return [future for future, cell in self._scoring.items() if cell.hash == name]


def _work(cell: Cell) -> float:
    """Of a block, in evaluations of an image."""
    return passes_of(cell) * cell.conditions["block"]

"""A crew of real workers in this process, whose answers come in any order, and who die at will."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from samplebench.bench.engines.cluster.crew import CrewRun
from samplebench.bench.engines.cluster.schedule import Load
from samplebench.bench.engines.cluster.worker import Answer, Gone, Hello, Place, Worker
from samplebench.bench.job import Job


class VirtualCrew:
    """Workers that do what they are told when their answers are asked for.

    Args:
        job: whose request they plan, too.
        count: of workers.
        deaths: how likely a worker dies instead of answering.
        fatal: a cell's block that takes its worker with it.
        stamps: what workers say of their machine, where it is not the truth.
        after: answers after which the job's stop is asked for.
    """

    def __init__(
        self,
        job: Job,
        count: int,
        seed: int = 0,
        deaths: float = 0.0,
        fatal: int | None = None,
        stamps: tuple[str, ...] = (),
        after: int | None = None,
    ) -> None:
        self._job, self._random, self._after = job, random.Random(seed), after
        self._deaths, self._fatal, self._stamps = deaths, fatal, stamps
        self.lack = "this is a test"
        self.workers: dict[Any, Worker] = {}
        self.tasks: dict[Any, list[Any]] = {}
        self.sampled, self.given = Counter[Any](), list[Any]()
        for worker in range(count):
            self._begin(worker)

    @property
    def size(self) -> int:
        return len(self.workers)

    def _begin(self, worker: Any) -> None:
        self.workers[worker] = Worker(self._job.plan.request.asked(), Place.here())
        self.tasks[worker] = ["hello"]

    def hand_out(self, worker: Any, task: Any, cells: Any) -> None:
        self.tasks[worker].append((task, cells))
        self.given.append((worker, task))

    def dismiss(self, worker: Any) -> None:
        del self.workers[worker], self.tasks[worker]

    def answers(self, seconds: float) -> Iterator[tuple[Any, Answer]]:
        busy = [worker for worker, tasks in self.tasks.items() if tasks]
        if not busy:
            return
        worker = self._random.choice(busy)
        task = self.tasks[worker].pop(0)
        fatal = task != "hello" and getattr(task[0], "index", -1) == self._fatal
        if task != "hello" and (fatal or self._random.random() < self._deaths):
            self._begin(worker)
            yield worker, Gone("it was killed")
            return
        yield worker, self._done(worker, task)
        if self._after is not None:
            self._after -= 1
            if not self._after:
                self._job.stop.signal = 15

    def _done(self, worker: Any, task: Any) -> Any:
        if task == "hello":
            hello = self.workers[worker].hello()
            known = isinstance(hello, Hello) and worker < len(self._stamps)
            return replace(hello, stamp=self._stamps[worker]) if known else hello
        task, cells = task
        if isinstance(task, Load):
            return self.workers[worker].load(task.model, cells)
        self.sampled[task] += 1
        return self.workers[worker].sample(task.cell, task.index)


def virtual(count: int, made: list[VirtualCrew] | None = None, **words: Any) -> Any:
    """An engine of such a crew; what it made is added to `made`."""

    def engine(job: Job) -> None:
        crew = VirtualCrew(job, count, **words)
        if made is not None:
            made.append(crew)
        CrewRun(job, crew).run()

    return engine

"""Which block next, and on which worker: a plan's cells over workers that come, lag and die.

Nothing here knows what a worker is, asks a clock or samples anything: whoever runs a sweep tells
what happened, and asks what to hand out.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

# Blocks a worker has at once: one under way, and one that it begins when that is done.
QUEUE = 2
# Models that a worker holds; the one that was not asked for longest leaves.
HELD = 2
# How often a block is handed out again after the worker that had it was lost.
RETRIES = 3


@dataclass(frozen=True)
class Todo:
    """A cell to sample.

    Attributes:
        cell: its hash.
        model: whose it is.
        blocks: how many it has, or more where some are done.
        work: of a block, in whatever unit all cells have.
    """

    cell: str
    model: str
    blocks: int
    work: float = 1.0


@dataclass(frozen=True)
class Load:
    """A worker is to load a model."""

    model: str


@dataclass(frozen=True)
class Sample:
    """A worker is to sample a block."""

    cell: str
    index: int


Task = Load | Sample


@dataclass(eq=False)
class _Open:
    """A cell under way.

    Attributes:
        order: its blocks that were missing.
        waiting: those to hand out, a heap.
        folded: how many of `order` are done without a gap before them.
        finished: those done behind a gap.
    """

    todo: Todo
    order: Sequence[int]
    waiting: list[int]
    folded: int = 0
    finished: set[int] = field(default_factory=set)

    @property
    def ready(self) -> bool:
        """Whether the next block to hand out is the next to fold."""
        return bool(self.waiting) and self.waiting[0] == self.order[self.folded]

    @property
    def complete(self) -> bool:
        return self.folded == len(self.order)

    def finish(self, index: int) -> None:
        self.finished.add(index)
        while not self.complete and self.order[self.folded] in self.finished:
            self.finished.remove(self.order[self.folded])
            self.folded += 1


@dataclass
class _Worker:
    """What a worker has loaded, the last used first, and what it has to do."""

    models: list[str] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    @property
    def loading(self) -> bool:
        return any(isinstance(task, Load) for task in self.tasks)

    def use(self, model: str) -> None:
        self.models = [model, *(name for name in self.models if name != model)][:HELD]


class _Model:
    """The cells of a model: under way with blocks to hand out, and untouched, in the plan's order.

    Attributes:
        waiting: blocks that are not handed out.
        work: of these.
    """

    def __init__(self, todos: Sequence[Todo]) -> None:
        self.open: list[_Open] = []
        self.left = list(reversed(todos))
        self.waiting, self.work = 0, 0.0
        for todo in todos:
            self.count(todo, todo.blocks)

    def count(self, todo: Todo, blocks: int) -> None:
        """So many more blocks of a cell wait, or fewer."""
        self.waiting += blocks
        self.work += blocks * todo.work


class BlockSchedule:
    """Hands out every block of every cell, and again those that are lost.

    A worker stays on the models that it holds. Workers share the blocks of the first cell that has
    any left, so that none idles at a cell's end, and cells end about in the plan's order.

    Args:
        todos: cells in the plan's order.
        missing: the blocks to sample of a cell, in their order; asked once, after a worker has
            loaded its model.
        ahead: how many blocks may be under way or wait for an earlier one of their cell; beyond
            it only blocks are handed out that wait for none. Bounds the memory of unfolded rows.

    Attributes:
        lost: by cell and index how often a block was lost with its worker.
    """

    def __init__(
        self, todos: Sequence[Todo], missing: Callable[[str], Sequence[int]], ahead: int
    ) -> None:
        self._missing, self._ahead = missing, ahead
        names = dict.fromkeys(todo.model for todo in todos)
        self._models = {name: _Model([t for t in todos if t.model == name]) for name in names}
        self._cells: dict[str, _Open] = {}
        self._workers: dict[Hashable, _Worker] = {}
        self._complete: list[str] = []
        self._away = self._held = 0
        self._left = len(todos)
        self.lost: dict[Sample, int] = {}

    @property
    def done(self) -> bool:
        """Whether every cell is complete."""
        return not self._left

    @property
    def workers(self) -> int:
        return len(self._workers)

    @property
    def _waiting(self) -> int:
        return sum(model.waiting for model in self._models.values())

    @property
    def unfolded(self) -> int:
        """Blocks that are done and wait for an earlier one of their cell."""
        return self._held

    def join(self, worker: Hashable) -> None:
        """A worker that holds no model is there."""
        self._workers[worker] = _Worker()

    def leave(self, worker: Hashable) -> list[Sample]:
        """A worker is gone, and what it had to do is to be done by others.

        Returns:
            Blocks that were lost more than `RETRIES` times: there is no sense in going on.
        """
        gone, beyond = self._workers.pop(worker, _Worker()), []
        for task in gone.tasks:
            if isinstance(task, Load):
                continue
            cell = self._cells[task.cell]
            model = self._models[cell.todo.model]
            self._away -= 1
            heapq.heappush(cell.waiting, task.index)
            model.count(cell.todo, 1)
            if cell not in model.open:
                model.open.insert(0, cell)
            self.lost[task] = self.lost.get(task, 0) + 1
            if self.lost[task] > RETRIES:
                beyond.append(task)
        return beyond

    def loaded(self, worker: Hashable, model: str) -> None:
        """A worker has loaded what it was told to."""
        if one := self._workers.get(worker):
            one.tasks.remove(Load(model))
            one.use(model)

    def finish(self, worker: Hashable, cell: str, index: int) -> bool:
        """A worker has sampled a block.

        Returns:
            False where it is not expected of it, and must not be folded: it counted as lost.
        """
        one, task = self._workers.get(worker), Sample(cell, index)
        if one is None or task not in one.tasks:
            return False
        one.tasks.remove(task)
        found = self._cells[cell]
        before = len(found.finished)
        found.finish(index)
        self._away -= 1
        self._held += len(found.finished) - before
        if found.complete:
            self._end(found)
        return True

    def completed(self) -> list[str]:
        """The cells that became complete since the last call."""
        found, self._complete = self._complete, []
        return found

    def tasks(self) -> Iterator[tuple[Hashable, Task]]:
        """What to hand out now; each counts as handed out when it is yielded."""
        # Idle ones first: whoever has a block under way can wait for the next, and does where there
        # is not one for everybody.
        for length in range(QUEUE):
            least = len(self._workers) if length else 1
            free = [each for each in self._workers.items() if len(each[1].tasks) == length]
            for name, worker in free:
                if self._waiting < least:
                    return
                if (task := self._next(worker)) is not None:
                    worker.tasks.append(task)
                    yield name, task

    def _next(self, worker: _Worker) -> Task | None:
        if worker.loading:
            return None
        for name in worker.models:
            if (found := self._block(self._models[name])) is not None:
                worker.use(name)
                return found
        return None if worker.tasks else self._load(worker)

    def _load(self, worker: _Worker) -> Load | None:
        """The model that has most to do for each of those at it, where they leave it any."""
        best, most = None, -math.inf
        for name, model in self._models.items():
            at = sum(self._at(each) == name for each in self._workers.values())
            coming = sum(Load(name) in each.tasks for each in self._workers.values())
            share = model.work / (at + 1)
            if name not in worker.models and model.waiting > coming and share > most:
                best, most = name, share
        return None if best is None else Load(best)

    def _at(self, worker: _Worker) -> str | None:
        """The model that a worker is at."""
        coming = (task.model for task in worker.tasks if isinstance(task, Load))
        return next(coming, worker.models[0] if worker.models and worker.tasks else None)

    def _block(self, model: _Model) -> Sample | None:
        """The next block of a model, which counts as handed out."""
        full = self._away + self._held >= self._ahead
        while True:
            for cell in model.open:
                if cell.ready if full else cell.waiting:
                    return self._hand_out(cell, model)
            if not model.left:
                return None
            self._open(model)

    def _open(self, model: _Model) -> None:
        todo = model.left.pop()
        order = tuple(self._missing(todo.cell))
        cell = self._cells[todo.cell] = _Open(todo, order, [*order])
        model.count(todo, len(order) - todo.blocks)
        if cell.complete:
            self._end(cell)
        else:
            model.open.append(cell)

    def _hand_out(self, cell: _Open, model: _Model) -> Sample:
        index = heapq.heappop(cell.waiting)
        if not cell.waiting:
            model.open.remove(cell)
        model.count(cell.todo, -1)
        self._away += 1
        return Sample(cell.todo.cell, index)

    def _end(self, cell: _Open) -> None:
        self._left -= 1
        self._complete.append(cell.todo.cell)

"""A process that samples blocks for another one, which files them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from samplebench.answers.memory import memory_of
from samplebench.bench import plan as planning
from samplebench.bench.block import Block, run_block
from samplebench.bench.conditions import setting_of
from samplebench.bench.engines.cluster.schedule import HELD
from samplebench.bench.engines.failure import Failure
from samplebench.bench.engines.here import load_bench
from samplebench.bench.engines.same import differing
from samplebench.bench.estimate import hours_of
from samplebench.bench.facts import BenchFacts
from samplebench.bench.loaded import Bench
from samplebench.bench.plan import Plan
from samplebench.bench.provenance import stamp_of
from samplebench.bench.ready import ready
from samplebench.bench.rehearsal import probed
from samplebench.bench.request import Request
from samplebench.bench.run import model_device, plan_device
from samplebench.errors import SamplebenchError, UsageError
from samplebench.models.model import threads_of
from samplebench.results.cell import Cell
from samplebench.sampling.setting import Setting

_LESS = "use a smaller --batch-size or fewer --workers; finished cells and blocks are kept"
T = TypeVar("T")


@dataclass(frozen=True)
class Hello:
    """A worker is there.

    Attributes:
        place: the machine's name.
        stamp: of the machine and the versions: blocks of another one never end in the same cell.
    """

    place: str
    stamp: str


@dataclass(frozen=True)
class Loaded:
    """A model is loaded.

    Attributes:
        hours: that each of its cells takes here, None where a look costs too much.
    """

    model: str
    facts: BenchFacts
    hours: tuple[float, ...] | None


@dataclass(frozen=True)
class WorkerBlock:
    """A block of a cell.

    Attributes:
        changes: what of the model is no longer what the cell says, a line each.
    """

    cell: str
    block: Block
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Gone:
    """What is said of a worker that is gone."""

    why: str


Answer = Hello | Loaded | WorkerBlock | Failure | Gone


@dataclass(frozen=True)
class Place:
    """Where the words of a request were written.

    Attributes:
        folder: to which relative paths are relative.
        path: where modules are looked for.
    """

    folder: str
    path: tuple[str, ...]

    @classmethod
    def here(cls) -> Place:
        return cls(os.getcwd(), tuple(sys.path))

    def enter(self) -> None:
        """Makes this process one that runs there, as far as this machine has it."""
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        sys.path += [each for each in self.path if each not in sys.path and Path(each).exists()]

    @property
    def lack(self) -> str:
        """What is told of this machine where a file is missing."""
        return "" if Path(self.folder).is_dir() else f"; it has no folder {self.folder}"


def _answered(method: Callable[..., T]) -> Callable[..., T | Failure]:
    """The method with errors as answers."""

    @wraps(method)
    def answer(*args: Any, **kwargs: Any) -> T | Failure:
        try:
            return method(*args, **kwargs)
        except SamplebenchError as error:
            return Failure.of(error)

    return answer


class Worker:
    """Plans what others plan, and samples blocks of it.

    Args:
        words: of the request.
        place: where they were written.
        threads: of the CPU; None for as many as torch takes.
    """

    def __init__(self, words: Mapping[str, Any], place: Place, threads: int | None = None) -> None:
        self._words, self._place, self._threads = words, place, threads
        self._made: Plan | None = None
        self._cells: dict[str, Cell] = {}
        self._benches: dict[str, Bench] = {}
        self._settings: dict[str, Setting] = {}

    @_answered
    def hello(self) -> Hello:
        """Plans, so that whatever is missing on this machine is told before anything is loaded."""
        import torch

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        return Hello(platform.node(), stamp_of(plan_device(self._plan)))

    @_answered
    def load(self, model: str, cells: Sequence[Cell]) -> Loaded:
        """Loads a model with what its cells need.

        Args:
            cells: of the model, as they are planned where they are filed.
        """
        plan = self._plan
        for cell in cells:
            _check_same(cell, self._cells)
        self._settings = {}
        own = model_device(plan, model)
        self._benches.pop(model, None)
        for name in [*self._benches][: len(self._benches) - HELD + 1]:
            del self._benches[name]
        with memory_of(own, _LESS):
            bench = self._benches[model] = load_bench(plan, model, cells, own)
            with probed(bench.model):
                hours = hours_of(bench.model, cells, bench.guides)
        return Loaded(model, BenchFacts.of(bench, cells), hours)

    @_answered
    def sample(self, cell: str, index: int) -> WorkerBlock:
        """Samples a block of a cell whose model is loaded."""
        conditions = self._cells[cell].conditions
        bench = self._benches.pop(conditions["model"])
        # The last used is the last to leave.
        self._benches[conditions["model"]] = bench
        if cell not in self._settings:
            self._settings = {cell: setting_of(bench.model, conditions)}
        with threads_of(bench.model), memory_of(bench.model.device, _LESS):
            block = run_block(bench, self._settings[cell], conditions, index)
        return WorkerBlock(cell, block, tuple(bench.changes()))

    @property
    def _plan(self) -> Plan:
        if self._made is None:
            self._place.enter()
            try:
                self._made = ready(planning.make(Request.of(**self._words)), quiet=True)
            except SamplebenchError as error:
                refused = Failure.of(error)
                where = f"on {platform.node()}: {refused.text}{self._place.lack}"
                raise replace(refused, text=where).error() from None
            self._cells = self._made.cells
        return self._made


def _check_same(cell: Cell, planned: Mapping[str, Cell]) -> None:
    """Raises `UsageError` where others do not plan a cell: blocks of it would be of another."""
    if cell.hash in planned:
        return
    others = (each.conditions for each in planned.values())
    near = min(others, key=lambda other: len(differing(cell.conditions, other)))
    name = differing(cell.conditions, near)[0]
    raise UsageError(
        f"on {platform.node()} other cells are planned: {name} is {near.get(name)} there and "
        f"{cell.conditions.get(name)} here; the same files and versions must be on both, and "
        "--device and --dtype say what differs by machine"
    )

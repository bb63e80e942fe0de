"""Sweeps into folders, and what these hold, without what differs from one run to the next."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from samplebench.bench import plan as planning
from samplebench.bench.engines.here import here
from samplebench.bench.job import Engine
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.bench.rescore import Rescored, Wanted, rescore
from samplebench.bench.run import execute
from samplebench.bench.stop import Stop
from samplebench.models.bound import listening
from samplebench.results.cell import PlannedRow
from samplebench.results.store import Store

_VOLATILE = ("seconds", "provenance", "checksum")


def content(out: Path, *folders: str) -> dict[str, object]:
    """Files by name: objects of `.json`, bytes of others; locks and reports are left out."""
    found: dict[str, object] = {}
    for folder in folders or ("cells", "scores", "images"):
        for path in sorted((out / folder).rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                found[str(path.relative_to(out))] = (
                    _steady(json.loads(data)) if path.suffix == ".json" else data
                )
    return found


def _steady(record: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in record.items() if key not in _VOLATILE}


class After(Stop):
    """A signal that comes within a block."""

    def __init__(self, blocks):
        super().__init__()
        self.left = blocks

    @property
    def requested(self):
        self.left -= 1
        if self.left == 0:
            self.signal = 15
        return self.signal is not None


class Swept(NamedTuple):
    """What a sweep into a folder did.

    Attributes:
        evaluations: of the network, each of a whole block; those that a plan is tried with are not
            among them.
        notes: lines that it said beside those of the cells.
    """

    plan: Plan
    store: Store
    evaluations: int
    notes: list[str]

    @property
    def values(self) -> dict[tuple[str, str], object]:
        """Values with their error bars and terms, by metric and reference."""
        return values_of(self.store, self.plan.rows)


def values_of(store: Store, rows: Iterable[PlannedRow]) -> dict[tuple[str, str], object]:
    """The values of the one cell of rows, by metric and the reference's id."""
    return {
        (metric, row.columns["reference"].split("@")[0]): store.score(score.hash)["value"]
        for row in rows
        for metric, (score,) in row.scores.items()
    }


def sweep(out: Path, stop: Stop | None = None, engine: Engine = here, **words: Any) -> Swept:
    """`samplebench run` without its report."""
    plan, notes, seen = planning.make(Request.of(**words)), list[str](), list[int]()
    store, progress = Store(out, create=True), Progress(quiet=True)
    progress.note = lambda text: notes.append(text) if text else None  # type: ignore[method-assign]
    with store.locked(), listening(lambda images, seconds: seen.append(images)):
        store.add_request(plan.request.words(), plan.rows)
        execute(plan, store, progress, stop or Stop(), engine)
    return Swept(plan, store, len(seen), notes)


def again(out: Path, *metrics: str, reference: Iterable[str] = ()) -> tuple[Rescored, int]:
    """`samplebench score` without its report, and the network's evaluations, which should be 0."""
    store, seen = Store(out), list[int]()
    wanted = Wanted(metrics, tuple(reference), None, torch.device("cpu"))
    with store.locked(), listening(lambda images, seconds: seen.append(images)):
        return rescore(store, wanted, Progress(quiet=True), quiet=True), len(seen)

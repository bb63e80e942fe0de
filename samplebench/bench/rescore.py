"""Finished cells against further metrics and references, without their network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.bench.codes import Codes
from samplebench.bench.measured import scored_rows
from samplebench.bench.progress import Progress
from samplebench.bench.run import score_kept
from samplebench.bench.scores import Scoring, can_score, kind_of
from samplebench.bench.work import lack
from samplebench.checkpoints.catalog import catalog
from samplebench.errors import InputError
from samplebench.results.cell import Cell, PlannedRow, PlannedScore
from samplebench.results.fields import counted
from samplebench.results.requests import merged
from samplebench.results.row import Columns
from samplebench.results.store import Store
from samplebench.scoring.measure import Measure, measures, ready

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Wanted:
    """What finished cells are to be scored by.

    Attributes:
        metric: names.
        reference: ids or paths; without, each model's own.
        checkpoints: TOML file with further models.
        device: on which features are made of kept images.
        offline: open no connection.
    """

    metric: tuple[str, ...]
    reference: tuple[str, ...]
    checkpoints: str | None
    device: torch.device
    offline: bool = False

    def words(self) -> dict[str, Any]:
        """As a request file has them."""
        given = {"metric": self.metric, "reference": self.reference}
        return {"score": True, **{key: list(value) for key, value in given.items() if value}}


@dataclass(frozen=True)
class Rescored:
    """What came of it.

    Attributes:
        rows: that have their scores now.
        lacking: what of the cells was not kept, by how many cells lack it.
    """

    rows: tuple[PlannedRow, ...]
    lacking: dict[str, int]

    def complaint(self, folder: Path) -> str:
        """One line on what was not kept and what to run again; "" where nothing lacks."""
        if not self.lacking:
            return ""
        parts = (f"{text} of {counted(count, 'cell')}" for text, count in self.lacking.items())
        return (
            f"{folder}: not stored: {'; '.join(parts)}; repeat 'samplebench run' for these cells "
            "with this --metric and --reference, and with --keep images to score anything later"
        )


def rescore(store: Store, wanted: Wanted, progress: Progress, *, quiet: bool) -> Rescored:
    """Scores what can be scored of what was kept, and adds its rows to the folder's.

    Args:
        store: locked.

    Raises:
        InputError: no cell is finished, or a reference is none.
        UsageError: a name that does not exist, or metric and reference that do not fit.
    """
    found = list(_finished(store))
    if not found:
        raise InputError(
            f"{store.out} has no finished cell; finish its sweep with 'samplebench run'"
        )
    by_model: dict[str, list[PlannedRow]] = {}
    for row in found:
        by_model.setdefault(row.columns["model"], []).append(row)
    codes, lacking = Codes(), dict[str, set[str]]()
    rows, work = list[PlannedRow](), list[tuple[Scoring, Cell, tuple[PlannedScore, ...]]]()
    for model, own in by_model.items():
        every = _measures(wanted, model, quiet)
        scoring = Scoring(every, wanted.device)
        for row in own:
            for one in scored_rows(row, every, codes):
                able = dict[str, tuple[PlannedScore, ...]]()
                for metric, scores in one.scores.items():
                    missing = [
                        s for c, s in zip(one.cells, scores, strict=True) if _lacks(store, c, s)
                    ]
                    for score in missing:
                        lacking.setdefault(lack(score), set()).add(score.conditions["cell"])
                    able |= {} if missing else {metric: scores}
                if able:
                    rows.append(replace(one, scores=able))
                    work += ((scoring, *item) for item in _by_cell(rows[-1]))
    result = Rescored(tuple(rows), {text: len(cells) for text, cells in lacking.items()})
    if not rows:
        raise InputError(result.complaint(store.out))
    for note in codes.notes:
        progress.note(f"note: {note}")
    store.add_request(wanted.words(), rows)
    for scoring, cell, scores in work:
        # Some are there, and rows may share cells.
        if left := tuple(score for score in scores if not store.has_score(score.hash)):
            score_kept(cell, left, scoring, store, progress)
    return result


def _measures(wanted: Wanted, model: str, quiet: bool) -> tuple[Measure, ...]:
    """Metrics with their references, all of it here."""
    entry = catalog(wanted.checkpoints).get(model)
    own = (entry.reference, entry.home) if entry else ("", "")
    found = measures(wanted.metric, wanted.reference, *own, model=model, device=str(wanted.device))
    return ready(found, offline=wanted.offline, quiet=quiet)


def _finished(store: Store) -> Iterator[PlannedRow]:
    """The folder's points whose images are there, each once, without a reference."""
    seen = set[str]()
    for row in merged(store.requests()):
        columns: Columns = {**row["columns"], "reference": ""}
        name = json.dumps([columns, row["cells"]], sort_keys=True)
        if name not in seen and all(map(store.has, row["cells"])):
            seen.add(name)
            yield PlannedRow(columns, tuple(_cells(store, row["cells"])), {})


def _cells(store: Store, names: Iterable[str]) -> Iterator[Cell]:
    for name in names:
        record = store.cell(name)
        adaptive = record["conditions"].get("steps") is None
        planned = None if adaptive else int(record.get("nfe_planned", record["nfe"]))
        yield Cell(record["conditions"], planned, record.get("not_reusable", ""))


def _by_cell(row: PlannedRow) -> Iterator[tuple[Cell, tuple[PlannedScore, ...]]]:
    for index, cell in enumerate(row.cells):
        yield cell, tuple(each[index] for each in row.scores.values())


def _lacks(store: Store, cell: Cell, score: PlannedScore) -> bool:
    """Whether a score is not there and cannot be made of what was kept."""
    if store.has_score(score.hash) or can_score(store, cell.hash, kind_of(score)):
        return False
    return not store.cell(cell.hash).get("failed")

"""Results on disk: one JSON per cell and per score, named by its hash; every write is atomic.

OUT/samplebench.json        marks the folder as ours
OUT/cells/HASH.json         a finished cell; HASH.png its first samples
OUT/cells/HASH.*.npz        what is kept of its images, see `results/kept.py`
OUT/cells/HASH.partial.*    the cell under way: its state, its rows so far
OUT/scores/HASH.json        a metric of a cell against a reference
OUT/requests/HASH.json      rows that were asked for, as views on cells and scores
*.corrupt                   a damaged one of these, set aside by the next run
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import held
from samplebench.files.archives import Unreadable
from samplebench.files.atomic import atomic
from samplebench.files.places import FOLDER, NOTHING, check_readable, file_at, folder_at, what
from samplebench.files.sealed import Sealed, write_arrays, write_json
from samplebench.results import older
from samplebench.results.aside import halves, is_aside, set_aside
from samplebench.results.cell import PlannedRow
from samplebench.results.damage import (
    Damaged,
    check_folders,
    check_schema,
    check_sheet,
    read_cell,
    read_json,
    read_score,
)
from samplebench.results.kept import Kept
from samplebench.results.labels import labels_of
from samplebench.results.locking import Moment, Shard, alone, beside
from samplebench.results.record import Record, Score
from samplebench.results.requests import (
    Asked,
    AskedRow,
    asked_rows,
    content_of,
    merged,
    name_of,
    read_all,
)
from samplebench.results.rows import RowsFile
from samplebench.results.shown import missing, view_of
from samplebench.results.view import View

SCHEMA = 2
_MARKER = "samplebench.json"
_FOLDERS = ("cells", "scores", "requests")
# What a report writes.
_FILES = ("results.csv", "report.html")
_ANEW = "delete it and its cell starts again"


def is_results_folder(path: Path) -> bool:
    """Whether samplebench made this folder.

    Raises:
        InputError: its marker is a folder, pipe, socket, device or a link to nothing.
        EnvironmentError_: it cannot be looked at.
    """
    return file_at(path / _MARKER)


def schema_of(folder: Path) -> int:
    """The schema of a results folder.

    Raises:
        InputError: a newer samplebench made it.
        Damaged: its marker is not what was written.
    """
    marker = folder / _MARKER
    likely = SCHEMA if (folder / "scores").exists() else older.SCHEMA
    mend = f'write {{"schema": {likely}}} into it'
    schema = read_json(marker, mend).get("schema")
    if type(schema) is int and schema == older.SCHEMA:
        return older.SCHEMA
    check_schema(marker, schema, SCHEMA, mend)
    return SCHEMA


class Store:
    """A results folder.

    Attributes:
        kept: statistics and images of its cells.

    Raises:
        InputError: the folder holds something else, or does not exist and `create` is off; or a
            file is in the place of a folder, or something else than a file in that of one.
        EnvironmentError_: it cannot be read or written.
    """

    def __init__(self, out: Path, *, create: bool = False) -> None:
        self.out = Path(out)
        self.kept = Kept(self.out / "cells", SCHEMA)
        marker = self.out / _MARKER
        if is_results_folder(self.out):
            schema = schema_of(self.out)
            if schema == older.SCHEMA:
                raise InputError(
                    f"{self.out} was written by an older samplebench: report and check can read "
                    "it, but nothing can be added; choose another --out"
                )
            check_folders(self.out, _FOLDERS)
            if create:
                self._check_writable()
                self._make_folders()
            return
        if not create:
            raise InputError(f"{self.out} is not a results folder; 'samplebench run' makes one")
        found = what(self.out)
        if found != NOTHING and (found != FOLDER or any(map(_foreign, self.out.iterdir()))):
            raise InputError(
                f"{self.out} exists and is not a results folder of samplebench; "
                "choose another --out"
            )
        try:
            with atomic(marker) as temporary:
                temporary.write_text(json.dumps({"schema": SCHEMA}) + "\n")
            self._make_folders()
        except OSError as error:
            raise EnvironmentError_(
                f"{self.out} cannot be written ({error.strerror}); choose another --out"
            ) from None

    def _check_writable(self) -> None:
        """Before hours are spent on what cannot be kept."""
        for name in _FILES:
            file_at(self.out / name)
        for folder in (self.out, *(self.out / name for name in (*_FOLDERS, "figures"))):
            if folder_at(folder) and not os.access(folder, os.W_OK | os.X_OK):
                raise EnvironmentError_(
                    f"{folder} cannot be written (Permission denied); choose another --out"
                )

    def _make_folders(self) -> None:
        """Once: a folder that is gone later was taken away, and is not made again."""
        for name in _FOLDERS:
            (self.out / name).mkdir(exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder against a second run, and against going on where it is gone.

        Raises:
            EnvironmentError_: another run holds it; within the block, at the next write: it, or a
                sub-folder, was removed, renamed or replaced.
        """
        with alone(self.out), self._standing():
            self._sweep_up()
            yield

    @contextmanager
    def shared(
        self,
        shard: Shard,
        words: Mapping[str, Any],
        rows: Iterable[PlannedRow],
        own: Container[str],
    ) -> Iterator[Moment]:
        """Holds a shard of a sweep against a second job of it, and the folder as `locked` does.

        Args:
            shard: which.
            words, rows: of the whole sweep, as of `add_request`; equal for all of its shards.
            own: hashes of the shard's cells and scores.

        Yields:
            How to hold the whole folder for a moment, for what is not of the shard alone.

        Raises:
            EnvironmentError_: as `locked` does; or shards of another sweep or split are running.
        """
        sweep = name_of(content_of(words, rows))

        def begin(first: bool) -> None:
            self._sweep_up(None if first else own)

        with self._standing(), beside(self.out, shard, sweep, begin) as moment:
            yield moment

    def _standing(self) -> AbstractContextManager[None]:
        """Against writing into a folder that was removed, renamed or replaced."""
        there = (folder for name in _FOLDERS if (folder := self.out / name).is_dir())
        return held.held([self.out, *there])

    def check_place(self) -> None:
        """Raises `EnvironmentError_` where the folder is held and no longer there."""
        for folder in (self.out, *(self.out / name for name in _FOLDERS)):
            held.check(folder)

    def _sweep_up(self, own: Container[str] | None = None) -> None:
        """Removes what killed runs left, half-written files and partials of finished cells, and
        sets damaged files aside.

        Args:
            own: hashes; files of others are left alone, as somebody may be writing them.
        """

        def mine(paths: Iterable[Path]) -> list[Path]:
            named = ((path, path.name.lstrip(".").partition(".")[0]) for path in paths)
            return sorted(path for path, name in named if own is None or name in own)

        for path in mine(halves(self.out)):
            path.unlink(missing_ok=True)
        cells, name = self.out / "cells", "[0-9a-f]" * 64
        again = "and its cell is computed again by its sweep"
        for path in mine(cells.glob(f"{name}.json")):
            set_aside(path, lambda path: read_cell(path, SCHEMA), again)
        for path in mine((self.out / "scores").glob(f"{name}.json")):
            set_aside(path, lambda path: read_score(path, SCHEMA), "and it is computed again")
        for path in mine(cells.glob(f"{name}.png")):
            set_aside(path, check_sheet, "and the page omits it")
        for path in mine(self.kept.of()):
            set_aside(path, self.kept.check, "and its cell is sampled again if needed")
        for path in mine(cells.glob(f"{name}.partial.npz")):
            set_aside(path, self._read_partial, "and its cell starts again")
        for path in mine(cells.glob(f"{name}.partial.*")):
            cell = path.name.partition(".")[0]
            if is_aside(path) or not file_at(path):
                continue
            if not self.under_way(cell):
                path.unlink(missing_ok=True)

    # cells

    def has(self, cell: str) -> bool:
        """Whether its file is there; raises where something else is in its place."""
        return file_at(self._cell(cell))

    def cell(self, cell: str) -> Record:
        """The record of a finished cell.

        Raises:
            Damaged: the file is not what was written.
            InputError: a newer samplebench wrote it, or it is no file.
            EnvironmentError_: it cannot be read.
        """
        return read_cell(self._cell(cell), SCHEMA)

    def whole(self, cell: str) -> Record | None:
        """The record of a finished cell that is there and can be used; None of any other."""
        try:
            return self.cell(cell) if self.has(cell) else None
        except Damaged:
            return None

    def check_sheets(self, view: View) -> None:
        """Raises `Damaged` where a contact sheet of the view cannot be shown."""
        for path in view.sheets.values():
            check_sheet(path)

    def write_cell(self, record: Record, sheet: np.ndarray) -> None:
        """Files a finished cell and its contact sheet, uint8 [H, W, C], and drops its partial."""
        from PIL import Image

        cell = record["cell"]
        picture = sheet[..., 0] if sheet.shape[-1] == 1 else sheet
        with atomic(self.out / "cells" / f"{cell}.png") as temporary:
            Image.fromarray(picture).save(temporary, format="PNG")
        write_json(self._cell(cell), record)
        self.drop_partial(cell)

    # scores

    def has_score(self, score: str) -> bool:
        """Whether its file is there; raises where something else is in its place."""
        return file_at(self._score(score))

    def score(self, score: str) -> Score:
        """A score; raises as `cell` does."""
        return read_score(self._score(score), SCHEMA)

    def write_score(self, score: Score) -> None:
        write_json(self._score(score["score"]), score)

    # the cell under way

    def save_partial(self, cell: str, state: Mapping[str, np.ndarray]) -> None:
        """Keeps the state of a cell under way; its rows are on the disk already."""
        # A finished one may be sampled again, for what was not kept.
        facts = {"schema": SCHEMA, "cell": cell, "again": self.has(cell)}
        write_arrays(self._partial(cell), state, facts)

    def under_way(self, cell: str) -> bool:
        """Whether there is half a cell, and the cell is not finished since."""
        path = self._partial(cell)
        return file_at(path) and (not self.has(cell) or Sealed(path).facts.get("again") is True)

    def load_partial(self, cell: str) -> dict[str, np.ndarray] | None:
        """The state of a cell under way, None where there is none or it cannot be read."""
        path = self._partial(cell)
        try:
            return self._read_partial(path) if file_at(path) else None
        except Damaged:
            return None

    def rows(self, cell: str, name: str, shape: tuple[int, ...], dtype: Any) -> RowsFile:
        """The rows of a cell under way: features of an extractor's key, or images."""
        return RowsFile(self.out / "cells" / f"{cell}.partial.{name}", shape, dtype)

    def again(self) -> list[Path]:
        """What is there of finished cells that are sampled again."""
        found = (self.out / "cells").glob("*.partial.*")
        return sorted(p for p in found if not is_aside(p) and self.has(p.name.partition(".")[0]))

    def drop_partial(self, cell: str) -> None:
        for path in (self.out / "cells").glob(f"{cell}.partial.*"):
            if not is_aside(path) and path.is_file():
                path.unlink(missing_ok=True)

    # requests and views

    def add_request(self, words: Mapping[str, Any], rows: Iterable[PlannedRow]) -> None:
        """Remembers what was asked for, so that a report can be made from the folder alone.

        Args:
            words: of the request.
            rows: of its plan.
        """
        content = content_of(words, rows)
        name = name_of(content)
        content["number"] = max((asked.number for asked in self.requests()), default=0) + 1
        content["schema"] = SCHEMA
        write_json(self.out / "requests" / f"{name}.json", content)

    def requests(self) -> list[Asked]:
        """What was asked of the folder so far, in this order.

        Raises:
            Damaged: a request file is not what was written.
            InputError: a newer samplebench wrote one, or it is no file.
            EnvironmentError_: one cannot be read.
        """
        return read_all(self.out, SCHEMA)

    def view(self, plan: Iterable[PlannedRow] | None = None) -> View:
        """Finished rows of a plan in its order; of all requests so far, sorted, without one."""
        asked = self.requests()
        found = view_of(self, merged(asked) if plan is None else asked_rows(plan))
        return replace(found, labels=labels_of(asked))

    def pending(self, rows: Iterable[AskedRow]) -> set[str]:
        """The cells of these rows that have no result yet, or lack a score."""
        return set[str]().union(*(missing(self, row) for row in rows))

    def sheet(self, cell: str) -> Path:
        """Where a cell's contact sheet is, if it has one."""
        return self.out / "cells" / f"{cell}.png"

    def _cell(self, cell: str) -> Path:
        return self.out / "cells" / f"{cell}.json"

    def _score(self, score: str) -> Path:
        return self.out / "scores" / f"{score}.json"

    def _partial(self, cell: str) -> Path:
        return self.out / "cells" / f"{cell}.partial.npz"

    def _read_partial(self, path: Path) -> dict[str, np.ndarray]:
        """The state of a cell under way.

        Raises:
            Damaged: it is not what was written.
            InputError: a newer samplebench wrote it, or it is no file.
            EnvironmentError_: it cannot be read.
        """
        check_readable(path)
        try:
            found = Sealed(path)
            check_schema(path, found.facts.get("schema"), SCHEMA, _ANEW)
            if found.facts.get("cell") != path.name.partition(".")[0]:
                raise Unreadable("it belongs to another cell")
            return found.arrays()
        except Unreadable as error:
            raise Damaged(path, str(error), _ANEW) from None


def _foreign(path: Path) -> bool:
    """Whether a file in a folder without a marker was put there by somebody else."""
    return not (path.name.startswith(f".{_MARKER}.") and path.name.endswith(".tmp"))

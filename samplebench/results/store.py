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

import hashlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import locks
from samplebench.files.archives import Unreadable
from samplebench.files.atomic import atomic
from samplebench.files.sealed import Sealed, write_arrays, write_json
from samplebench.results import older
from samplebench.results.cell import PlannedRow
from samplebench.results.damage import Damaged, check_sheet, read_cell, read_json, read_score
from samplebench.results.kept import Kept
from samplebench.results.record import Record, Score
from samplebench.results.requests import Asked, AskedRow, asked_rows, merged, read_all
from samplebench.results.rows import RowsFile
from samplebench.results.shown import missing, view_of
from samplebench.results.view import View

SCHEMA = 2
_MARKER = "samplebench.json"
_FOLDERS = ("cells", "scores", "requests")
_log = logging.getLogger(__name__)


def is_results_folder(path: Path) -> bool:
    """Whether samplebench made this folder."""
    return (path / _MARKER).is_file()


def schema_of(folder: Path) -> int:
    """The schema of a results folder.

    Raises:
        InputError: a newer samplebench made it.
        Damaged: its marker is not what was written.
    """
    marker = folder / _MARKER
    schema = read_json(marker, f'write {{"schema": {SCHEMA}}} into it').get("schema")
    if schema not in (SCHEMA, older.SCHEMA):
        raise InputError(
            f"{folder} has schema {schema}, this samplebench reads {SCHEMA}; choose another --out"
        )
    return int(schema)


class Store:
    """A results folder.

    Attributes:
        kept: statistics and images of its cells.

    Raises:
        InputError: the folder holds something else, or does not exist and `create` is off.
        EnvironmentError_: it cannot be written.
    """

    def __init__(self, out: Path, *, create: bool = False) -> None:
        self.out = Path(out)
        self.kept = Kept(self.out / "cells", SCHEMA)
        marker = self.out / _MARKER
        if marker.is_file():
            schema = schema_of(self.out)
            if schema == older.SCHEMA:
                raise InputError(
                    f"{self.out} was written by an older samplebench: report and check read it, "
                    "and nothing is added to it; choose another folder"
                )
            if create:
                self._check_writable()
            return
        if not create:
            raise InputError(f"{self.out} is not a results folder; 'samplebench run' makes one")
        if self.out.exists() and (not self.out.is_dir() or any(map(_foreign, self.out.iterdir()))):
            raise InputError(
                f"{self.out} exists and is not a results folder of samplebench; "
                "choose another --out"
            )
        try:
            with atomic(marker) as temporary:
                temporary.write_text(json.dumps({"schema": SCHEMA}) + "\n")
        except OSError as error:
            raise EnvironmentError_(
                f"{self.out} cannot be written ({error.strerror}); choose another --out"
            ) from None

    def _check_writable(self) -> None:
        """Before hours are spent on what cannot be kept."""
        for folder in (self.out, *(self.out / name for name in _FOLDERS)):
            if folder.exists() and not folder.is_dir():
                raise InputError(
                    f"{folder} is a file in the place of a folder; move it away or choose "
                    "another --out"
                )
            if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
                raise EnvironmentError_(
                    f"{folder} cannot be written (Permission denied); choose another --out"
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder against a second run."""
        from filelock import Timeout

        path = self.out / ".lock"
        try:
            lock = locks.acquire(path, timeout=0)
        except Timeout:
            left = locks.soft(path)
            none = f" (if there is none, delete {left})" if left.exists() else ""
            raise EnvironmentError_(
                f"another run is writing to {self.out}{none}; wait for it or choose another --out"
            ) from None
        try:
            self._sweep_up()
            yield
        finally:
            lock.release()

    def _sweep_up(self) -> None:
        """Removes what killed runs left, half-written files and partials of finished cells, and
        sets damaged files aside."""
        for path in (*self.out.glob(".*.tmp"), *self.out.glob("*/.*.tmp")):
            path.unlink(missing_ok=True)
        cells, name = self.out / "cells", "[0-9a-f]" * 64
        again = "and its cell is computed anew by its sweep"
        for path in sorted(cells.glob(f"{name}.json")):
            _set_aside(path, lambda path: read_cell(path, SCHEMA), again)
        for path in sorted((self.out / "scores").glob(f"{name}.json")):
            _set_aside(path, lambda path: read_score(path, SCHEMA), "and it is computed anew")
        for path in sorted(cells.glob(f"{name}.png")):
            _set_aside(path, check_sheet, "and the page leaves it out")
        for path in self.kept.of():
            _set_aside(path, self.kept.check, "and its cell is sampled again where it is needed")
        for path in sorted(cells.glob(f"{name}.partial.npz")):
            _set_aside(path, _read_partial, "and its cell starts anew")
        for path in sorted(cells.glob(f"{name}.partial.*")):
            cell = path.name.partition(".")[0]
            if ".corrupt" not in path.name and (self.has(cell) or not self._partial(cell).exists()):
                path.unlink(missing_ok=True)

    # cells

    def has(self, cell: str) -> bool:
        return self._cell(cell).is_file()

    def cell(self, cell: str) -> Record:
        """The record of a finished cell.

        Raises:
            Damaged: the file is not what was written.
        """
        return read_cell(self._cell(cell), SCHEMA)

    def whole(self, cell: str) -> bool:
        """Whether a finished cell is there and can be used."""
        try:
            return self.has(cell) and bool(self.cell(cell))
        except Damaged:
            return False

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
        return self._score(score).is_file()

    def score(self, score: str) -> Score:
        """A score.

        Raises:
            Damaged: the file is not what was written.
        """
        return read_score(self._score(score), SCHEMA)

    def write_score(self, score: Score) -> None:
        write_json(self._score(score["score"]), score)

    # the cell under way

    def save_partial(self, cell: str, state: Mapping[str, np.ndarray]) -> None:
        """Keeps the state of a cell under way; its rows are on the disk already."""
        write_arrays(self._partial(cell), state, {"schema": SCHEMA, "cell": cell})

    def load_partial(self, cell: str) -> dict[str, np.ndarray] | None:
        """The state of a cell under way, None where there is none or it cannot be read."""
        path = self._partial(cell)
        try:
            return _read_partial(path) if path.is_file() else None
        except Damaged:
            return None

    def rows(self, cell: str, name: str, shape: tuple[int, ...], dtype: Any) -> RowsFile:
        """The rows of a cell under way: features of an extractor's key, or images."""
        return RowsFile(self.out / "cells" / f"{cell}.partial.{name}", shape, dtype)

    def drop_partial(self, cell: str) -> None:
        for path in (self.out / "cells").glob(f"{cell}.partial.*"):
            if ".corrupt" not in path.name:
                path.unlink(missing_ok=True)

    # requests and views

    def add_request(self, words: Mapping[str, Any], rows: Iterable[PlannedRow]) -> None:
        """Remembers what was asked for, so that a report can be made from the folder alone.

        Args:
            words: of the request.
            rows: of its plan.
        """
        # JSON has no infinity either.
        words = json.loads(json.dumps(words), parse_constant=str)
        content: dict[str, object] = {"request": words, "rows": asked_rows(rows)}
        name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        content["number"] = max((asked.number for asked in self.requests()), default=0) + 1
        write_json(self.out / "requests" / f"{name}.json", content)

    def requests(self) -> list[Asked]:
        """What was asked of the folder so far, in this order.

        Raises:
            Damaged: a request file is not what was written.
        """
        return read_all(self.out)

    def view(self, plan: Iterable[PlannedRow] | None = None) -> View:
        """Finished rows of a plan in its order; of all requests so far, sorted, without one."""
        return view_of(self, merged(self.requests()) if plan is None else asked_rows(plan))

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


def _read_partial(path: Path) -> dict[str, np.ndarray]:
    """The state of a cell under way.

    Raises:
        Damaged: it is not what was written.
    """
    try:
        return Sealed(path).arrays()
    except Unreadable as error:
        raise Damaged(path, str(error), "delete it, and its cell starts anew") from None


def _set_aside(path: Path, check: Callable[[Path], Any], then: str) -> None:
    """Renames a damaged file, so that nothing is lost and nothing stumbles over it."""
    try:
        check(path)
    except Damaged as damaged:
        names = (f"{path.name}.corrupt{f'.{n}' if n else ''}" for n in itertools.count())
        aside = next(a for a in map(path.with_name, names) if not os.path.lexists(a))
        os.replace(path, aside)
        _log.warning("%s is damaged (%s); kept as %s, %s", path, damaged.reason, aside.name, then)


def _foreign(path: Path) -> bool:
    """Whether a file in a folder without a marker was put there by somebody else."""
    return not (path.name.startswith(f".{_MARKER}.") and path.name.endswith(".tmp"))

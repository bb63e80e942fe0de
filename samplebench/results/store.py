"""Results on disk: one JSON per cell, named by its hash; every write is atomic.

OUT/samplebench.json        marks the folder as ours
OUT/cells/HASH.json         a finished cell; HASH.png its first samples
OUT/cells/HASH.partial.npz  moments of the cell under way
OUT/cells/*.corrupt         a damaged one of these, set aside by the next run
OUT/requests/HASH.json      rows that were asked for, as views on the cells
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import locks
from samplebench.files.atomic import atomic
from samplebench.results.cell import PlannedRow
from samplebench.results.damage import Damaged, check_sheet, read_cell, read_json, read_partial
from samplebench.results.record import Record
from samplebench.results.requests import Asked, AskedRow, asked_rows, merged, read_all
from samplebench.results.row import STDERR, Row
from samplebench.results.view import View

SCHEMA = 1
_MARKER = "samplebench.json"
_log = logging.getLogger(__name__)


def is_results_folder(path: Path) -> bool:
    """Whether samplebench made this folder."""
    return (path / _MARKER).is_file()


class Store:
    """A results folder.

    Raises:
        InputError: the folder holds something else, or does not exist and `create` is off.
        EnvironmentError_: it cannot be written.
    """

    def __init__(self, out: Path, *, create: bool = False) -> None:
        self.out = Path(out)
        marker = self.out / _MARKER
        if marker.is_file():
            schema = read_json(marker, 'write {"schema": 1} into it').get("schema")
            if schema != SCHEMA:
                raise InputError(
                    f"{self.out} has schema {schema}, this samplebench reads {SCHEMA}; "
                    "choose another --out"
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
        for folder in (self.out, self.out / "cells", self.out / "requests"):
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
        for path in sorted(cells.glob(f"{name}.png")):
            _set_aside(path, check_sheet, "and the page leaves it out")
        for path in sorted(cells.glob(f"{name}.partial.npz")):
            if self.has(path.name.removesuffix(".partial.npz")):
                path.unlink(missing_ok=True)
            else:
                _set_aside(path, read_partial, "and its cell starts anew")

    # cells

    def has(self, cell: str) -> bool:
        return self._cell(cell).is_file()

    def cell(self, cell: str, metrics: Sequence[str] = ()) -> Record:
        """The record of a finished cell, which must hold these metrics.

        Raises:
            Damaged: the file is not what was written.
        """
        return read_cell(self._cell(cell), SCHEMA, metrics)

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
        with atomic(self._cell(cell)) as temporary:
            # JSON has no NaN: what is not finite has been told as a failure long before.
            text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
            temporary.write_text(text + "\n")
        self._partial(cell).unlink(missing_ok=True)

    def save_partial(self, cell: str, state: Mapping[str, Any]) -> None:
        """Keeps the arrays of a cell under way."""
        with atomic(self._partial(cell)) as temporary, temporary.open("wb") as file:
            np.savez(file, **state)

    def load_partial(self, cell: str) -> dict[str, np.ndarray] | None:
        """The arrays of a cell under way, None where there are none or they cannot be read."""
        path = self._partial(cell)
        try:
            return read_partial(path) if path.is_file() else None
        except Damaged:
            return None

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
        with atomic(self.out / "requests" / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")

    def requests(self) -> list[Asked]:
        """What was asked of the folder so far, in this order.

        Raises:
            Damaged: a request file is not what was written.
        """
        return read_all(self.out)

    def two_references(self) -> str:
        """A metric that was computed against two references at one point; "" if there is none.

        Only the newer value is shown, so that a table cannot say which it is.
        """
        for older, newer in merged(self.requests())[1]:
            cells = (older["cells"][0], newer["cells"][0])
            if not all(map(self.has, cells)):
                continue
            then, now = (self.cell(cell)["conditions"].get("reference") for cell in cells)
            if then != now:
                (metric, *_) = (m for m in older["metrics"] if m in newer["metrics"])
                names = " and ".join(str(found and found.get("id")) for found in (then, now))
                at = newer["columns"]
                point = f"{at['model']} {at['sampler']} {at['nfe']}"
                return f"{metric} of {point} was computed against two references, {names}"
        return ""

    def view(self, plan: Iterable[PlannedRow] | None = None) -> View:
        """Finished rows of a plan in its order; of all requests so far, sorted, without one."""
        asked = merged(self.requests())[0] if plan is None else asked_rows(plan)
        rows: list[Row] = []
        cells: dict[str, Record] = {}
        pending: set[str] = set()
        for row in asked:
            missing = [cell for cell in row["cells"] if not self.has(cell)]
            pending.update(missing)
            if missing:
                continue
            records = [self.cell(cell, row["metrics"]) for cell in row["cells"]]
            cells.update(zip(row["cells"], records, strict=True))
            rows.append(_values(row, records))
        sheets = {c: self.out / "cells" / f"{c}.png" for c in cells}
        sheets = {cell: path for cell, path in sheets.items() if path.is_file()}
        return View(self.out.resolve().name, rows, cells, sheets, len(pending))

    def _cell(self, cell: str) -> Path:
        return self.out / "cells" / f"{cell}.json"

    def _partial(self, cell: str) -> Path:
        return self.out / "cells" / f"{cell}.partial.npz"


def _set_aside(path: Path, check: Callable[[Path], Any], then: str) -> None:
    """Renames a damaged file, so that nothing is lost and nothing stumbles over it."""
    try:
        check(path)
    except Damaged as damaged:
        aside = path.with_name(f"{path.name}.corrupt")
        os.replace(path, aside)
        _log.warning("%s is damaged (%s); kept as %s, %s", path, damaged.reason, aside.name, then)


def _foreign(path: Path) -> bool:
    """Whether a file in a folder without a marker was put there by somebody else."""
    return not (path.name.startswith(f".{_MARKER}.") and path.name.endswith(".tmp"))


def _values(row: AskedRow, records: Sequence[Record]) -> Row:
    """A row with its values: the mean over repeats, and the standard error of that mean."""
    values: dict[str, float] = {}
    for name in row["metrics"]:
        found = [record["values"][name] for record in records]
        means = [math.nan if v["value"] is None else v["value"] for v in found]
        errors = [math.nan if v["stderr"] is None else v["stderr"] for v in found]
        values[name] = math.fsum(mean / len(means) for mean in means)
        # Without a square that overflows.
        values[name + STDERR] = math.hypot(*errors) / len(errors)
    fixed = {**row["columns"], "nfe": records[0]["nfe"]}
    return cast(Row, {**fixed, **values, "cell": " ".join(row["cells"])})

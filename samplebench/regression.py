"""Whether a curve moved: baseline rows against current rows, to an exact comparison's tolerance."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samplebench.bench.view import COLUMNS, View
from samplebench.errors import InputError
from samplebench.files import atomic

SAME_PLATFORM, OTHER_PLATFORM = 1e-6, 1e-3

# What makes two rows the same point of the same curve; `nfe` is counted, so it is compared.
_KEY = tuple(column for column in COLUMNS if column != "nfe")
_FAILS = ("moved", "missing", "conditions differ")


@dataclass(frozen=True)
class Verdict:
    """One row's outcome.

    Attributes:
        status: "same", "moved", "missing" (not in the current results), "new" (not in the
            baseline) or "conditions differ" (not comparable: the cells' hashes differ).
        row: its key columns.
        detail: what differs, in words.
    """

    status: str
    row: Mapping[str, Any]
    detail: str = ""

    @property
    def failed(self) -> bool:
        return self.status in _FAILS


def compare(
    current: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]], tolerance: float
) -> list[Verdict]:
    """Compares all values, standard errors and counted NFE, two-sided.

    Args:
        current, baseline: rows as in results.csv.
        tolerance: largest |current - baseline| / |baseline| that counts as the same.
    """
    now = {_key(row): row for row in current}
    then = {_key(row): row for row in baseline}
    verdicts = []
    for key, row in then.items():
        found = now.get(key)
        if found is None:
            verdicts.append(Verdict("missing", row))
        elif found["cell"] != row["cell"]:
            verdicts.append(Verdict("conditions differ", row, "other reference, extractor or code"))
        else:
            moved = _moved(found, row, tolerance)
            verdicts.append(Verdict("moved" if moved else "same", row, moved))
    verdicts += [Verdict("new", row) for key, row in now.items() if key not in then]
    return verdicts


def load_rows(source: Path) -> tuple[list[dict[str, Any]], set[str]]:
    """Rows of a results folder or of a CSV, and the platforms they were computed on.

    A CSV's platforms are in the .provenance.json beside it; the set is empty where there is none.

    Raises:
        InputError: there is no such file, or it is not a results table.
    """
    from samplebench.bench.store import Store, is_results_folder
    from samplebench.report.tables import read_csv

    if source.is_dir():
        view = Store(source).view()
        # As a CSV has them, so that a folder equals its own results.csv at any tolerance.
        rows = [{k: _digits(v) for k, v in row.items()} for row in view.rows]
        return rows, _platforms(view)
    if not source.is_file():
        raise InputError(f"{source} does not exist; give a results folder or a results.csv")
    try:
        rows = read_csv(source)
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{source} is not a results.csv ({error})") from None
    if not rows or not {*COLUMNS, "cell"} <= set(rows[0]) or not all(r["cell"] for r in rows):
        raise InputError(f"{source} is not a results.csv: columns or rows are missing")
    if is_results_folder(source.parent):
        return rows, _platforms(Store(source.parent).view())
    beside = _sidecar(source)
    if not beside.is_file():
        return rows, set()
    try:
        return rows, set(json.loads(beside.read_text())["platforms"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{beside} is damaged ({error}); make it again with --update") from None


def update(source: Path, baseline: Path) -> None:
    """Makes the results the new baseline: the CSV and the platforms beside it."""
    from samplebench.bench.store import Store
    from samplebench.report.tables import write_csv

    rows, platforms = load_rows(source)
    if not rows or (source.is_dir() and Store(source).view().pending):
        raise InputError(f"{source} is not finished; run its sweep to the end, then --update")
    if baseline.is_dir():
        raise InputError(f"{baseline} is a folder; name a file, e.g. baseline.csv")
    if source.is_file():
        with atomic(baseline) as temporary:
            shutil.copyfile(source, temporary)
    else:
        baseline.parent.mkdir(parents=True, exist_ok=True)
        write_csv(rows, baseline)
    with atomic(_sidecar(baseline)) as temporary:
        temporary.write_text(json.dumps({"platforms": sorted(platforms)}, indent=1) + "\n")


def tolerance_for(current: set[str], baseline: set[str]) -> float:
    """1e-6 on the same platform, 1e-3 across; unknown platforms are held to the strict one."""
    return OTHER_PLATFORM if current and baseline and current != baseline else SAME_PLATFORM


def _digits(value: Any) -> Any:
    return float(f"{value:.12g}") if isinstance(value, float) else value


def _platforms(view: View) -> set[str]:
    return {cell["provenance"]["platform"] for cell in view.cells.values()}


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".provenance.json")


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(column) for column in _KEY)


def _moved(found: Mapping[str, Any], row: Mapping[str, Any], tolerance: float) -> str:
    """What moved, "" if nothing did."""
    columns = ["nfe", *(c for c in row if c not in _KEY and c not in ("nfe", "cell"))]
    changes = []
    for column in columns:
        old, new = row.get(column), found.get(column)
        if old is None and new is None:
            continue
        if old is None or new is None:
            changes.append(f"{column} {old} -> {new}")
            continue
        if old == new or (math.isnan(old) and math.isnan(new)):
            continue
        change = abs(new - old)
        if not change <= tolerance * abs(old) < math.inf:
            relative = change / abs(old) if old else math.inf
            changes.append(f"{column} {old:.9g} -> {new:.9g} ({relative:+.2e})")
    return ", ".join(changes)

"""Asked rows to a view: their columns with the values of their scores."""

from __future__ import annotations

import math
import statistics
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from samplebench.files.places import file_at
from samplebench.results.damage import Damaged
from samplebench.results.record import Record, Score
from samplebench.results.requests import MEND, AskedRow
from samplebench.results.row import LARGEST, LEAST, SD, STDERR, Row
from samplebench.results.view import ScoreKey, View, key_of


class Filed(Protocol):
    """Where records and scores are."""

    out: Path

    def has(self, cell: str) -> bool: ...

    def cell(self, cell: str) -> Record: ...

    def has_score(self, score: str) -> bool: ...

    def score(self, score: str) -> Score: ...

    def sheet(self, cell: str) -> Path: ...


def view_of(source: Filed, asked: Iterable[AskedRow]) -> View:
    """The finished ones of these rows.

    Raises:
        Damaged: a file is not what was written.
        InputError: a newer samplebench wrote one, or it is no file.
        EnvironmentError_: one cannot be read.
    """
    rows: list[Row] = []
    cells: dict[str, Record] = {}
    found: dict[ScoreKey, Score] = {}
    pending: set[str] = set()
    for row in asked:
        without = missing(source, row)
        pending |= without
        if without:
            continue
        cells |= {cell: source.cell(cell) for cell in row["cells"] if cell not in cells}
        records = [cells[cell] for cell in row["cells"]]
        scores = {metric: [*map(source.score, names)] for metric, names in row["scores"].items()}
        label = row["columns"]["reference"]
        for metric, each in scores.items():
            own = {key_of(score): score for score in each}
            wanted = {(cell, metric) for cell in row["cells"]}
            fits = {key[:2] for key in own} == wanted and {key[2] for key in own} <= {label, ""}
            if not fits:
                reason = f"a score of {metric} is of another cell, metric or reference"
                raise Damaged(source.out / "requests", reason, MEND)
            found |= own
        rows.append(with_values(row, records, scores))
    sheets = {cell: path for cell in cells if file_at(path := source.sheet(cell))}
    return View(source.out.resolve().name, rows, cells, sheets, len(pending), found)


def missing(source: Filed, row: AskedRow) -> set[str]:
    """The cells of a row that have no result yet, or lack a score."""
    found = {cell for cell in row["cells"] if not source.has(cell)}
    for names in row["scores"].values():
        pairs = zip(row["cells"], names, strict=True)
        found |= {cell for cell, score in pairs if not source.has_score(score)}
    return found


def with_values(
    row: AskedRow, records: Sequence[Record], scores: Mapping[str, Sequence[Score]]
) -> Row:
    """A row with its values: the mean over repeats, the standard error of that mean, and what
    papers report of them."""
    values: dict[str, float] = {}
    for name, each in scores.items():
        found = [score["value"] for score in each]
        means = [math.nan if v["value"] is None else v["value"] for v in found]
        errors = [math.nan if v["stderr"] is None else v["stderr"] for v in found]
        values[name] = math.fsum(mean / len(means) for mean in means)
        # Without a square that overflows.
        values[name + STDERR] = math.hypot(*errors) / len(errors)
        if len(means) > 1:
            better = {v["better"] for v in found if "better" in v}
            values |= {name + end: one for end, one in _over_repeats(means, better).items()}
    counted = {
        "nfe": _over([record["nfe"] for record in records]),
        "depth": _over([record.get("depth", record["nfe"]) for record in records]),
        "guide_nfe": _over([record.get("guide_nfe", 0) for record in records]),
    }
    fixed = {**row["columns"], **counted}
    return cast(Row, {**fixed, **values, "cell": " ".join(row["cells"])})


def _over_repeats(values: Sequence[float], better: Container[str]) -> dict[str, float]:
    """Standard deviation (divisor R - 1) of the values of repeats, and the best of them.

    Args:
        better: "lower" or "higher", as the scores say it; where none does both ends are told.
    """
    if not all(map(math.isfinite, values)):
        sd = least = largest = math.nan
    else:
        sd, least, largest = statistics.stdev(values), min(values), max(values)
    found = {SD: sd}
    if "lower" in better or "higher" not in better:
        found[LEAST] = least
    if "higher" in better or "lower" not in better:
        found[LARGEST] = largest
    return found


def _over(counts: Sequence[float]) -> float:
    """One count of all repeats: of adaptive steps every one has its own, and the mean is meant."""
    return counts[0] if len(set(counts)) == 1 else math.fsum(counts) / len(counts)

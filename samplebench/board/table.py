"""The board as rows of a CSV file: every value with its repeats, so that ranks follow from it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from samplebench.answers.parameters import word
from samplebench.board.measure import ModelBoard
from samplebench.board.ranking import mean_and_error, places, ranks
from samplebench.board.store import Measured
from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.atomic import write_atomic
from samplebench.results.fields import guarded, unguarded

# Rank, and between which places.
_Place = tuple[int | None, int | None, int | None]
# What stands in the place of a sampler in the rows of the floor.
EXACT = "exact draws"
_SEPARATOR = " "
# Of what has no rank and no places.
_UNRANKED: _Place = (None, None, None)


@dataclass(frozen=True)
class BoardRow:
    """A sampler at a budget on a model, or two sets of exact draws.

    Attributes:
        model, sampler, params, discretization, rho, steps, nfe, nfe_requested: as in results.csv;
            none of the last four of exact draws.
        computed_as: the sampler of the same algorithm whose values these are.
        guest: whether the user put it on the board.
        rank: by the excess, among the rows of its model and budget; None of exact draws.
        first_place, last_place: between which it is, each other compared with it alone.
        excess, excess_stderr: mean over repeats, and its standard error.
        w2, w2_stderr: likewise.
        truncation_rank, truncation_first_place, truncation_last_place, truncation,
            truncation_stderr: of the truncation error, None where a sampler has none.
        excess_each, w2_each, truncation_each: by repeat.
        num_samples: of a set.
        key: by which the values are found again.
    """

    model: str
    sampler: str
    params: str
    discretization: str
    rho: float | None
    steps: int | None
    nfe: int | None
    nfe_requested: int | None
    computed_as: str
    guest: bool
    rank: int | None
    first_place: int | None
    last_place: int | None
    excess: float
    excess_stderr: float
    w2: float
    w2_stderr: float
    truncation_rank: int | None
    truncation_first_place: int | None
    truncation_last_place: int | None
    truncation: float | None
    truncation_stderr: float | None
    excess_each: tuple[float, ...]
    w2_each: tuple[float, ...]
    truncation_each: tuple[float, ...]
    num_samples: int
    key: str

    @property
    def label(self) -> str:
        """The sampler with its parameters."""
        return f"{self.sampler} {self.params}".strip()

    def plain(self) -> dict[str, Any]:
        """For JSON: 12 significant digits, None where a number is not finite."""
        found: dict[str, Any] = {}
        for name, value in self._values():
            each = [_finite(one) for one in value] if isinstance(value, tuple) else _finite(value)
            found[name] = each
        return found

    def _values(self) -> Iterable[tuple[str, Any]]:
        return ((f.name, getattr(self, f.name)) for f in fields(self))


def rows_of(board: ModelBoard) -> list[BoardRow]:
    """The rows of a model: exact draws, then budget by budget the samplers by their ranks."""
    errors = {p.hash: _errors(board.values[p.hash]) for p in board.points}
    floor = tuple(value.w2 for value in board.floor)
    exact = tuple(value.excess for value in board.floor)
    rows = [
        BoardRow(board.model, EXACT, "", "", None, None, None, None, "", False, None, None, None,
            *mean_and_error(exact), *mean_and_error(floor), *_UNRANKED, None, None,
            exact, floor, (), board.num_samples, board.floor_hash)
    ]  # fmt: skip
    # The excess is a difference of squares like this one.
    scale = rows[0].w2 * rows[0].w2
    for budget in sorted({p.columns["nfe_requested"] for p in board.points}):
        points = [p for p in board.points if p.columns["nfe_requested"] == budget]
        solved = [p for p in points if errors[p.hash]]
        excesses = {p.hash: [v.excess for v in board.values[p.hash]] for p in points}
        by_excess = _ranked(excesses, scale)
        by_error = _ranked({p.hash: errors[p.hash] for p in solved})
        made = []
        for p in points:
            own, away, c = excesses[p.hash], errors[p.hash], p.columns
            w2 = [v.w2 for v in board.values[p.hash]]
            error, spread = mean_and_error(away) if away else (None, None)
            error_place = by_error.get(p.hash, _UNRANKED)
            made.append(BoardRow(
                c["model"], c["sampler"], c["params"], c["discretization"], c["rho"], c["steps"],
                c["nfe"], budget, p.computed_as, p.guest, *by_excess[p.hash],
                *mean_and_error(own), *mean_and_error(w2),
                *error_place, error, spread, tuple(own), tuple(w2), tuple(away),
                board.num_samples, p.hash,
            ))  # fmt: skip
        rows += sorted(made, key=lambda row: (row.rank, row.excess, row.label))
    return rows


def _ranked(values: Mapping[str, Sequence[float]], scale: float = 0.0) -> dict[str, _Place]:
    each = list(values.values())
    both = zip(ranks(each, scale), places(each, scale), strict=True)
    return {key: (rank, *between) for key, (rank, between) in zip(values, both, strict=True)}


def _errors(values: Sequence[Measured]) -> list[float]:
    """Truncation errors by repeat; none where one is missing."""
    found = [value.truncation for value in values if value.truncation is not None]
    return found if len(found) == len(values) else []


def write_rows(rows: Sequence[BoardRow], path: Path) -> Path:
    """The file of `csv_of`."""
    return write_atomic(path, csv_of(rows).encode("utf-8"))


def csv_of(rows: Sequence[BoardRow]) -> str:
    """A line per row, floats with 12 significant digits, repeats separated by spaces."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(f.name for f in fields(BoardRow))
    for row in rows:
        writer.writerow(_entry(value) for _, value in row._values())
    return buffer.getvalue()


def read_rows(path: Path) -> list[BoardRow]:
    """The rows of a file of `write_rows`.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        text = texts.decoded(texts.read_bytes(path, texts.MOST_TEXT))
        return [_row(line) for line in csv.DictReader(io.StringIO(text, newline=""))]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not the table of a board ({error}); write it with samplebench board"
        ) from None


def known_of(rows: Iterable[BoardRow]) -> Mapping[str, Sequence[Measured]]:
    """What `measure` need not measure again."""
    return {
        row.key: [
            Measured(w2, excess, row.truncation_each[i] if row.truncation_each else None)
            for i, (w2, excess) in enumerate(zip(row.w2_each, row.excess_each, strict=True))
        ]
        for row in rows
    }


def shipped() -> Path:
    """The table that was made with this version."""
    return Path(str(resources.files(__package__))) / "board.csv"


def _entry(value: Any) -> str:
    if isinstance(value, tuple):
        return _SEPARATOR.join(map(word, value))
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, str):
        return guarded(value)
    return "" if value is None else word(value)


def _row(line: Mapping[str, str]) -> BoardRow:
    """Raises KeyError, TypeError or ValueError where it is none."""
    made: dict[str, Any] = {}
    for each in fields(BoardRow):
        text = line[each.name]
        kind = str(each.type)
        if kind == "str":
            made[each.name] = unguarded(text)
        elif kind == "bool":
            made[each.name] = text == "yes"
        elif kind.startswith("tuple"):
            made[each.name] = tuple(map(float, text.split(_SEPARATOR))) if text else ()
        elif not text and kind.endswith("None"):
            made[each.name] = None
        else:
            made[each.name] = int(text) if kind.startswith("int") else float(text)
    return BoardRow(**made)


def _finite(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(word(value)) if math.isfinite(value) else None

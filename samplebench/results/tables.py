"""Rows as CSV, terminal text, JSON and a pandas frame."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from samplebench.answers.parameters import word
from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.atomic import write_atomic
from samplebench.results.columns import shown
from samplebench.results.fields import columns_of, guarded, inert, number, unguarded
from samplebench.results.row import INTEGERS, STRINGS, Row
from samplebench.results.sheet_text import parse

if TYPE_CHECKING:
    import pandas as pd

# What a row of any kind holds.
Plain = str | int | float | None
# What `float` reads beyond these, 1_000 or other alphabets' digits, nobody means.
_WHOLE = re.compile(r"-?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|nan|inf)", re.IGNORECASE)


def _entry(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    return word(value)


def to_csv(rows: Sequence[Row]) -> str:
    """Rows in their order; floats with 12 significant digits, None as empty.

    Text that a spreadsheet would run as a formula begins with an apostrophe, which `read_csv` takes
    away again.
    """
    return csv_text(columns_of(rows), rows)


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """The same of rows of any kind, with these columns."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(guarded, columns))
    writer.writerows([_entry(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def write_csv(rows: Sequence[Row], path: Path) -> Path:
    """Write `to_csv`, atomically."""
    return write_atomic(Path(path), to_csv(rows).encode("utf-8"))


def read_csv(path: Path) -> list[Row]:
    """Rows of a file of `write_csv`, with their types; an empty number is None.

    Raises:
        ValueError: of a row or column that is not as `write_csv` writes it, by line.
    """
    return [row for _, row in numbered_rows(path)]


def numbered_rows(path: Path) -> list[tuple[int, Row]]:
    """`read_csv` with the line that each row ends in; a spreadsheet may have saved the file."""
    try:
        content = texts.read_bytes(Path(path), texts.MOST_TEXT)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    return numbered_rows_in(content)


def numbered_rows_in(content: bytes) -> list[tuple[int, Row]]:
    """`numbered_rows` of a file's content."""
    sheet = parse(texts.decoded(content, zeros=True))
    rows: list[tuple[int, Row]] = []
    for line, entries in sheet.rows:
        try:
            pairs = zip(map(unguarded, sheet.head), entries, strict=True)
            found = {key: _typed(key, sheet.plain(key, text)) for key, text in pairs}
        except ValueError as error:
            raise ValueError(f"line {line}: {error}") from None
        rows.append((line, cast(Row, found)))
    return rows


def _typed(column: str, text: str) -> str | int | float | None:
    if column in STRINGS:
        return unguarded(text)
    if text == "":
        return None
    if column in INTEGERS and _WHOLE.fullmatch(text):
        return int(text)
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"{column} is {shown(text)}, not a number")
    value = float(text)
    # Samplers that evaluate a part of their batch have a counted NFE that is not whole.
    return int(value) if column in INTEGERS and value.is_integer() else value


def to_json(rows: Sequence[Row]) -> str:
    """Rows as a JSON list with the columns and digits of the CSV file; NaN becomes null."""
    columns = columns_of(rows)
    return inert(json.dumps([{c: _plain(row.get(c)) for c in columns} for row in rows], indent=2))


def rounded(value: Any) -> Any:
    """A value with the digits of the CSV file; the last ones differ between processors."""
    return float(word(value)) if isinstance(value, float) else value


def plain_rows(rows: Iterable[Mapping[str, Plain]]) -> list[dict[str, Plain]]:
    """Rows of any kind for JSON: 12 significant digits, None where a number is not finite."""
    return [{column: _plain(value) for column, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and number(value) is None else rounded(value)


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a pandas DataFrame with the columns of the CSV file and typed columns."""
    import pandas as pd

    columns = columns_of(rows)
    frame = pd.DataFrame([[row.get(c) for c in columns] for row in rows], columns=columns)
    whole = [c for c in INTEGERS if not any(isinstance(row.get(c), float) for row in rows)]
    floats = [c for c in columns if c not in {*whole, *STRINGS}]
    return frame.astype({c: "Int64" for c in whole} | {c: "float64" for c in floats})

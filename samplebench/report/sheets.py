"""Sample contact sheets, laid out so that the same seeds stand side by side across samplers."""

from __future__ import annotations

import base64
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samplebench.report.samples import Samples, samples_of
from samplebench.report.sweep import facets_of
from samplebench.results.fields import count_text, hashes_of, metrics_of, printable, value_text
from samplebench.results.row import STDERR, Row
from samplebench.results.view import View

_PLUS_MINUS = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class ContactSheet:
    """One contact sheet in the page; widths in CSS pixels for wide and for narrow screens."""

    source: str
    wide: int
    narrow: int
    about: str
    nfe: str
    budget: str  # the NFE that was asked for, which is the same across samplers
    values: list[str]
    facets: dict[str, str]


def sheets_of(view: View) -> list[ContactSheet]:
    """The sheets of all rows that have one, curve by curve, by increasing NFE."""
    return [sheet for samples in samples_of(view) if (sheet := _sheet(samples, view))]


def _sheet(samples: Samples, view: View) -> ContactSheet | None:
    """The sheet of the first cell that has one."""
    row = samples.rows[0]
    key = next((key for key in hashes_of(row) if key in view.sheets), None)
    if key is None:
        return None
    data = Path(view.sheets[key]).read_bytes()
    width = _png_width(data)
    about = samples.label
    if len(hashes_of(row)) > 1:
        record = view.cells.get(key)
        about += f", seed {record['conditions'].get('seed', '?') if record else '?'}"
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    # Whole multiples: a pixel of a sample stays a square. What has no room for one is shrunk.
    wide, narrow = (width * max(1, room // width) for room in (220, 160))
    asked = row.get("nfe_requested")
    nfe = count_text(row.get("nfe"))
    budget = nfe if asked is None else str(asked)
    facets = facets_of(row)
    if len(samples.rows) > 1:
        del facets["reference"]
    values = _values(samples.rows)
    return ContactSheet(source, wide, narrow, about, nfe, budget, values, facets)


def _values(rows: Sequence[Row]) -> list[str]:
    """What was measured, each with its reference where a metric has several."""
    found = [(name, row) for row in rows for name in metrics_of([row]) if row.get(name) is not None]
    often = Counter(name for name, _ in found)
    texts = []
    for name, row in found:
        text = f"{printable(name)} {value_text(row.get(name), row.get(name + STDERR))}"
        text += f" against {printable(row['reference'])}" if often[name] > 1 else ""
        texts.append(text.replace(" ± ", _PLUS_MINUS))
    return texts


def _png_width(data: bytes) -> int:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a contact sheet is not a PNG file")
    return int(struct.unpack(">I", data[16:20])[0]) or 1

"""Sample contact sheets, laid out so that the same seeds stand side by side across samplers."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path

from samplebench.report.curves import StyledCurve, curves_of
from samplebench.report.sweep import facets_of
from samplebench.results.fields import hashes_of, metrics_of, printable, value_text
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
    models = list(dict.fromkeys(row.get("model") for row in view.rows))
    found = []
    for model in models:
        for curve in curves_of([r for r in view.rows if r.get("model") == model], view):
            prefix = f"{printable(model)}: " if len(models) > 1 else ""
            found += [s for row in curve.rows if (s := _sheet(row, curve, view, prefix))]
    return found


def _sheet(row: Row, curve: StyledCurve, view: View, prefix: str) -> ContactSheet | None:
    """The sheet of the row's first cell that has one."""
    key = next((key for key in hashes_of(row) if key in view.sheets), None)
    if key is None:
        return None
    data = Path(view.sheets[key]).read_bytes()
    width = _png_width(data)
    about = prefix + curve.label
    if len(hashes_of(row)) > 1:
        record = view.cells.get(key)
        about += f", seed {record['conditions'].get('seed', '?') if record else '?'}"
    values = [
        f"{printable(name)} {value_text(row.get(name), row.get(name + STDERR))}"
        for name in metrics_of([row])
        if row.get(name) is not None
    ]
    values = [text.replace(" ± ", _PLUS_MINUS) for text in values]
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    # Whole multiples: a pixel of a sample stays a square. What has no room for one is shrunk.
    wide, narrow = (width * max(1, room // width) for room in (220, 160))
    asked = row.get("nfe_requested")
    budget = str(row.get("nfe") if asked is None else asked)
    facets = facets_of(row)
    return ContactSheet(source, wide, narrow, about, str(row.get("nfe")), budget, values, facets)


def _png_width(data: bytes) -> int:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a contact sheet is not a PNG file")
    return int(struct.unpack(">I", data[16:20])[0]) or 1

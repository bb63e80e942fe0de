"""Strips of sample contact sheets: one per curve, NFE increasing from left to right."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field
from pathlib import Path

from samplebench.bench.view import View
from samplebench.report.curves import Curve, curves_of
from samplebench.report.fields import STDERR, Row, hashes_of, metrics_of, printable, value_text

_PLUS_MINUS = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Sheet:
    """One contact sheet in the page; widths in CSS pixels for wide and for narrow screens."""

    source: str
    wide: int
    narrow: int
    about: str
    nfe: str
    values: list[str]


@dataclass
class Sampler:
    """The strips of one sampler, one for each discretization, rho and condition."""

    name: str
    strips: list[tuple[str, list[Sheet]]] = field(default_factory=list)


def samplers_of(view: View) -> list[Sampler]:
    """Samplers with sheets, by first appearance."""
    models = list(dict.fromkeys(row.get("model") for row in view.rows))
    made: dict[tuple[object, int], Sampler] = {}
    for model in models:
        for curve in curves_of([r for r in view.rows if r.get("model") == model], view):
            shown = [s for row in curve.rows if (s := _sheet(row, curve, view)) is not None]
            if shown:
                name = f"{printable(model)}: {curve.name}" if len(models) > 1 else curve.name
                sampler = made.setdefault((model, curve.colour), Sampler(name))
                sampler.strips.append((curve.detail, shown))
    return list(made.values())


def _sheet(row: Row, curve: Curve, view: View) -> Sheet | None:
    """The sheet of the row's first cell that has one."""
    key = next((key for key in hashes_of(row) if key in view.sheets), None)
    if key is None:
        return None
    data = Path(view.sheets[key]).read_bytes()
    width = _png_width(data)
    about = curve.label
    if len(hashes_of(row)) > 1:
        about += f", seed {view.cells.get(key, {}).get('conditions', {}).get('seed', '?')}"
    values = [
        f"{printable(name)} {value_text(row[name], row.get(name + STDERR))}"
        for name in metrics_of([row])
        if row[name] is not None
    ]
    values = [text.replace(" ± ", _PLUS_MINUS) for text in values]
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    # Whole multiples: a pixel of a sample stays a square.
    wide, narrow = (width * max(1, room // width) for room in (192, 128))
    return Sheet(source, wide, narrow, about, str(row.get("nfe")), values)


def _png_width(data: bytes) -> int:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a contact sheet is not a PNG file")
    return int(struct.unpack(">I", data[16:20])[0]) or 1

"""A reproduction as files beside the sweep's own: reproduction.json and reproduction.html."""

from __future__ import annotations

import json
from pathlib import Path

from samplebench.files.atomic import write_atomic
from samplebench.report.chart import Chart, DataTable, TableCell, TableRow
from samplebench.reproduce.outcome import Reproduction, agreement
from samplebench.results.fields import inert, printable

_HEADS = tuple((text, "text") for text in ("condition", "verdict", "ours", "theirs", "note"))


def write(found: Reproduction, folder: Path) -> Path:
    """Writes both; returns the page's path."""
    document = inert(json.dumps(found.plain(), indent=1)) + "\n"
    write_atomic(folder / "reproduction.json", document.encode("utf-8"))
    return write_atomic(folder / "reproduction.html", _page(found).encode("utf-8"))


def _page(found: Reproduction) -> str:
    from samplebench.report.page import render_page

    counts = agreement(found.checks)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    preset = found.preset
    return render_page(
        title=f"Reproduction of {printable(preset.name)}",
        lead=f"{preset.metric} {preset.printed} as published by {printable(preset.cite)}, measured "
        f"again. Of {len(found.checks)} conditions: {told}.",
        chart=Chart([], [], []),
        table=DataTable(
            _HEADS,
            [
                TableRow([TableCell(printable(text)) for text in texts])
                for texts in (
                    (each.name, each.verdict, each.ours, each.theirs, each.note)
                    for each in found.checks
                )
            ],
        ),
        template="reproduction.html.j2",
        facts=[(name, printable(text)) for name, text in found.lines()],
        caveats=[printable(text) for text in found.caveats],
    )

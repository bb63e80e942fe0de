"""One interactive HTML file: it holds its style, its scripts and its data, and asks for nothing."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.report.chart import Chart, DataTable
from samplebench.report.looks import PALETTE, STROKES, SYMBOLS

if TYPE_CHECKING:
    from markupsafe import Markup

_TEMPLATES = Path(__file__).with_name("templates")
_SCRIPTS = (
    "axes.js", "plot.js", "guides.js", "swatches.js", "state.js", "switches.js", "highlight.js",
    "endlabels.js", "downloads.js", "table.js", "zoom.js", "pair.js", "values.js",
    "page.js",
)  # fmt: skip


def render_page(
    *,
    title: str,
    lead: str,
    chart: Chart,
    table: DataTable | None = None,
    template: str = "page.html.j2",
    pictures: Sequence[Mapping[str, object]] = (),
    drawn: Mapping[str, bytes] | None = None,
    **context: Any,
) -> str:
    """The whole page; the same text for the same arguments.

    Args:
        title: heading, also of the browser's tab.
        lead: what the page shows, in a sentence or two of plain text.
        chart: figures and their switches.
        table: its rows follow the same switches.
        template: of `templates/`; one that extends "page.html.j2" may add sections.
        drawn: SVG files by the names of figures, shown where no script runs.
        pictures: "facets", "at" and what else scripts read of each element that the template marks
            with `data-picture`.
        context: what else the template names.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = chart.data() | {
        "rows": [{"facets": dict(row.facets)} for row in table.rows] if table else [],
        "pictures": [dict(picture) for picture in pictures],
    }
    page = environment.get_template(template).render(
        title=title,
        lead=lead,
        chart=chart,
        table=table,
        drawn={name: b64encode(svg).decode("ascii") for name, svg in (drawn or {}).items()},
        style=_raw(_source("page.css") + _palette_css()),
        looks=_json(
            {"hues": [light for light, _ in PALETTE], "symbols": SYMBOLS, "strokes": STROKES}
        ),
        data=_json(data),
        library=_raw(get_plotlyjs() if chart.figures else ""),
        script=_raw("\n".join(map(_source, _SCRIPTS))),
        **context,
    )
    return page.rstrip() + "\n"


# What ends a script, and what is no text: controls, orders of direction, half letters.
_LIVE = re.compile(
    "[<>&\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _raw(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(text)


def _json(value: Any) -> Markup:
    """JSON that may stand in a <script> element, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _raw(_LIVE.sub(lambda found: _escape(found[0]), text))


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if character.isascii() else json.dumps(character)[1:-1]


def _palette_css() -> str:
    """Declarations of the curve colours `--hue<i>`, for light pages and for dark ones."""
    light, dark = (
        "".join(f"--hue{index}:{pair[side]};" for index, pair in enumerate(PALETTE))
        for side in (0, 1)
    )
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"

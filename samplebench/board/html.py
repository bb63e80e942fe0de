"""The board as an interactive page: curves over NFE, a table with every rank, who is not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from samplebench.board.entrants import Absent
from samplebench.board.page import (
    between,
    excess_text,
    facts_of,
    floor_text,
    models_of,
    places_text,
    truncation_text,
    w2_text,
)
from samplebench.board.table import EXACT, BoardRow, csv_of
from samplebench.files.atomic import write_atomic
from samplebench.report.chart import (
    Axis,
    Chart,
    DataTable,
    Facet,
    Figure,
    Mark,
    Series,
    TableCell,
    TableRow,
)
from samplebench.report.looks import apart
from samplebench.report.names import figure_stem
from samplebench.report.page import render_page
from samplebench.report.sweep import figure_key
from samplebench.results.fields import number, printable

_NFE = (Axis("nfe", "NFE (counted)", at_values=True),)
_FACETS = (Facet("model", "model", single=True), Facet("sampler", "sampler"))
_HEADS = (
    ("model", "text"), ("budget", "number"), ("rank", "number"), ("places", "number"),
    ("sampler", "text"), ("NFE", "number"), ("excess", "value"), ("W2", "value"),
    ("truncation error", "value"), ("its rank", "number"), ("its places", "number"),
)  # fmt: skip


class _Quantity(NamedTuple):
    name: str
    axis: str
    caption: str
    of: Callable[[BoardRow], tuple[float, float]]
    text: Callable[[BoardRow], str]


_QUANTITIES = (
    _Quantity(
        "excess", "excess of W2², data² per element",
        "W2² to exact draws minus what two sets from the same distribution show by chance. ",
        lambda row: (row.excess, row.excess_stderr), excess_text,
    ),
    _Quantity(
        "W2", "W2, data per element",
        "With finite sets it favours samples that are too narrow, so a value below exact draws "
        "is not better. ",
        lambda row: (row.w2, row.w2_stderr), w2_text,
    ),
)  # fmt: skip


def write_html(rows: Sequence[BoardRow], away: Sequence[Absent], path: Path) -> Path:
    """The whole page; the same bytes for the same rows."""
    page = render_page(
        title="The exact board",
        lead=facts_of(rows),
        chart=chart_of(rows),
        table=table_of(rows),
        template="board.html.j2",
        away=away,
    )
    return write_atomic(path, page.encode("utf-8"))


def chart_of(rows: Sequence[BoardRow]) -> Chart:
    """For each model the excess and W2 over NFE, with the line of exact draws."""
    labels = list(dict.fromkeys(row.label for row in rows))
    looks = dict(zip(labels, apart([(i, 0) for i in range(len(labels))]), strict=True))
    figures, series = [], []
    for model in models_of(rows):
        own = [row for row in rows if row.model == model]
        for quantity in _QUANTITIES:
            figures.append(_figure(model, own, quantity))
            for label in dict.fromkeys(row.label for row in own):
                line = [row for row in own if row.label == label]
                series.append(_series(line, own, quantity, looks[label]))
    return Chart(figures, series, _FACETS, ("board.csv", csv_of(rows)))


def table_of(rows: Sequence[BoardRow]) -> DataTable:
    """Every row, exact draws before the samplers of their model."""
    return DataTable(_HEADS, [TableRow(_cells(row), _facets(row)) for row in rows])


def _facets(row: BoardRow) -> dict[str, str]:
    """Exact draws are shown whatever samplers are."""
    found = {"model": printable(row.model)}
    return found if row.sampler == EXACT else found | {"sampler": printable(row.label)}


def _figure(model: str, rows: Sequence[BoardRow], quantity: _Quantity) -> Figure:
    return Figure(
        key=figure_key(model, quantity.name),
        title=f"{printable(model)}: {quantity.name} (lower is better)",
        y=Axis(quantity.name, quantity.axis),
        x=_NFE,
        caption=f"{quantity.caption}{floor_text(rows)} Bands: ± 1 standard error.",
        name=figure_stem(model, quantity.name),
        facets={"model": printable(model)},
    )


def _series(
    line: Sequence[BoardRow],
    rows: Sequence[BoardRow],
    quantity: _Quantity,
    look: tuple[int, int],
) -> Series:
    """One sampler's curve; the value of exact draws is drawn at every NFE that `rows` have."""
    first = line[0]
    if first.sampler == EXACT:
        places = sorted({row.nfe for row in rows if row.nfe is not None})
        points = [_mark(first, nfe, quantity) for nfe in places]
    else:
        points = [_mark(row, row.nfe, quantity) for row in line]
    key = figure_key(first.model, quantity.name)
    return Series(key, printable(first.label), _facets(first), points, *look)


def _mark(row: BoardRow, nfe: int | None, quantity: _Quantity) -> Mark:
    value, error = quantity.of(row)
    hover = [f"{quantity.name} {quantity.text(row)}", printable(row.label)]
    if row.rank is not None:
        hover.append(f"NFE {row.nfe}; rank {row.rank}, places {places_text(row)}")
    y = number(value)
    low, high = (None, None) if y is None else (y - error, y + error)
    return Mark({"nfe": number(nfe)}, y, low, high, tuple(hover))


def _cells(row: BoardRow) -> list[TableCell]:
    name = printable(row.label)
    name += f" (computed as {printable(row.computed_as)})" if row.computed_as else ""
    name += " (yours)" if row.guest else ""
    return [
        TableCell(printable(row.model)),
        _count(row.nfe_requested),
        _count(row.rank),
        TableCell(places_text(row), number(row.first_place)),
        TableCell(name),
        _count(row.nfe),
        TableCell(excess_text(row), number(row.excess)),
        TableCell(w2_text(row), number(row.w2)),
        TableCell(truncation_text(row), number(row.truncation)),
        _count(row.truncation_rank),
        TableCell(
            between(row.truncation_first_place, row.truncation_last_place),
            number(row.truncation_first_place),
        ),
    ]


def _count(count: int | None) -> TableCell:
    return TableCell("" if count is None else str(count), number(count))

"""A sweep as an interactive chart and its table."""

from __future__ import annotations

import math
from collections.abc import Iterable

from samplebench.report.best import better_words, marks_of
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
from samplebench.report.curves import Plot, StyledCurve, barred, plots_of
from samplebench.report.layout import Column, condense
from samplebench.report.levels import ExactLevel
from samplebench.report.names import figure_stem
from samplebench.results.fields import (
    CONDITIONS,
    HEADS,
    alias_of,
    called,
    count_text,
    hashes_of,
    number,
    printable,
    repeats_text,
    rho_label,
    sampler_label,
    unevaluated,
    value_text,
)
from samplebench.results.record import Record
from samplebench.results.row import STDERR, Row
from samplebench.results.view import View

_AXES = (
    Axis("nfe", "NFE (counted)", at_values=True),
    Axis("gflop", "network GFLOP per image"),
    Axis("seconds", "seconds per image"),
)
# One at a time: the page shows the figures, the best and the notes of this metric alone.
METRIC = "metric"
# What a reader switches by; those with a single value are not offered.
FACETS = {
    METRIC: "metric",
    "model": "model",
    "sampler": "sampler",
    "rho": "rho",
    "grid": "discretization",
    **{key: HEADS.get(key, key) for key in CONDITIONS},
}
PUBLISHED = (
    " Points without a line are published values: filled if every condition matches the curve of "
    "that colour, hollow if one differs; the tooltip names it."
)


def cell_id(key: str) -> str:
    """Id of the element that shows a cell's provenance."""
    return f"cell-{key[:16]}"


def facets_of(row: Row) -> dict[str, str]:
    """By what a row is switched on the page."""
    of_steps = {
        "rho": rho_label(row).removeprefix("rho=") or "none",
        "grid": called(row, "discretization"),
    }
    return {
        "model": called(row, "model"),
        "sampler": sampler_label(row),
        **({} if unevaluated(row) else of_steps),
        **{key: printable(row.get(key, "")) or "none" for key in CONDITIONS},
    }


def chart_of(view: View, csv: str, more: Iterable[Series] = ()) -> Chart:
    """Every metric of every model over NFE, GFLOP and seconds.

    Args:
        view: what was measured.
        csv: content of results.csv, offered for download.
        more: series of others, e.g. published points; `figure` as from `figure_key`.
    """
    plots, more = plots_of(view), list(more)
    beside = {one.figure for one in more}
    figures = [
        Figure(
            key=figure_key(plot.model, plot.metric),
            title=f"{plot.title}: {printable(plot.metric)}{better_words(plot.better)}",
            y=Axis(plot.metric, printable(plot.metric), plot.log),
            x=_AXES,
            caption=plot.caption.replace("Error bars", "Bands")
            + (PUBLISHED if figure_key(plot.model, plot.metric) in beside else ""),
            name=figure_stem(plot.model, plot.metric),
            facets={METRIC: printable(plot.metric)},
        )
        for plot in plots
    ]
    series = [_series(plot, curve, view) for plot in plots for curve in plot.curves]
    series += [_level(plot, level, view) for plot in plots for level in plot.levels]
    series += more
    used = {key for one in series for key in one.facets}
    facets = [Facet(k, title, k == METRIC) for k, title in FACETS.items() if k in used]
    if "published" in used:
        # It has one value, which is offered because it is named.
        facets.append(Facet("published", "published values", start=("published",)))
    return Chart(figures, series, facets, ("results.csv", csv))


def figure_key(model: str, metric: str) -> str:
    """Of the figure that shows `metric` for `model`."""
    key = f"{model} {metric}"
    return key if key.isprintable() else key.encode("unicode_escape").decode()


def _series(plot: Plot, curve: StyledCurve, view: View) -> Series:
    return Series(
        figure=figure_key(plot.model, plot.metric),
        name=curve.label,
        facets={METRIC: printable(plot.metric), **facets_of(curve.rows[0])},
        points=[_point(row, curve.label, plot.metric, view) for row in curve.rows],
        colour=curve.colour,
        variant=curve.variant,
    )


def _level(plot: Plot, level: ExactLevel, view: View) -> Series:
    return Series(
        figure=figure_key(plot.model, plot.metric),
        name=level.label,
        facets={METRIC: printable(plot.metric), **facets_of(level.row)},
        points=[_point(level.row, level.label, plot.metric, view)],
        level=True,
    )


def _point(row: Row, label: str, metric: str, view: View) -> Mark:
    records = view.records_of(row)
    x = {
        "nfe": number(row.get("nfe")),
        "gflop": _mean(number(record.get("gflop_per_image")) for record in records),
        "seconds": _mean(map(_seconds, records)),
    }
    value, error = number(row.get(metric)), number(row.get(metric + STDERR))
    assert value is not None
    steps = "" if not row.get("steps") else f" in {row.get('steps')} steps"
    further = f" and {count_text(row['guide_nfe'])} of guidance" if row.get("guide_nfe") else ""
    hover = [
        f"{printable(metric)} {value_text(value, row.get(metric + STDERR))}",
        label,
        f"NFE {row.get('nfe')}{further}{steps}, N = {row.get('num_samples')}",
    ]
    if over := repeats_text(row, metric):
        hover.insert(1, f"over {row['repeats']} repeats: {over}")
    if x["gflop"] is not None:
        hover.append(f"{x['gflop']:.4g} network GFLOP per image")
    if x["seconds"] is not None:
        hover.append(f"{x['seconds']:.3g} s per image{_device(records)}")
    return Mark(
        x=x,
        y=value,
        low=None if error is None else value - error,
        high=None if error is None else value + error,
        hover=tuple(hover),
        to=cell_id(next(iter(hashes_of(row)), "")),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _seconds(record: Record) -> float | None:
    """Wall-clock seconds of sampling for one image; the last block is filled up to its size."""
    seconds = number(record.get("seconds", {}).get("sampling"))
    conditions = record["conditions"]
    n, block = conditions.get("num_samples"), conditions.get("block") or 1
    return seconds / (math.ceil(n / block) * block) if seconds and n else None


def _device(records: Iterable[Record]) -> str:
    hardware = [record.get("provenance", {}).get("hardware") for record in records]
    names = dict.fromkeys(printable(name) for name in hardware if name)
    return f" on {' or '.join(names)}" if names else ""


def _note(row: Row, column: Column, to: str) -> str:
    """What a pointer on an entry of the table is told."""
    if column.metric and (over := repeats_text(row, column.key)):
        return f"over {row['repeats']} repeats: {over}"
    return "to its provenance" if to and column.key == "nfe" else ""


def table_of(view: View) -> DataTable | None:
    """The rows as a sortable table; what holds for all of them is said above it."""
    if not view.rows:
        return None
    facts, columns = condense(view.rows, "ρ")
    several = sum(column.metric for column in columns) > 1
    known = {c.key for c in columns if c.metric and barred(view.rows, c.key)}
    facts += [("values", "± 1 standard error")] if several and known else []
    marks = {c.key: marks_of(view, c.key) for c in columns if c.metric}
    rows = []
    for index, row in enumerate(view.rows):
        to = next((cell_id(key) for key in hashes_of(row) if key in view.cells), "")
        alias = alias_of(row, view.records_of(row))
        cells = []
        for column in columns:
            text = column.cells[index]
            if column.key == "sampler" and alias:
                text += f" (computed as {printable(alias)})"
            cells.append(
                TableCell(
                    text,
                    number(row.get(column.key)) if column.metric or column.numeric else None,
                    mark=marks.get(column.key, {}).get(index, ""),
                    to=to if column.key == "nfe" else "",
                    note=_note(row, column, to),
                )
            )
        rows.append(TableRow(cells, facets_of(row)))
    heads = [
        (c.head + (" (± 1 standard error)" if c.key in known and not several else ""), c.kind)
        for c in columns
    ]
    return DataTable(heads, rows, facts)

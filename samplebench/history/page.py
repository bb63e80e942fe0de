"""A history as an interactive page: each point over the commits, and a table of all values."""

from __future__ import annotations

from samplebench.history.table import remarks, words_in
from samplebench.history.versions import CurveHistory, Version
from samplebench.metrics.direction import declared
from samplebench.regression.points import CurvePoint
from samplebench.regression.rows import KEY
from samplebench.regression.verdict import MISSING, Verdict
from samplebench.report.best import better_words
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
from samplebench.report.sweep import FACETS, METRIC, facets_of
from samplebench.results.fields import (
    counted,
    grid_label,
    metrics_of,
    number,
    printable,
    sampler_label,
    value_text,
)
from samplebench.results.row import Row

_NFE = "nfe"
# Places of the heads that name a point.
_NAMES = range(5, 10)
_HEADS = (
    ("commit", "number"), ("date", "text"), ("hash", "text"), ("subject", "text"),
    ("status", "text"), ("model", "text"), ("sampler", "text"), ("discretization", "text"),
    ("NFE", "number"), ("metric", "text"), ("value", "value"), ("change", "number"),
    ("sigma", "number"), ("note", "text"),
)  # fmt: skip


def page_of(history: CurveHistory) -> str:
    """The whole page; the same text for the same history."""
    points = _points(history)
    # Of several models the page opens with one: all of their points would be too many lines.
    facets = facets_of(next(iter(points.values())).row) if points else {}
    start = {"model": (facets["model"],)} if facets else {}
    metrics = metrics_of(point.row for point in points.values())
    faults = [
        f"{version.commit.short} ({version.commit.subject}): {version.fault}"
        for version in history.versions
        if version.fault
    ]
    return render_page(
        title=f"History of {printable(history.name)}",
        lead=f"{counted(len(points), 'point')} over {counted(len(history.versions), 'commit')}. "
        "A change is against the commit before. Its sigma takes the two standard errors as "
        "independent; at equal seeds a change below one sigma may be real.",
        chart=Chart(
            [_figure(history, metric, points) for metric in metrics],
            [one for metric in metrics for one in _series(history, metric, points)],
            [Facet(METRIC, FACETS[METRIC], single=True)]
            + [
                Facet(k, title, start=start.get(k, ()))
                for k, title in FACETS.items()
                if k != METRIC
            ]
            + [Facet(_NFE, "NFE")],
        ),
        table=_table(history),
        template="history.html.j2",
        remarks=[printable(text) for text in [*remarks(history)[1:], *faults]],
    )


def _points(history: CurveHistory) -> dict[tuple[object, ...], CurvePoint]:
    """Every point that any version has, as the last one has it, by the order of appearance."""
    found: dict[tuple[object, ...], CurvePoint] = {}
    for verdict in (v for version in history.versions for v in version.verdicts):
        found[_key(verdict.row)] = verdict.point
    return found


def _key(row: Row) -> tuple[object, ...]:
    return tuple(row.get(column) for column in KEY)


def _facets(metric: str, row: Row) -> dict[str, str]:
    return {METRIC: printable(metric), **facets_of(row), _NFE: printable(row.get("nfe"))}


def _figure(
    history: CurveHistory, metric: str, points: dict[tuple[object, ...], CurvePoint]
) -> Figure:
    better = declared(metric)
    lows = (
        (point.value(metric) or 0.0) - (number(point.stderr(metric)) or 0.0)
        for version in history.versions
        for point in (verdict.point for verdict in version.verdicts)
        if point.value(metric) is not None
    )
    return Figure(
        key=metric,
        title=f"{printable(metric)}{better_words(better)}",
        y=Axis(metric, printable(metric), log=better != "higher" and all(low > 0 for low in lows)),
        x=[Axis("commit", "commit, 1 is the oldest", log=False)],
        caption="One line per point of the curve. Bands: ± 1 standard error.",
        name=figure_stem(history.name, metric),
        facets={METRIC: printable(metric)},
    )


def _series(
    history: CurveHistory, metric: str, points: dict[tuple[object, ...], CurvePoint]
) -> list[Series]:
    """A line per point, coloured by its sampler."""
    names = [sampler_label(point.row) for point in points.values()]
    rest = [(point.row["model"], _rest(point.row)) for point in points.values()]
    colours, variants = list(dict.fromkeys(names)), list(dict.fromkeys(rest))
    wanted = [(colours.index(n), variants.index(r)) for n, r in zip(names, rest, strict=True)]
    several = len({point.row["model"] for point in points.values()}) > 1
    found = []
    for (key, point), look in zip(points.items(), apart(wanted), strict=True):
        marks = [
            _mark(place, version, verdict, metric)
            for place, version in enumerate(history.versions, 1)
            for verdict in version.verdicts
            if _key(verdict.row) == key
        ]
        label = f"{sampler_label(point.row)}, {_rest(point.row)}"
        name = f"{printable(point.row['model'])}: {label}" if several else label
        if any(mark.y is not None for mark in marks):
            found.append(Series(metric, name, _facets(metric, point.row), marks, *look))
    return found


def _rest(row: Row) -> str:
    return f"{grid_label(row, 'ρ')}, NFE {row['nfe']}"


def _mark(place: int, version: Version, verdict: Verdict, metric: str) -> Mark:
    point, commit = verdict.point, version.commit
    value = None if verdict.status == MISSING else number(point.value(metric))
    error = number(point.stderr(metric))
    low, high = (None, None) if value is None or error is None else (value - error, value + error)
    hover = (
        f"{printable(metric)} {value_text(value, error)}",
        f"{commit.date} {commit.short}: {printable(commit.subject)}",
        verdict.name,
        *(printable(change.words()) for change in verdict.moves if change.column == metric),
    )
    return Mark({"commit": float(place)}, value, low, high, hover)


def _table(history: CurveHistory) -> DataTable:
    """Every value of every version; what is one thing throughout stands above it."""
    rows = [
        _row(place, version, verdict, metric, words_in(history, version)[verdict.status])
        for place, version in enumerate(history.versions, 1)
        for verdict in version.verdicts
        for metric in metrics_of([verdict.row])
    ]
    texts = [[row.cells[place].text for row in rows] for place in range(len(_HEADS))]
    once = [place for place, column in enumerate(texts) if len(set(column)) == 1]
    facts = [
        (_HEADS[place][0], texts[place][0]) for place in once if place in _NAMES and texts[place][0]
    ]
    kept = [p for p, column in enumerate(texts) if any(column) and not (p in once and p in _NAMES)]
    short = [TableRow([row.cells[place] for place in kept], row.facets) for row in rows]
    return DataTable([_HEADS[place] for place in kept], short, facts)


def _row(place: int, version: Version, verdict: Verdict, metric: str, status: str) -> TableRow:
    row, commit = verdict.row, version.commit
    change = next((c for c in verdict.changes if c.column == metric), None)
    gone = verdict.status == MISSING
    value = None if gone else verdict.point.value(metric)
    moved = change is not None and change.moved
    percent, sigmas = (change.percent(), change.sigmas()) if change and moved else ("", "")
    cells = (
        TableCell(str(place), place),
        TableCell(commit.date),
        TableCell(commit.short, note=commit.hash),
        TableCell(printable(commit.subject)),
        TableCell(status),
        TableCell(printable(row["model"])),
        TableCell(sampler_label(row)),
        TableCell(grid_label(row, "ρ")),
        TableCell(printable(row["nfe"]), number(row["nfe"])),
        TableCell(printable(metric)),
        TableCell(value_text(value, None if gone else verdict.point.stderr(metric)), number(value)),
        TableCell(percent, number(change.relative) if change and moved else None),
        TableCell(sigmas, number(change.sigma) if change and moved else None),
        TableCell(printable(verdict.note)),
    )
    return TableRow(cells, _facets(metric, row))

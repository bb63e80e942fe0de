"""A comparison as an interactive page: curves, differences, their table, the conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from samplebench.compare.comparison import Comparison
from samplebench.compare.curves import SideCurve, curves_in, levels_in
from samplebench.compare.difference import TIED, Difference
from samplebench.compare.field import published
from samplebench.compare.side import Side
from samplebench.compare.table import Line, alone_of, columns_of, lines_in
from samplebench.regression.verdict import BETTER, WORSE
from samplebench.report.best import TIE, better_words
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
from samplebench.report.curves import Plot, conditions_of, references_of
from samplebench.report.levels import ExactLevel
from samplebench.report.names import figure_stem
from samplebench.report.page import render_page
from samplebench.report.sweep import FACETS, METRIC, PUBLISHED, facets_of, figure_key
from samplebench.results.fields import counted, number, printable, value_text
from samplebench.results.row import STDERR, Row

_NFE = (Axis("nfe", "NFE (counted)", at_values=True),)
_FOLDER = "folder"
# Columns of a row -> the switch that has them, where it is another.
_SWITCHES = {"params": "sampler", "discretization": "grid"}
_GLYPHS = {BETTER: "\N{CHECK MARK}", WORSE: "\N{BALLOT X}", TIED: "≈"}
_MARKED = (BETTER, WORSE)
# A difference on the curve of the other side's point.
Shown = tuple[SideCurve, Row, Difference]


def page_of(comparison: Comparison, csv: str) -> str:
    """The whole page; the same text for the same comparison.

    Args:
        comparison: what was compared.
        csv: content of comparison.csv, offered for download.
    """
    base, others = comparison.base.label, [each.side.label for each in comparison.against]
    differences = lines_in(comparison)
    return render_page(
        title=f"{', '.join(others)} against {base}",
        lead=f"{counted(len(differences), 'difference')} of "
        f"{' and '.join(map(printable, comparison.metrics))}, point by point: "
        f"{'; '.join(f'{each.side.label} {each.counts()}' for each in comparison.against)}. "
        f"Differences of less than {TIE:g} standard errors are ties.",
        chart=chart_of(comparison, csv),
        table=table_of(comparison),
        template="compare.html.j2",
        sides=comparison.sides,
        differing=[each for each in comparison.conditions if not each.equal],
        equal=[each for each in comparison.conditions if each.equal],
        remarks=[printable(remark) for remark in comparison.remarks()],
        alone=alone_of(comparison),
    )


def chart_of(comparison: Comparison, csv: str) -> Chart:
    """For each metric and protocol the curves of all sides, and the differences below them."""
    figures: list[Figure] = []
    series: list[Series] = []
    for metric in comparison.metrics:
        curves = curves_in(comparison.sides, metric)
        lines = [line for line in lines_in(comparison) if line[1].metric == metric]
        for protocol in dict.fromkeys(curve.protocol for curve in curves):
            own = [curve for curve in curves if curve.protocol == protocol]
            beside = published(own, metric, _key("curves", metric, own))
            figures.append(_figure(comparison, metric, own, PUBLISHED if beside else ""))
            series += [*(_series(curve, metric) for curve in own), *beside]
            levels = levels_in(comparison.sides, metric, comparison.better[metric], protocol)
            series += [_level(side, level, _key("curves", metric, own)) for side, level in levels]
            shown = _shown(lines, own)
            if shown:
                share = _plot(comparison, metric, own).log and all(
                    (number(one.change.old) or 0.0) > 0 for _, _, one in shown
                )
                figures.append(_difference_figure(comparison, metric, own, share))
                series += _differences(comparison, shown, share)
    # What differs throughout is switched with the folder.
    throughout = [c for c in comparison.subject if all(c in a.subject for a in comparison.against)]
    told = {METRIC, *(_SWITCHES.get(column, column) for column in throughout)}
    facets = [Facet(METRIC, FACETS[METRIC], single=True), Facet(_FOLDER, _FOLDER)]
    facets += [Facet(k, title) for k, title in FACETS.items() if k not in told]
    if any("published" in one.facets for one in series):
        # It has one value, which is offered because it is named.
        facets.append(Facet("published", "published values", start=("published",)))
    return Chart(figures, series, facets, ("comparison.csv", csv))


def table_of(comparison: Comparison) -> DataTable:
    """Every difference, with a glyph beside its verdict."""
    facts, columns = columns_of(comparison)
    rows = []
    for index, (each, one) in enumerate(lines_in(comparison)):
        there = each.side.rows[one.other]
        orders = {
            "value 0": one.change.old, "value 1": one.change.new, "difference": one.value,
            "percent": one.change.relative, "z": one.z, "nfe": there.get("nfe"),
            "nfe_requested": there.get("nfe_requested"), "steps": there.get("steps"),
        }  # fmt: skip
        cells = []
        for column in columns:
            text, mark = column.cells[index], ""
            if column.key == "verdict":
                text = f"{_GLYPHS.get(text, '')} {text}".strip()
                mark = one.verdict if one.verdict in _MARKED else ""
            note = one.unpaired if column.key == "paired" else ""
            cells.append(TableCell(text, number(orders.get(column.key)), note, mark))
        rows.append(TableRow(cells, _facets(each.side.label, one.metric, there)))
    return DataTable([(column.head, column.kind) for column in columns], rows, facts)


def _facets(label: str, metric: str, row: Row) -> dict[str, str]:
    return {METRIC: printable(metric), _FOLDER: label, **facets_of(row)}


def _plot(comparison: Comparison, metric: str, curves: Sequence[SideCurve]) -> Plot:
    """The curves as a report has them, which says what axis they belong on."""
    better = comparison.better[metric] or None
    return Plot("", metric, [replace(curve.own, rows=curve.rows) for curve in curves], "", better)


def _figure(comparison: Comparison, metric: str, curves: Sequence[SideCurve], more: str) -> Figure:
    better = comparison.better[metric]
    rows = [row for curve in curves for row in curve.rows]
    references = references_of(rows)
    told = conditions_of(rows, ("num_samples", "protocol"))
    told += [f"reference {' or '.join(references)}"] if references else []
    return Figure(
        key=_key("curves", metric, curves),
        title=f"{printable(metric)}{better_words(better)}, {_protocol(curves)}",
        y=Axis(metric, printable(metric), _plot(comparison, metric, curves).log),
        x=_NFE,
        caption=f"{'; '.join(told)}. Bands: ± 1 standard error.{more}",
        name=figure_stem(_protocol(curves), metric),
        facets={METRIC: printable(metric)},
    )


def _difference_figure(
    comparison: Comparison, metric: str, curves: Sequence[SideCurve], share: bool
) -> Figure:
    """Args as of `_differences`."""
    better, base = comparison.better[metric], comparison.base.label
    way = {"lower": "Below zero is better. ", "higher": "Above zero is better. "}.get(better, "")
    unit = f"in % of {base}" if share else f"less {base}"
    return Figure(
        key=_key("differences", metric, curves),
        title=f"Difference from {base}: {printable(metric)}, {_protocol(curves)}",
        y=Axis("difference", f"{printable(metric)}, {unit}", log=False, zero=True),
        x=_NFE,
        caption=f"{way}Bars: ± {TIE:g} standard errors of the difference, paired where seeds, N "
        "and blocks are equal; one that reaches zero is a tie, and its mark is hollow.",
        name=f"{figure_stem(_protocol(curves), metric)}.difference",
        facets={METRIC: printable(metric)},
    )


def _protocol(curves: Sequence[SideCurve]) -> str:
    return f"protocol {printable(curves[0].protocol)}"


def _key(kind: str, metric: str, curves: Sequence[SideCurve]) -> str:
    return figure_key(f"{kind} {curves[0].protocol}", metric)


def _series(curve: SideCurve, metric: str) -> Series:
    return Series(
        _key("curves", metric, [curve]),
        curve.label,
        _facets(curve.side.label, metric, curve.rows[0]),
        [_point(row, metric, curve.label) for row in curve.rows],
        curve.colour,
        curve.variant,
    )


def _level(side: Side, level: ExactLevel, figure: str) -> Series:
    name = f"{side.label}: {level.label}"
    return Series(
        figure,
        name,
        _facets(side.label, level.metric, level.row),
        [_point(level.row, level.metric, name)],
        level=True,
    )


def _point(row: Row, metric: str, label: str) -> Mark:
    value, error = number(row.get(metric)), number(row.get(metric + STDERR))
    assert value is not None
    hover = (
        f"{printable(metric)} {value_text(value, row.get(metric + STDERR))}",
        label,
        f"NFE {row.get('nfe')}, N = {row.get('num_samples')}",
    )
    low, high = (None, None) if error is None else (value - error, value + error)
    return Mark({"nfe": number(row.get("nfe"))}, value, low, high, hover)


def _shown(lines: Sequence[Line], curves: Sequence[SideCurve]) -> list[Shown]:
    """The differences that lie on these curves, by increasing NFE."""
    found = []
    for curve in curves:
        there = {id(each.side.rows[one.other]): one for each, one in lines}
        own = [(row, there[id(row)]) for row in curve.rows if id(row) in there]
        found += [(curve, row, one) for row, one in own if one.value is not None]
    return found


def _differences(comparison: Comparison, shown: Sequence[Shown], share: bool) -> list[Series]:
    """A series per curve, in its look, none of them joined.

    Args:
        share: in percent of the base's values, as suits what belongs on a log axis.
    """
    points: dict[int, list[Mark]] = {}
    for curve, row, one in shown:
        points.setdefault(id(curve), []).append(_mark(comparison, curve, row, one, share))
    curves = {id(curve): (curve, one.metric) for curve, _, one in shown}
    return [
        Series(
            _key("differences", metric, [curve]),
            curve.label,
            _facets(curve.side.label, metric, curve.rows[0]),
            points[place],
            curve.colour,
            curve.variant,
            line=False,
        )
        for place, (curve, metric) in curves.items()
    ]


def _mark(comparison: Comparison, curve: SideCurve, row: Row, one: Difference, share: bool) -> Mark:
    value, error = one.value, one.change.error
    assert value is not None
    percent = f"({one.change.percent()})" if one.change.percent() else ""
    hover = (
        f"{printable(one.metric)} {value_text(value, error)} {percent}: {one.verdict}",
        f"{curve.label}: {value_text(one.change.new, one.errors[1])}",
        f"{comparison.base.label}: {value_text(one.change.old, one.errors[0])}",
        f"NFE {row.get('nfe')}, N = {row.get('num_samples')}",
        f"not paired: {one.unpaired}" if one.unpaired else "paired",
    )
    scale = 100 / (one.change.old or math.nan) if share else 1.0
    y, far = scale * value, None if error is None else scale * TIE * error
    low, high = (None, None) if far is None else (y - far, y + far)
    x = {"nfe": number(row.get("nfe"))}
    return Mark(x, y, low, high, hover, hollow=one.verdict == TIED)

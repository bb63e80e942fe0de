"""The published values as an interactive chart and its table: the field at a glance."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence

from samplebench.published import Band, Line, Published, Remeasured, bands, csv_text, lines
from samplebench.published.grids import NOT_STATED
from samplebench.published.record import CALLED
from samplebench.report.atlas_tables import conflict_tables, lead_of, remeasured_rows
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
from samplebench.report.looks import COLOURS, SYMBOLS

_FIGURE = "field"
# Of the facets, but no switch: which line a series and a row of the table belong to.
_LINE = "line"
# Variants in their order of use, without the one whose marker looks like a bound's arrow.
_MARKS = [place for place, symbol in enumerate(SYMBOLS) if symbol != "triangle-up"]
_CAPTION = (
    "A line joins values of one source that agree in checkpoint, sampler with its parameters, "
    "discretization, number of samples, reference statistics and evaluator; protocols are never "
    "joined. A pale bar is the range of values that were published for one setting at one NFE: "
    "how well laboratories, and tables of one laboratory, agree. Arrows are bounds: the source "
    "prints “more than”. If a source counts sequential calls, the value is drawn at its number of "
    "evaluations. Certainty A: read in a source; B: from memory and consistent, or read by eye "
    "from an image of a table; C: unsure."
)
_HEADS = (
    ("checkpoint", "text"),
    ("sampler", "text"),
    ("discretization", "text"),
    ("NFE", "number"),
    ("depth", "number"),
    ("FID", "value"),
    ("N", "number"),
    ("protocol", "text"),
    ("reference", "text"),
    ("certainty", "text"),
    ("source", "text"),
    ("printed as", "text"),
    ("data", "text"),
    ("note", "text"),
)


def page_of(
    rows: Sequence[Published],
    uncertain: bool = False,
    cases: Sequence[Remeasured] = (),
    only: str = "",
) -> str:
    """All of it as one HTML file.

    Args:
        rows: at least one.
        uncertain: certainty C is on when the page opens.
        cases: what was measured again.
        only: the options that chose the rows, as typed; "" for all of them.
    """
    from samplebench.report.page import render_page

    return render_page(
        title="Published FID values",
        lead=lead_of(rows, only),
        chart=chart_of(rows, uncertain),
        table=table_of(rows),
        template="atlas.html.j2",
        conflicts=conflict_tables(rows),
        remeasured=remeasured_rows(cases),
    )


def chart_of(rows: Sequence[Published], uncertain: bool = False) -> Chart:
    """FID over NFE: a series per line, per bound and per band; arguments as for `page_of`."""
    models = _checkpoints(rows)
    colours = _colours(rows, models[0])
    series: list[Series] = []
    variants: Counter[tuple[str, int]] = Counter()
    places = _places(rows)
    for line in sorted(lines(rows), key=lambda line: models.index(line.rows[0].checkpoint)):
        colour = colours[line.rows[0].sampler.name]
        # Samplers whose colours look alike share their variants out.
        place = line.rows[0].checkpoint, colour % COLOURS
        turn, mark = divmod(variants[place], len(_MARKS))
        look = colour, len(SYMBOLS) * turn + _MARKS[mark]
        series += _series(line, look, places[id(line.rows[0])])
        variants[place] += 1
    series += [_range(band, colours[band.setting.sampler]) for band in bands(rows)]
    figure = Figure(
        key=_FIGURE,
        title="FID over NFE (lower is better)",
        y=Axis("fid", "FID"),
        x=[Axis("nfe", "NFE (network evaluations per image)", at_values=True)],
        caption=_CAPTION,
        name="published",
    )
    facets = [
        Facet("checkpoint", "checkpoint", single=True, start=(models[0],)),
        Facet("sampler", "sampler"),
        Facet("protocol", "protocol"),
        Facet("certainty", "certainty", start=("A", "B", "C") if uncertain else ("A", "B")),
    ]
    return Chart([figure], series, facets, ("published.csv", csv_text()))


def table_of(rows: Sequence[Published]) -> DataTable:
    """Every row, those without NFE included."""
    places = _places(rows)
    return DataTable(_HEADS, [_table_row(row, places.get(id(row), "")) for row in rows])


def _checkpoints(rows: Sequence[Published]) -> list[str]:
    """Those with the most points first."""
    points = Counter({row.checkpoint: 0 for row in rows})
    points.update(row.checkpoint for row in rows if row.nfe is not None)
    return [model for model, _ in points.most_common()]


def _colours(rows: Sequence[Published], first: str) -> dict[str, int]:
    """A colour for each sampler; those of the first checkpoint get the palette's first ones."""
    there = Counter(row.sampler.name for row in rows if row.checkpoint == first)
    anywhere = Counter(row.sampler.name for row in rows)
    names = sorted(anywhere, key=lambda name: (-there[name], -anywhere[name], name))
    return {name: place for place, name in enumerate(names)}


def _places(rows: Sequence[Published]) -> dict[int, str]:
    """By the id of a row, what tells its line from others of the same facets."""
    return {id(row): str(place) for place, line in enumerate(lines(rows)) for row in line.rows}


def _facets(row: Published, line: str) -> dict[str, str]:
    n = row.num_samples
    count = "" if n == 50_000 else f", N {NOT_STATED}" if n is None else f", N={n}"
    return {
        "checkpoint": row.checkpoint,
        "sampler": row.sampler.name,
        "protocol": row.family + count,
        "certainty": row.certainty,
        _LINE: line,
    }


def _series(line: Line, look: tuple[int, int], place: str) -> list[Series]:
    """The values of a line and, as a series of its own that joins nothing, its bounds."""
    row = line.rows[0]
    conditions = [row.sampler_label, row.grid.label, row.weights]
    conditions += [f"stop time {row.stop}"] if row.stop else []
    conditions += [*row.measured, row.cite]
    made = []
    for bound in (False, True):
        points = [_point(each) for each in line.rows if (each.fid is None) == bound]
        if points:
            name = "; ".join(filter(None, conditions)) + (", bounds" if bound else "")
            made.append(Series(_FIGURE, name, _facets(row, place), points, *look, line=not bound))
    return made


def _point(row: Published) -> Mark:
    return Mark(
        x={"nfe": row.nfe},
        y=row.above if row.fid is None else row.fid,
        hover=hover_of(row),
        arrow=row.fid is None,
    )


def hover_of(row: Published) -> tuple[str, ...]:
    """What is said of a published value, in lines short enough for a phone."""
    n = NOT_STATED if row.num_samples is None else f"{row.num_samples:,}"
    deduced = ", ".join(CALLED[name] for name in row.deduced)
    said = [
        f"FID {row.fid_printed} at NFE {row.nfe}, N {n}",
        "" if row.depth is None else f"printed at {row.depth} calls one after another",
        _beside(row),
        f"{row.sampler_printed} ({row.sampler_label})",
        f"discretization {row.grid_printed or NOT_STATED}",
        f"reference {row.reference}",
        f"{row.source}; certainty {row.certainty}",
        "; ".join(row.measured),
        f"deduced: {deduced}" if deduced else "",
        f"note: {row.note}" if row.note else "",
    ]
    return tuple(part for text in said for part in textwrap.wrap(text, 64))


def _beside(row: Published) -> str:
    """The other metrics that a source prints with the FID."""
    values = {
        "sFID": row.sfid,
        "precision": row.precision,
        "recall": row.recall,
        "IS": row.inception_score,
    }
    return ", ".join(f"{name} {value:g}" for name, value in values.items() if value is not None)


def _range(band: Band, colour: int) -> Series:
    row = band.rows[0]
    worst = max(each.certainty for each in band.rows)
    values = [f"{each.fid_printed}: {each.cite}" for each in band.rows]
    same = f"{row.sampler_label}, {row.grid.label}, NFE {band.nfe}"
    hover = [f"FID {band.low:g} to {band.high:g}: {len(values)} published values", same, *values]
    point = Mark(
        x={"nfe": band.nfe},
        y=math.sqrt(band.low * band.high),
        low=band.low,
        high=band.high,
        hover=tuple(part for text in hover for part in textwrap.wrap(text, 64)),
    )
    facets = _facets(row, "range") | {"certainty": worst}
    return Series(_FIGURE, f"range of {same}", facets, [point], colour, line=False, band="range")


def _network(row: Published) -> str:
    other = "" if row.model == row.checkpoint else f"published.csv: {row.model}"
    return "; ".join(filter(None, (f"network {row.network}", row.weights, other)))


def _table_row(row: Published, line: str) -> TableRow:
    deduced = ", ".join(CALLED[name] for name in row.deduced)
    nfe, n = row.nfe, row.num_samples
    return TableRow(
        [
            TableCell(row.checkpoint, note=_network(row)),
            TableCell(row.sampler_label),
            TableCell(row.grid.label, note=row.grid_printed),
            TableCell("-" if nfe is None else str(nfe), nfe, note=row.unplaced),
            TableCell("" if row.depth is None else str(row.depth), row.depth),
            TableCell(row.fid_printed, row.above if row.fid is None else row.fid),
            TableCell("-" if n is None else f"{n:,}", n),
            TableCell(row.protocol.evaluator),
            TableCell(row.reference),
            TableCell(row.certainty, note=f"deduced: {deduced}" if deduced else ""),
            TableCell(row.source, note="; ".join(row.measured)),
            TableCell(row.sampler_printed),
            TableCell(f"{row.dataset} {row.resolution}"),
            TableCell(row.note),
        ],
        _facets(row, line),
    )

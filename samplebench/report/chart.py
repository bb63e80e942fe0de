"""What an interactive page shows: series in figures, facets that switch them, a table.

Plain data without any drawing; `page.py` puts it into one HTML file. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace


@dataclass(frozen=True)
class Axis:
    """One choice for an axis.

    Attributes:
        key: of `Mark.x`, e.g. "nfe".
        title: what the axis says, with its unit.
        log: whether it starts logarithmic; a vertical one can be switched.
        zero: whether zero is a line: of differences, which have no log axis.
        names: what stands at 0, 1, ... of a vertical axis of rows; none of an axis of numbers.
        at_values: ticks stand at the values that occur, not at round numbers; of a logarithmic one.
    """

    key: str
    title: str
    log: bool = True
    zero: bool = False
    names: tuple[str, ...] = ()
    at_values: bool = False


@dataclass(frozen=True)
class Facet:
    """Something by which a reader switches figures, series, rows of the table and pictures.

    Attributes:
        key: of the `facets` of figures, series, rows and pictures.
        title: e.g. "sampler".
        single: one value at a time (a metric, a checkpoint); else each value has a toggle.
        start: the values that are on when the page opens; empty for all of them (a single facet:
            the first).
    """

    key: str
    title: str
    single: bool = False
    start: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mark:
    """One point of a series.

    Attributes:
        x: by axis key; None where the quantity is not known.
        y: the value; None is not drawn.
        low, high: ends of its error band, if it has one.
        hover: what is said of it, line by line, as plain text.
        to: id of the element of the page that tells more, opened by a click.
        hollow: drawn as an outline.
        arrow: the value is a lower bound (">100"): drawn as an upward arrow.
    """

    x: Mapping[str, float | None]
    y: float | None
    low: float | None = None
    high: float | None = None
    hover: tuple[str, ...] = ()
    to: str = ""
    hollow: bool = False
    arrow: bool = False


@dataclass(frozen=True)
class Series:
    """Points that belong together; those of one line must share every condition.

    Attributes:
        figure: key of the figure it is in.
        name: in the legend.
        facets: by facet key; a series without a facet's key is always on.
        points: by increasing x.
        colour: hue and filling, of what colours tell apart (samplers), see `looks`.
        variant: marker and dash, of what those tell apart (rho, conditions).
        line: whether its points are joined.
        level: whether its one point is a horizontal line, with its error band, for any x.
        band: "error" bars become a shaded band around the line; "range" is the spread of
            repeated measurements.
    """

    figure: str
    name: str
    facets: Mapping[str, str]
    points: Sequence[Mark]
    colour: int = 0
    variant: int = 0
    line: bool = True
    level: bool = False
    band: str = "error"


@dataclass(frozen=True)
class Figure:
    """One set of axes.

    Attributes:
        key: named by its series.
        title: above the axes.
        y: vertical axis.
        x: horizontal axes to choose from, the default first.
        caption: below the axes: conditions, what the bands are.
        name: of a downloaded file, without suffix.
        facets: by facet key; it is shown where all of them are on.
        orders: of convergence, whose slopes are drawn as dashed lines where both axes are
            logarithmic.
    """

    key: str
    title: str
    y: Axis
    x: Sequence[Axis]
    caption: str = ""
    name: str = "figure"
    facets: Mapping[str, str] = field(default_factory=dict)
    orders: tuple[int, ...] = ()


@dataclass(frozen=True)
class TableCell:
    """One entry of the table: its text and, where another order than the text's is right, a key.

    Attributes:
        text: shown.
        order: number to sort by; None sorts text alphabetically, missing ones last.
        note: said on hover.
        mark: "best" of its rivals, "tied" with the best, "better" or "worse", or nothing.
        to: id of the element of the page that it links to.
    """

    text: str
    order: float | None = None
    note: str = ""
    mark: str = ""
    to: str = ""


@dataclass(frozen=True)
class TableRow:
    """One row of the table.

    Attributes:
        cells: one per head.
        facets: by which it is switched. A row and a series are of the same curve where all keys
            that both have are equal; a key that is no facet's tells those apart that share all
            facets.
    """

    cells: Sequence[TableCell]
    facets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataTable:
    """Sortable and filterable.

    Attributes:
        heads: (text, kind), kind one of "text", "number", "value".
        rows: in their first order.
        facts: (name, text) that hold for every row.
    """

    heads: Sequence[tuple[str, str]]
    rows: Sequence[TableRow]
    facts: Sequence[tuple[str, str]] = ()

    @property
    def wide(self) -> bool:
        """Whether its printed pages are landscape; values, which stay on one line, count twice."""
        return len(self.heads) + sum(kind == "value" for _, kind in self.heads) > 8


@dataclass(frozen=True)
class Chart:
    """All of it.

    Attributes:
        figures: at least one unless there is nothing to draw.
        series: any number.
        facets: in the order of their toggles.
        csv: (file name, content) that the page offers for download.
    """

    figures: Sequence[Figure]
    series: Sequence[Series]
    facets: Sequence[Facet]
    csv: tuple[str, str] = ("", "")

    def data(self) -> dict[str, object]:
        """As plain values for JSON: what is beyond the numbers, as the end of the error band of a
        value near the largest, is not drawn."""
        series = [replace(one, points=list(map(_drawn, one.points))) for one in self.series]
        return asdict(replace(self, series=series))


def _drawn(mark: Mark) -> Mark:
    x = {key: _finite(value) for key, value in mark.x.items()}
    y, low, high = map(_finite, (mark.y, mark.low, mark.high))
    return replace(mark, x=x, y=y, low=low, high=high)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

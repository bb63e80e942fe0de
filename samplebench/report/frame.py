"""`sb.plot`: a frame of sweeps as a figure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

from samplebench.answers.blame import line_of
from samplebench.errors import UsageError, unknown
from samplebench.report.best import better_words, direction
from samplebench.report.curves import Plot, StyledCurve, curves_of, drawable
from samplebench.report.levels import ExactLevel, levels_of
from samplebench.report.looks import apart
from samplebench.results.fields import (
    CONDITIONS,
    called,
    counted,
    number,
    printable,
    unevaluated,
    unguarded,
)
from samplebench.results.row import COLUMNS, INTEGERS, STDERR, STRINGS, Row, suffix_of
from samplebench.results.view import View

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Without one of these nobody knows which points are one curve's.
_NEEDED = ("model", "sampler", "params", "discretization", "rho", "nfe", *CONDITIONS)
_FIX = "give the frame of sb.run, or a results.csv as pandas reads it, with all its columns"


def plot(frame: pd.DataFrame, metric: str | None = None, *, ax: Axes | None = None) -> Figure:
    """Draws a metric over the counted NFE, with error bars, as a report does.

        frame = sb.run(model="digits-exact", sampler=["euler", "heun"], nfe=[5, 10, 20])
        sb.plot(frame)
        sb.plot(pd.concat([frame, other])[lambda rows: rows.rho == 7], "fd-digits")
        sb.plot(pd.read_csv("reports/digits-exact/results.csv")).savefig("curves.pdf")

    Args:
        frame: rows of `sb.run` or of a results.csv; some of them, or those of several runs.
            Lines join points of one model, sampler, discretization and all conditions alike.
            Rows that are there twice are drawn once.
        metric: column with the values, e.g. "fid"; with one metric in the frame it is meant.
        ax: axes of matplotlib to draw on, one frame at a time; a figure of their own without.

    Returns:
        The figure, of `ax` if that is given. Notebooks show it. Neither pyplot nor matplotlib's
        settings are touched.

    Raises:
        UsageError: the frame is empty, lacks columns, has several metrics and none is named, text
            where numbers belong, no point with a finite value, exact draws alone, or two values of
            one point; `ax` is not one pair of plain axes.
    """
    if ax is not None:
        _check_axes(ax)
    found = _plot(frame, metric)
    if ax is None:
        from samplebench.report.notebook import ShownFigure
        from samplebench.report.plots import draw

        return draw(found, caption=False, kind=ShownFigure)
    return _on(ax, found)


def _check_axes(ax: Any) -> None:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes) or ax.name != "rectilinear":
        kind = f"{ax.name} axes" if isinstance(ax, Axes) else type(ax).__name__
        raise UsageError(
            f"ax takes plain axes of matplotlib, not {kind}; of several that plt.subplots returns, "
            "give one"
        )


def _on(ax: Axes, found: Plot) -> Figure:
    """Draws on axes of the user's, whose size and letters stay theirs."""
    from matplotlib.lines import Line2D

    from samplebench.report.plots import draw_curves, legend_of, unhidden

    figure = ax.get_figure(root=True)
    if figure is None:
        raise UsageError("ax stands in no figure; take it from plt.subplots()")
    box = ax.get_window_extent()
    draw_curves(ax, found, 72 * box.width / figure.dpi)
    ax.set_ylabel(printable(found.metric) + better_words(found.better), parse_math=False)
    ax.set_title(found.title, parse_math=False)
    entries = legend_of(found)
    lines = [Line2D([], [], **look) for _, look in entries]
    legend = ax.legend(lines, [unhidden(label) for label, _ in entries], fontsize="small")
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _plot(frame: pd.DataFrame, metric: str | None) -> Plot:
    """The curves of a frame's rows that can be drawn."""
    _check_columns(frame)
    name = _metric(frame, metric)
    for column in ("nfe", name, name + STDERR):
        _check_numbers(frame, column)
    rows = _rows(frame, name)
    shown = [row for row in rows if drawable(row, name)]
    if not shown:
        failed = counted(len(rows), "row")
        if any(unevaluated(row) and number(row.get(name)) is not None for row in rows):
            raise UsageError(
                "there is nothing to draw but exact draws, which are a line beside curves; add the "
                "rows of a sampler"
            )
        raise UsageError(
            f"there is nothing to draw: of {failed} none has a finite value of {name} and an NFE"
        )
    _check_apart(shown, name)
    view = View("", shown, {}, {})
    better = direction(name, view)
    return Plot("", name, _curves(view), "", better, _levels(rows, name, better))


def _check_columns(frame: pd.DataFrame) -> None:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"sb.plot takes a pandas DataFrame, not {type(frame).__name__}; {_FIX}")
    lacking = [column for column in _NEEDED if column not in frame.columns]
    if lacking:
        named = f"'{lacking[0]}'" + (f" and {len(lacking) - 1} more" if len(lacking) > 1 else "")
        raise UsageError(f"the frame has no column {named}; {_FIX}")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UsageError(f"the frame has two columns '{twice}'; keep one of them")
    if frame.empty:
        raise UsageError("the frame has no rows; run a sweep, or filter less of it away")


def _rows(frame: pd.DataFrame, metric: str) -> list[Row]:
    """The distinct rows of a frame, with one metric, as a results folder has them."""
    columns = [c for c in (*COLUMNS, metric, metric + STDERR, "cell") if c in frame.columns]
    records = frame[columns].drop_duplicates().to_dict("records")
    return [cast(Row, {str(c): _plain(str(c), v) for c, v in each.items()}) for each in records]


def _plain(column: str, value: Any) -> Any:
    """An entry of a frame as a row has it: pandas has NaN for nothing, and floats for integers."""
    import pandas as pd

    missing = bool(pd.api.types.is_scalar(value) and pd.isna(value))
    if column in STRINGS:
        return "" if missing else unguarded(str(value))
    if missing:
        return None if column in COLUMNS else math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        real = float(value)
        return int(real) if column in INTEGERS and real.is_integer() else real
    return value


def _metric(frame: pd.DataFrame, metric: str | None) -> str:
    import pandas as pd

    names = [str(column) for column in frame.columns]
    further = [name for name in names if name not in {*COLUMNS, "cell"}]
    further = [name for name in further if not suffix_of(name, names)]
    # A column that somebody added has no standard error beside it.
    known = [name for name in further if name + STDERR in names]
    if metric is not None:
        if metric not in further:
            raise unknown("metric", str(metric), known)
        if metric not in known and not pd.api.types.is_numeric_dtype(frame[metric]):
            raise UsageError(f"column '{metric}' holds no numbers; metrics: {', '.join(known)}")
        return metric
    if not known:
        raise UsageError(f"the frame has no metric, such as fid with fid{STDERR}; {_FIX}")
    if len(known) > 1:
        raise UsageError(
            f"the frame has {len(known)} metrics; name one, e.g. sb.plot(frame, '{known[0]}') "
            f"(all: {', '.join(known)})"
        )
    return known[0]


def _check_numbers(frame: pd.DataFrame, column: str) -> None:
    """That a column, where it is there, holds numbers or nothing; standard errors from 0 up."""
    import pandas as pd

    for value in frame[column] if column in frame.columns else ():
        real = isinstance(value, Real) and not isinstance(value, bool)
        if not real and not (pd.api.types.is_scalar(value) and pd.isna(value)):
            raise UsageError(
                f"column '{column}' holds {line_of(repr(value))}, which is no number; "
                f"pd.to_numeric(frame['{column}']) makes numbers of text"
            )
        if real and column.endswith(STDERR) and float(value) < 0:
            raise UsageError(f"column '{column}' holds {value}; a standard error is not below 0")


def _check_apart(rows: Sequence[Row], metric: str) -> None:
    """That no curve has two values at one place, as one sampler's before and after a change."""
    values: dict[Hashable, float] = {}
    for row in rows:
        place = tuple(row.get(column) for column in (*_NEEDED, "steps"))
        value = number(row.get(metric))
        other = values.setdefault(place, cast(float, value))
        if value != other:
            raise UsageError(
                f"two rows of {row['sampler']} at NFE {row['nfe']} differ in {metric} alone "
                f"({other:.6g} and {value:.6g}); keep one, or name their samplers apart: "
                "frame['sampler'] += ' new'"
            )


def _levels(rows: Sequence[Row], metric: str, better: str | None) -> list[ExactLevel]:
    """Exact draws of every model; with several models, the label begins with its model."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    if len(models) == 1:
        return levels_of(rows, metric, better)
    return [
        replace(level, label=f"{called(level.row, 'model')}: {level.label}")
        for model in models
        for level in levels_of([row for row in rows if row["model"] == model], metric, better)
    ]


def _curves(view: View) -> list[StyledCurve]:
    """The curves of every model; with several, the model is part of each name."""
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in view.rows:
        by_model[row["model"]].append(row)
    if len(by_model) == 1:
        return curves_of(view.rows, view)
    found = [
        replace(curve, name=f"{called(curve.rows[0], 'model')}: {curve.name}")
        for rows in by_model.values()
        for curve in curves_of(rows, view)
    ]
    names = list(dict.fromkeys(curve.name for curve in found))
    looks = apart([(names.index(curve.name), curve.variant) for curve in found])
    return [
        replace(curve, colour=colour, variant=variant)
        for curve, (colour, variant) in zip(found, looks, strict=True)
    ]

"""Figures of a metric over counted NFE, as SVG and PNG with stable bytes."""

from __future__ import annotations

import io
import logging
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from samplebench.files.atomic import write_atomic
from samplebench.report import looks
from samplebench.report.axes import scale_axes
from samplebench.report.best import better_words
from samplebench.report.curves import Plot, StyledCurve, plots_of
from samplebench.report.labels import labelled
from samplebench.report.levels import LINE, draw_level
from samplebench.report.names import figure_stem
from samplebench.results.fields import number, printable
from samplebench.results.row import STDERR, value
from samplebench.results.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

MARGIN = 0.08  # inches left of the text
INK, FAINT, RULE = "#1b1d21", "#5d636e", "#d9dce2"
# Narrow on purpose: on a phone the figure is then shown at about its own size.
_WIDTH, _AXES_HEIGHT = 4.9, 3.1  # inches
_LEFT, _RIGHT, _TOP, _BELOW = 0.62, 0.14, 0.66, 0.6  # inches around the axes
_LEGEND_LINE, _CAPTION_LINE = 13.6 / 72, 12.2 / 72  # inches
_LABEL = 0.9  # inches from the left to a label of the legend, or to its second line
_NO_METADATA: dict[str, dict[str, None]] = {
    "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
    "png": {"Software": None},
}


def _of_use(record: logging.LogRecord) -> bool:
    """Whether a remark of matplotlib is; where its home cannot be written, it works elsewhere."""
    return not str(record.msg).startswith(("mkdir -p failed", "Matplotlib created a temporary"))


logging.getLogger("matplotlib").addFilter(_of_use)


@contextmanager
def settings(changes: Mapping[str, Any] = MappingProxyType({})) -> Iterator[None]:
    """Matplotlib's defaults, whatever the user's matplotlibrc says, with stable SVG ids.

    Names may contain "$", so text is never read as math, and letters that its font lacks.

    Args:
        changes: further settings, by matplotlib's names.
    """
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "samplebench",
                "svg.fonttype": "none",
                "text.parse_math": False,
                "font.size": 10,
                "text.color": INK,
                "axes.edgecolor": FAINT,
                "axes.labelcolor": INK,
                "xtick.color": FAINT,
                "ytick.color": FAINT,
                "xtick.labelcolor": INK,
                "ytick.labelcolor": INK,
                "lines.linewidth": 1.5,
                "lines.markersize": 5.5,
            }
        )
        matplotlib.rcParams.update(cast(Any, changes))
        yield


def legend_of(plot: Plot) -> list[tuple[str, dict[str, Any]]]:
    """Labels with line properties, those of the levels last."""
    return [*_of_curves(plot.curves), *((level.label, LINE) for level in plot.levels)]


def _of_curves(curves: Sequence[StyledCurve]) -> list[tuple[str, dict[str, Any]]]:
    """One for each curve, or, if shorter, colours and then styles."""
    named = [looks.LegendEntry(c.name, c.detail, c.label, c.colour, c.variant) for c in curves]
    names = dict.fromkeys((curve.name, curve.colour) for curve in curves)
    details = dict.fromkeys((curve.detail or "no ρ", curve.variant) for curve in curves)
    if len(names) + len(details) < len(curves) and looks.crossed(named):
        return both(names, details)
    return [(curve.label, {"color": curve.hue, **curve.look}) for curve in curves]


def both(
    names: Iterable[tuple[str, int]], details: Iterable[tuple[str, int]]
) -> list[tuple[str, dict[str, Any]]]:
    """A legend of what colours stand for, then of what markers and dashes do."""
    entries: list[tuple[str, dict[str, Any]]] = []
    for text, colour in names:
        text += ", hollow markers" if looks.hollow(colour) else ""
        bar = {"color": looks.hue(colour), "linewidth": 4, "solid_capstyle": "butt"}
        entries.append((text, bar))
    return entries + [(text, {"color": FAINT, **looks.line(0, place)}) for text, place in details]


def draw(plot: Plot, caption: bool = True, kind: type[Figure] | None = None) -> Figure:
    """The figure of a plot; its legend and caption are below the axes, clear of the data.

    Args:
        plot: what is drawn.
        caption: whether the conditions stand below the legend.
        kind: class of the figure; matplotlib's own without.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    entries = legend_of(plot)
    labels = [wrapped(label) for label, _ in entries]
    below = "\n".join(lines_of(plot.caption, 70, _WIDTH - 2 * MARGIN, 9)) if caption else ""
    foot = _BELOW + _LEGEND_LINE * (sum(label.count("\n") + 1 for label in labels) + 1)
    foot += _CAPTION_LINE * (below.count("\n") + 1.5) if below else 0
    height = _TOP + _AXES_HEIGHT + foot
    with settings():
        figure = (kind or Figure)(figsize=(_WIDTH, height), facecolor="white")
        axes = figure.add_axes(
            (_LEFT / _WIDTH, foot / height, 1 - (_LEFT + _RIGHT) / _WIDTH, _AXES_HEIGHT / height)
        )
        draw_curves(axes, plot, 72 * (_WIDTH - _LEFT - _RIGHT))
        place = (MARGIN / _WIDTH, 1 - 0.1 / height)
        title = figure.text(*place, "", size=11.5, weight="bold", va="top")
        fit(title, plot.title, _WIDTH - 2 * MARGIN)
        metric = figure.text(MARGIN / _WIDTH, 1 - 0.36 / height, "", color=FAINT, va="top")
        fit(metric, printable(plot.metric), _WIDTH - 2 * MARGIN, better_words(plot.better))
        figure.legend(
            [Line2D([], [], **look) for _, look in entries],
            list(map(unhidden, labels)),
            loc="upper left",
            bbox_to_anchor=(0, (foot - _BELOW) / height),
            frameon=False,
            handlelength=3.6,
            labelspacing=0.35,
            borderpad=7.2 * MARGIN,
            borderaxespad=0,
        )
        if below:
            figure.text(
                MARGIN / _WIDTH, 0.08 / height, below, size=9, color=FAINT, linespacing=1.35
            )
    return figure


def draw_curves(axes: Axes, plot: Plot, length: float) -> None:
    """The curves of a plot on axes that fit them, whose NFE axis has `length` points."""
    draw_values(axes, plot)
    scale_axes(axes, plot, length)
    axes.grid(True, which="major", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("NFE (model evaluations per sample, counted)")


def draw_values(axes: Axes, plot: Plot, **looks: float) -> None:
    """All that a plot has, curves as `draw_curve` takes them, and levels."""
    for curve in plot.curves:
        draw_curve(axes, curve, plot.metric, **looks)
    for level in plot.levels:
        draw_level(axes, level)


def fit(text: Text, words: str, room: float, after: str = "") -> float:
    """Show as much of `words` as fits into `room` inches, and all of what comes after.

    Returns:
        Pixels that the text is wide.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = text.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    text.set_text(words[:200] + after)
    while len(words) > 1 and text.get_window_extent(renderer).width > room * figure.dpi:
        words = words[:200][: -2 if words.endswith("…") else -1] + "…"
        text.set_text(words + after)
    return float(text.get_window_extent(renderer).width)


def unhidden(label: str) -> str:
    """A label that matplotlib before 3.10 shows too: it leaves out what begins with "_"."""
    return f"\u200b{label}" if label.startswith("_") else label


def wrapped(label: str) -> str:
    """A label of a legend in lines that have room beside their mark."""
    return "\n    ".join(lines_of(label, 52, _WIDTH - _LABEL - MARGIN, 10))


def lines_of(text: str, most: int, room: float, size: float) -> list[str]:
    """Lines of at most so many characters that fit into `room` inches."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    with settings():
        font = get_font(findfont(FontProperties()))
        font.set_size(size, 72)
        found: list[str] = []
        for width in range(most, 8, -4):
            found, widths = textwrap.wrap(text, width, break_on_hyphens=False), [0.0]
            for line in found:
                font.set_text(line)
                widths.append(font.get_width_height()[0] / 64)  # of a point
            if max(widths) <= 72 * room:
                break
    return found


def draw_curve(
    axes: Axes, curve: StyledCurve, metric: str, cap: float = 2.5, bar: float = 1
) -> None:
    """A curve with its error bars, whose caps and lines have these sizes in points."""
    axes.errorbar(
        [value(row, "nfe") for row in curve.rows],
        [value(row, metric) for row in curve.rows],
        yerr=[number(row.get(metric + STDERR)) or 0.0 for row in curve.rows],
        capsize=cap,
        elinewidth=bar,
        color=curve.hue,
        **curve.look,
    )


def render(figure: Figure, kind: str, changes: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    """Bytes of a figure as "svg", "pdf" or "png"; the same for the same figure.

    Args:
        figure: as `draw` made it, under the same changes.
        kind: of file.
        changes: as of `settings`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer, without = io.BytesIO(), _NO_METADATA[kind]
    with settings(changes):
        if kind == "svg":
            FigureCanvasSVG(figure).print_svg(buffer, metadata=without)
        elif kind == "pdf":
            FigureCanvasPdf(figure).print_pdf(buffer, metadata=without)
        else:
            figure.set_dpi(200)
            FigureCanvasAgg(figure).print_png(buffer, metadata=without)
    return buffer.getvalue()


def write_figures(view: View, folder: Path) -> list[Path]:
    """Write `<model>.<metric>.svg` and `.png` for every model and metric that has a point."""
    written = []
    for plot in plots_of(labelled(view)):
        for kind in ("svg", "png"):
            path = Path(folder) / f"{figure_stem(plot.model, plot.metric)}.{kind}"
            written.append(write_atomic(path, render(draw(plot), kind), sync=False))
    return written

"""Figures of a column's width for papers, as PDF and SVG with stable bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.files.atomic import write_atomic
from samplebench.report.axes import scale_axes
from samplebench.report.curves import Plot
from samplebench.report.names import figure_stem
from samplebench.report.paper.table import ARROWS
from samplebench.report.plots import (
    RULE,
    draw_values,
    fit,
    legend_of,
    lines_of,
    render,
    settings,
    unhidden,
)
from samplebench.results.fields import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# Of one of two columns, in inches and points.
_WIDTH, _AXES_HEIGHT, _SIZE = 3.25, 1.9, 8
_EDGE, _BELOW, _TOP = 0.03, 0.36, 0.06  # inches around the axes with their labels
_INK = "black"
_CHANGES = {
    "font.size": _SIZE,
    "axes.labelsize": _SIZE,
    "xtick.labelsize": _SIZE,
    "ytick.labelsize": _SIZE,
    "legend.fontsize": _SIZE,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "axes.labelpad": 2,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "lines.markeredgewidth": 0.8,
    # TrueType, as publishers want it: words of the figure can be searched and copied.
    "pdf.fonttype": 42,
    # The same letters wherever it is opened, whatever fonts are there.
    "svg.fonttype": "path",
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color",
         "xtick.labelcolor", "ytick.labelcolor"),
        _INK,
    ),
}  # fmt: skip
_KINDS = ("pdf", "svg")


def draw_for_paper(plot: Plot) -> Figure:
    """The figure of a plot without title and caption; its legend is below the axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with settings(_CHANGES):
        figure = Figure(figsize=(_WIDTH, _AXES_HEIGHT), facecolor="white")
        axes = figure.add_axes((0.15, 0.2, 0.8, 0.75))
        draw_values(axes, plot, cap=1.5, bar=0.7)
        scale_axes(axes, plot, 72 * (_WIDTH - 0.5), _SIZE)
        axes.grid(True, which="major", color=RULE, linewidth=0.4)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("NFE")
        arrow = f" {ARROWS[plot.better]}" if plot.better else ""
        words = figure.text(0, 0, "")
        fit(words, printable(plot.metric), _AXES_HEIGHT, arrow)
        axes.set_ylabel(words.get_text())
        words.remove()
        legend = _legend(figure, legend_of(_told_apart(plot)))
        renderer = FigureCanvasAgg(figure).get_renderer()
        foot = legend.get_window_extent(renderer).height / figure.dpi + _BELOW
        height = _TOP + _AXES_HEIGHT + foot
        figure.set_size_inches(_WIDTH, height)
        share = _AXES_HEIGHT / height
        axes.set_position((0.15, foot / height, 0.8, share))
        # What the labels need left and right of the axes.
        around, box = axes.get_tightbbox(renderer), axes.get_window_extent(renderer)
        assert around is not None
        left = (box.x0 - around.x0) / figure.dpi + _EDGE
        right = (around.x1 - box.x1) / figure.dpi + _EDGE
        axes.set_position((left / _WIDTH, foot / height, 1 - (left + right) / _WIDTH, share))
    return figure


def _told_apart(plot: Plot) -> Plot:
    """Without what is the same for all curves, which a paper's caption says."""
    if len({curve.detail for curve in plot.curves}) > 1:
        return plot
    return replace(plot, curves=[replace(curve, detail="") for curve in plot.curves])


def _legend(figure: Figure, entries: Sequence[tuple[str, dict[str, Any]]]) -> Legend:
    """The legend at the bottom, in as many columns as have room side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.lines import Line2D

    # What is longer than a line goes on below.
    room, renderer = _WIDTH - 0.5, FigureCanvasAgg(figure).get_renderer()
    labels = ["\n  ".join(lines_of(label, 60, room, _SIZE)) for label, _ in entries]
    for columns in range(min(4, len(entries)), 0, -1):
        legend = figure.legend(
            [Line2D([], [], **look) for _, look in entries],
            list(map(unhidden, labels)),
            loc="lower center",
            bbox_to_anchor=(0.5, 0),
            ncols=columns,
            frameon=False,
            handlelength=2.0,
            handletextpad=0.4,
            columnspacing=0.9,
            labelspacing=0.25,
            borderpad=0.2,
            borderaxespad=0,
        )
        if columns == 1 or legend.get_window_extent(renderer).width <= _WIDTH * figure.dpi:
            break
        legend.remove()
    return legend


def write_paper_figures(plots: Iterable[Plot], folder: Path) -> list[Path]:
    """Write `<model>.<metric>.pdf` and `.svg` of every plot; the same plot gives the same bytes."""
    return [
        write_atomic(
            Path(folder) / f"{figure_stem(plot.model, plot.metric)}.{kind}",
            render(draw_for_paper(plot), kind, _CHANGES),
            sync=False,
        )
        for plot in plots
        for kind in _KINDS
    ]

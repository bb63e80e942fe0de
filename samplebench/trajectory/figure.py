"""The static figure of a truncation error: at the end over NFE, and after every step over sigma."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench.report import looks
from samplebench.report.plots import FAINT, MARGIN, RULE, both, settings, unhidden, wrapped
from samplebench.results.fields import printable
from samplebench.trajectory.names import (
    OWN_ENDS,
    drawable,
    end_looks,
    ends_above,
    grid_of,
    grids_of,
    label_of,
    name_of,
    state_looks,
    steps_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from samplebench.trajectory.result import Spread, Truncation

# Inches; as wide as the figures of a sweep.
_WIDTH, _AXES_HEIGHT = 4.9, 2.9
_LEFT, _RIGHT, _HEAD, _BELOW = 0.76, 0.14, 0.42, 0.56
_LINE, _TITLE, _CAPTION = 14.0 / 72, 0.3, 0.45
_SMALLER = 9 * 1.35 / 72  # a line of the caption, which has two at least
# About as many markers tell lines apart without hiding them.
_MARKERS = 10
_SMALL = {"markersize": 3.5, "linewidth": 1.2}


@dataclass(frozen=True)
class _Line:
    """Errors over x, and how they look."""

    x: Sequence[float]
    errors: Sequence[Spread]
    look: dict[str, Any]


@dataclass(frozen=True)
class _Panel:
    """One set of axes with its legend."""

    title: str
    xlabel: str
    lines: list[_Line]
    legend: list[tuple[str, dict[str, Any]]]

    @property
    def height(self) -> float:
        """Inches."""
        lines = sum(label.count("\n") + 1 for label, _ in self.legend)
        return _HEAD + _AXES_HEIGHT + _BELOW + _LINE * (lines + 0.8)


def draw(result: Truncation) -> Figure:
    """Two panels below each other; of several discretizations the lower one shows the first."""
    from matplotlib.figure import Figure

    panels = [_ends(result), _levels(result)]
    caption = (
        f"N={result.num_samples}, state {result.dtype}. Root mean square over the elements of a "
        "sample; lines: median over samples, bands: quartiles."
        + (f" {OWN_ENDS}" if ends_above(result) else "")
    )
    text = textwrap.wrap(caption, 68)
    height = _TITLE + sum(panel.height for panel in panels) + _CAPTION + _SMALLER * (len(text) - 2)
    with settings():
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        left, top = MARGIN / _WIDTH, height - 0.1
        title = f"Truncation error on {printable(result.model)[:40]}"
        figure.text(left, top / height, title, size=11.5, weight="bold", va="top")
        top -= _TITLE - 0.1
        for panel in panels:
            _draw_panel(figure, panel, top, height)
            top -= panel.height
        figure.text(left, 0.1 / height, "\n".join(text), size=9, color=FAINT, linespacing=1.35)
    return figure


def _ends(result: Truncation) -> _Panel:
    lines, legend = [], []
    for curve, (colour, variant) in zip(result.curves, end_looks(result), strict=True):
        look, runs = _look(colour, variant), curve.points
        lines.append(_Line([run.nfe for run in runs], [run.end for run in runs], look))
        legend.append((wrapped(label_of(curve, result)), look))
    return _Panel("error at the end", "NFE (model evaluations per sample, counted)", lines, legend)


def _levels(result: Truncation) -> _Panel:
    grid, counts, states = grids_of(result)[0], steps_of(result), state_looks(result)
    lines, named = [], []
    for place, curve in enumerate(result.curves):
        for run in curve.points if grid_of(curve) == grid else ():
            levels = [level for level in run.levels if level.sigma > 0]
            look = _look(*states[place, run.steps])
            sigmas = [level.sigma for level in levels]
            lines.append(_Line(sigmas, [level.error for level in levels], look))
            name, steps = name_of(curve), f"{run.steps} steps"
            named.append(
                looks.LegendEntry(name, steps, f"{name}, {steps}", *states[place, run.steps])
            )
    several = f", {grid}" if len(grids_of(result)) > 1 else ""
    title = f"error after every step{several}"
    legend = [(wrapped(label), look) for label, look in _legend(named, counts)]
    return _Panel(title, "noise level σ of the state", lines, legend)


def _legend(
    named: list[looks.LegendEntry], counts: Sequence[int]
) -> list[tuple[str, dict[str, Any]]]:
    """Samplers by colour and step counts by style, where they are; else every line."""
    if not looks.crossed(named):
        return [(each.label, _look(each.colour, each.variant)) for each in named]
    names = dict.fromkeys((each.name, each.colour) for each in named)
    details = {each.detail: each.variant for each in named}
    shown = [(f"{n} steps", details[f"{n} steps"]) for n in counts if f"{n} steps" in details]
    return both(names, shown)


def _look(colour: int, variant: int) -> dict[str, Any]:
    return {"color": looks.hue(colour), **looks.line(colour, variant), **_SMALL}


def _draw_panel(figure: Figure, panel: _Panel, top: float, height: float) -> None:
    """Draws a panel whose upper end is `top` inches above the bottom of the figure."""
    from matplotlib.lines import Line2D

    left = MARGIN / _WIDTH
    figure.text(left, (top - 0.12) / height, panel.title, color=FAINT, va="top")
    foot = top - _HEAD - _AXES_HEIGHT
    width = 1 - (_LEFT + _RIGHT) / _WIDTH
    axes = figure.add_axes((_LEFT / _WIDTH, foot / height, width, _AXES_HEIGHT / height))
    for line in panel.lines:
        kept = [(x, e) for x, e in zip(line.x, line.errors, strict=True) if drawable(e.median)]
        if not kept:
            continue
        x = [x for x, _ in kept]
        every = max(1, len(kept) // _MARKERS)
        axes.plot(x, [error.median for _, error in kept], markevery=every, **line.look)
        # A quartile of zero has no place on a log axis: the band ends at the line.
        low = [drawable(error.low) or error.median for _, error in kept]
        high = [drawable(error.high) or error.median for _, error in kept]
        axes.fill_between(x, low, high, color=line.look["color"], alpha=0.13, linewidth=0)
    if not axes.lines:
        axes.set(xlim=(1, 100), ylim=(0.01, 1))
    _scale(axes)
    axes.set_xlabel(panel.xlabel)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        [Line2D([], [], **look) for _, look in panel.legend],
        [unhidden(text) for text, _ in panel.legend],
        loc="upper left",
        bbox_to_anchor=(0, (foot - _BELOW) / height + 0.1 / height),
        frameon=False,
        handlelength=3.6,
        labelspacing=0.35,
        borderpad=7.2 * MARGIN,
        borderaxespad=0,
    )


def _scale(axes: Axes) -> None:
    """Log axes with plain numbers as labels."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        # Where the axis spans several decades, powers of ten are enough.
        narrow = high / low < 10**2.5
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)

"""Ticks and limits of the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from samplebench.report.curves import Plot
from samplebench.results.fields import number
from samplebench.results.row import STDERR, value

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def spaced(values: Sequence[float], length: float, room: float) -> list[float]:
    """The values that can carry a label on a log axis of `length` points, from the left.

    Args:
        values: positive and sorted.
        length: points that the axis has from the first value to the last.
        room: points a label needs.
    """
    scale = length / max(math.log(values[-1] / values[0]), 1e-9)
    kept: list[float] = []
    for one in values:
        if not kept or math.log(one / kept[-1]) * scale >= room:
            kept.append(one)
    return kept


def _value_ticks(low: float, high: float) -> list[float]:
    """Round numbers in [low, high]; the coarsest of four rules that gives at least three."""
    from matplotlib.ticker import MaxNLocator

    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [m * 10.0**d for d in decades for m in steps if low <= m * 10.0**d <= high]
        if len(ticks) >= 3:
            return ticks
    return [float(t) for t in MaxNLocator(5).tick_values(low, high) if low <= t <= high]


def tick_text(tick: float, largest: float) -> str:
    """A tick's label, e.g. "0.35", or "3.5e-4" where `largest` is below 1e-3."""
    if abs(tick) < 1e-9 * abs(largest):
        tick = 0.0  # what the locator's rounding leaves of it
    if tick and not 1e-3 <= abs(largest) < 1e6:
        mantissa, _, exponent = f"{tick:.5e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{tick:.6g}"


def scale_axes(axes: Axes, plot: Plot, length: float, size: float = 10) -> None:
    """Axes that fit the plot, log where its values are, with ticks at the NFE that occur.

    Args:
        axes: to be changed.
        plot: whose points are in the axes.
        length: points from the left end of the NFE axis to its right end.
        size: of the letters, in points.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    rows = [row for curve in plot.curves for row in curve.rows]
    values = [value(row, plot.metric) for row in rows]
    errors = [number(row.get(plot.metric + STDERR)) or 0.0 for row in rows]
    axes.set(xscale="log")
    if plot.log:
        ends = [end for level in plot.levels for end in level.ends(plot.log)]
        low = min([v - e for v, e in zip(values, errors, strict=True)] + ends) / 1.12
        high = max([v + e for v, e in zip(values, errors, strict=True)] + ends) * 1.12
        axes.set(yscale="log", ylim=(low, high))
        axes.yaxis.set_major_locator(FixedLocator(_value_ticks(low, high)))
        axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.yaxis.set_major_formatter(
        # On a plain axis all ticks are written alike, as the largest is.
        FuncFormatter(
            lambda tick, _: tick_text(tick, tick if plot.log else max(map(abs, axes.get_ylim())))
        )
    )

    nfe = sorted({value(row, "nfe") for row in rows})
    axes.set_xlim(nfe[0] / 1.15, nfe[-1] * 1.15)
    inner = length * math.log(nfe[-1] / nfe[0]) / math.log(1.15**2 * nfe[-1] / nfe[0])
    axes.xaxis.set_major_locator(
        FixedLocator(spaced(nfe, inner, 0.6 * size * len(f"{nfe[-1]:g}") + size / 2))
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axes.xaxis.set_minor_locator(FixedLocator(nfe))
    axes.xaxis.set_minor_formatter(NullFormatter())

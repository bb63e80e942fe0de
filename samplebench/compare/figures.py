"""A comparison's curves as static figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from samplebench.compare.comparison import Comparison
from samplebench.compare.curves import SideCurve, curves_in, levels_in
from samplebench.compare.side import Side
from samplebench.report.curves import Plot, StyledCurve
from samplebench.report.levels import ExactLevel


def plots_of_sides(comparison: Comparison) -> list[Plot]:
    """For each metric and protocol the curves of all sides, with the looks of the page.

    The plot's `model` is the protocol.
    """
    plots = []
    for metric in comparison.metrics:
        curves = curves_in(comparison.sides, metric)
        better = comparison.better[metric] or None
        for protocol in dict.fromkeys(curve.protocol for curve in curves):
            own = [_styled(curve) for curve in curves if curve.protocol == protocol]
            levels = _apart(levels_in(comparison.sides, metric, better or "", protocol))
            plots.append(Plot(protocol, metric, own, "", better, levels))
    return plots


def _apart(levels: Iterable[tuple[Side, ExactLevel]]) -> list[ExactLevel]:
    """Each line once, though several sides have it; where there are more, with its side."""
    found = {(one.label, one.value, one.error): (side, one) for side, one in reversed(list(levels))}
    if len(found) == 1:
        return [one for _, one in found.values()]
    return [
        replace(one, label=f"{side.label}: {one.label}") for side, one in reversed(found.values())
    ]


def _styled(curve: SideCurve) -> StyledCurve:
    name, detail = curve.label, curve.own.detail
    if detail:
        name = name.removesuffix(f", {detail}")
    return replace(
        curve.own, name=name, colour=curve.colour, variant=curve.variant, rows=curve.rows
    )

"""A comparison's curves as static figures."""

from __future__ import annotations

from dataclasses import replace

from samplebench.compare.comparison import Comparison
from samplebench.compare.curves import SideCurve, curves_in
from samplebench.report.curves import Plot, StyledCurve


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
            plots.append(Plot(protocol, metric, own, "", better))
    return plots


def _styled(curve: SideCurve) -> StyledCurve:
    name, detail = curve.label, curve.own.detail
    if detail:
        name = name.removesuffix(f", {detail}")
    return replace(
        curve.own, name=name, colour=curve.colour, variant=curve.variant, rows=curve.rows
    )

"""Published values beside the curves of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from samplebench.compare.curves import SideCurve
from samplebench.report.chart import Series
from samplebench.report.overlay import OTHER_MARKER, links, overlay
from samplebench.report.sweep import figure_key


def published(curves: Sequence[SideCurve], metric: str, figure: str) -> list[Series]:
    """The published points of the curves' models, each model's beside the first side that has it.

    Args:
        curves: of one protocol.
        metric: of the figure.
        figure: its key.
    """
    seen: set[str] = set()
    made = []
    for side in dict.fromkeys(curve.side.label for curve in curves):
        own = [curve for curve in curves if curve.side.label == side]
        models = {row["model"] for curve in own for row in curve.rows} - seen
        seen |= models
        keys = {figure_key(model, metric) for model in models}
        looks = {(c.own.colour, c.own.variant + OTHER_MARKER): c for c in own}
        for series in _overlaid(own, models):
            # Of another metric, or beside a curve of another protocol.
            curve = looks.get((series.colour, series.variant))
            if series.figure in keys and curve is not None:
                variant = curve.variant + OTHER_MARKER
                made.append(replace(series, figure=figure, colour=curve.colour, variant=variant))
    return made


def _overlaid(curves: Sequence[SideCurve], models: Iterable[str]) -> list[Series]:
    side = curves[0].side
    return overlay(replace(side.view, rows=list(side.rows)), links(models))

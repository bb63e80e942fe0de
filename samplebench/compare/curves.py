"""The curves of all sides, how each looks, and their exact draws."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from samplebench.compare.side import Side
from samplebench.report.curves import StyledCurve, curves_of, drawable
from samplebench.report.levels import ExactLevel, levels_of
from samplebench.report.looks import apart
from samplebench.results.fields import called
from samplebench.results.row import Row


@dataclass(frozen=True)
class SideCurve:
    """What one line joins: points of one side, model, sampler, protocol and all else.

    Attributes:
        side: whose it is.
        label: of the side and, as a report has it, of the curve.
        rows: by increasing NFE, of `side.rows`.
        colour: of the folder and the sampler.
        variant: of the folder and the further settings.
        own: the curve as the side's own report has it.
    """

    side: Side
    label: str
    rows: list[Row]
    colour: int
    variant: int
    own: StyledCurve

    @property
    def protocol(self) -> str:
        return self.rows[0]["protocol"]


def curves_in(sides: Sequence[Side], metric: str) -> list[SideCurve]:
    """Every curve with a point that has a finite value and an NFE; equal curves look alike
    whatever the metric."""
    found = [(side, model, curve) for side in sides for model, curve in _curves(side)]
    colours = list(dict.fromkeys((side.label, curve.name) for side, _, curve in found))
    variants = list(dict.fromkeys(_variant(*each) for each in found))
    looks = apart(
        [
            (colours.index((each[0].label, each[2].name)), variants.index(_variant(*each)))
            for each in found
        ]
    )
    made = []
    for (side, model, curve), look in zip(found, looks, strict=True):
        rows = [row for row in curve.rows if drawable(row, metric)]
        several = len({called(row, "model") for row in side.rows}) > 1
        label = (
            f"{side.label}: {model} {curve.label}" if several else f"{side.label}: {curve.label}"
        )
        if rows:
            made.append(SideCurve(side, label, rows, *look, curve))
    return made


def levels_in(
    sides: Sequence[Side], metric: str, better: str, protocol: str
) -> list[tuple[Side, ExactLevel]]:
    """The exact draws of every side under a protocol."""
    return [
        (side, replace(level, label=f"{model}{level.label}"))
        for side in sides
        for model, rows in _by_model(side, protocol)
        for level in levels_of(rows, metric, better or None)
    ]


def _by_model(side: Side, protocol: str) -> list[tuple[str, list[Row]]]:
    """The rows of a side under a protocol, after what labels say of their model."""
    found: dict[str, list[Row]] = {}
    for row in side.rows:
        if row["protocol"] == protocol:
            found.setdefault(row["model"], []).append(row)
    several = len({called(row, "model") for row in side.rows}) > 1
    return [(f"{called(rows[0], 'model')} " * several, rows) for rows in found.values()]


def _curves(side: Side) -> list[tuple[str, StyledCurve]]:
    """(model, curve); a line never joins two models."""
    view, rows = replace(side.view, rows=list(side.rows)), side.rows
    models = dict.fromkeys((row["model"], called(row, "model")) for row in rows)
    return [
        (label, curve)
        for model, label in models
        for curve in curves_of([row for row in rows if row["model"] == model], view)
    ]


def _variant(side: Side, model: str, curve: StyledCurve) -> Hashable:
    return side.label, model, curve.variant

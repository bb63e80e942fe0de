"""Group rows into curves and say how each looks; needs the standard library only."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from samplebench.bench.view import View
from samplebench.report.fields import (
    CONDITIONS,
    Row,
    alias_of,
    condition_label,
    grid_label,
    hashes_of,
    metrics_of,
    number,
    order_of,
    printable,
    rho_label,
    sampler_label,
)

# (on white, on near-black). Each column keeps a contrast of 3:1 to its background and its members
# at least 23 apart in CIELAB as seen with protanopia or deuteranopia.
PALETTE = (
    ("#0b4a9e", "#7fa8ff"),
    ("#d17a00", "#dd8400"),
    ("#12a06e", "#3ddc97"),
    ("#b86fc0", "#c2419c"),
    ("#7d2308", "#96794f"),
    ("#262626", "#ececec"),
    ("#4f7dff", "#6a5cff"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 2, 1, 2)), (0, (8, 2, 2, 2)))


@dataclass(frozen=True)
class Curve:
    """The points that one line joins, by increasing NFE, and the line's look."""

    name: str  # sampler with its parameters
    detail: str  # what else tells it apart: rho, discretization, conditions; may be ""
    colour: int  # counts samplers with their parameters
    variant: int  # counts discretizations, rho and conditions
    rows: list[Row]

    @property
    def label(self) -> str:
        return f"{self.name}, {self.detail}" if self.detail else self.name

    @property
    def hollow(self) -> bool:
        """Past the palette's end the colours repeat with hollow markers."""
        return self.colour // len(PALETTE) % 2 == 1

    @property
    def hue(self) -> str:
        return PALETTE[self.colour % len(PALETTE)][0]

    @property
    def look(self) -> dict[str, Any]:
        """Properties of the line for matplotlib, but for its colour."""
        return {
            "marker": MARKERS[self.variant % len(MARKERS)],
            "linestyle": DASHES[self.variant % len(DASHES)],
            "fillstyle": "none" if self.hollow else "full",
        }


@dataclass(frozen=True)
class Plot:
    """One figure: a metric over NFE for one model."""

    model: str
    metric: str
    curves: list[Curve]
    caption: str


def _variant(row: Row) -> tuple[Hashable, ...]:
    return (row.get("discretization"), row.get("rho"), *(row.get(key) for key in CONDITIONS))


def _colour(row: Row) -> tuple[Hashable, ...]:
    return (row.get("sampler"), row.get("params"))


def _varying(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    return [key for key in keys if len({row.get(key) for row in rows}) > 1]


def curves_of(rows: Sequence[Row], view: View) -> list[Curve]:
    """Curves of one model; nothing but points of equal conditions share a curve.

    Colours and markers count over all rows of `view`, so they agree between its figures.
    """
    colours = list(dict.fromkeys(map(_colour, view.rows)))
    variants = list(dict.fromkeys(map(_variant, view.rows)))
    groups: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((colours.index(_colour(row)), variants.index(_variant(row))), []).append(
            row
        )
    several = bool(_varying(rows, ["discretization"]))
    differing = _varying(rows, CONDITIONS)
    made = []
    for (colour, variant), group in sorted(groups.items(), key=lambda item: item[0]):
        first = group[0]
        # One of all its points: what is clipped at few steps is itself again at many.
        (alias, *others) = {alias_of(row, view.cells) for row in group}
        alias = None if others else alias
        name = sampler_label(first) + (f" (computed as {printable(alias)})" if alias else "")
        parts = [
            grid_label(first, "ρ") if several else rho_label(first, "ρ"),
            *(condition_label(key, [first.get(key)]) for key in differing),
        ]
        detail = ", ".join(part for part in parts if part)
        made.append(Curve(name, detail, colour, variant, sorted(group, key=order_of)))
    return made


def _drawable(row: Row, metric: str) -> bool:
    value = number(row.get(metric))
    return value is not None and value > 0 and (number(row.get("nfe")) or 0) > 0


def plots_of(view: View) -> list[Plot]:
    """One plot for each model and metric that has a point, by first appearance."""
    plots = []
    for model in dict.fromkeys(row.get("model") for row in view.rows):
        for metric in metrics_of(view.rows):
            rows = [r for r in view.rows if r.get("model") == model and r.get(metric) is not None]
            shown = [row for row in rows if _drawable(row, metric)]
            if shown:
                caption = _caption(shown, view, len(rows) - len(shown))
                plots.append(Plot(str(model), metric, curves_of(shown, view), caption))
    return plots


def _caption(rows: Sequence[Row], view: View, left_out: int) -> str:
    grids = list(dict.fromkeys(printable(row.get("discretization")) for row in rows))
    references = references_of(rows, view)
    facts = [
        *conditions_of(rows, ("num_samples", "protocol")),
        *([f"reference {' or '.join(references)}"] if references else []),
        *([f"discretization {grids[0]}"] if len(grids) == 1 else []),
        *conditions_of(rows, ("repeats", "seed", "dtype")),
    ]
    text = "; ".join(facts) + ". Error bars: ± 1 standard error."
    if left_out:
        text += f" Not drawn: {left_out} without a positive finite value."
    return text


def conditions_of(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """For each condition what holds in the rows, e.g. "protocol digits or digits-half"."""
    return [condition_label(key, list(dict.fromkeys(r.get(key) for r in rows))) for key in keys]


def references_of(rows: Sequence[Row], view: View) -> list[str]:
    """Names of the reference statistics behind the rows."""
    records = [view.cells.get(key, {}) for row in rows for key in hashes_of(row)]
    names = [(r.get("conditions", {}).get("reference") or {}).get("id") for r in records]
    return list(dict.fromkeys(printable(name) for name in names if name))

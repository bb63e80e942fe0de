"""Group rows into curves and say how each looks; needs the standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from samplebench.report import looks
from samplebench.report.best import direction
from samplebench.report.levels import ExactLevel, levels_of
from samplebench.report.looks import DASHES as DASHES
from samplebench.report.looks import MARKERS as MARKERS
from samplebench.report.looks import PALETTE as PALETTE
from samplebench.results.fields import (
    CONDITIONS,
    alias_of,
    called,
    condition_label,
    grid_label,
    metrics_of,
    number,
    order_of,
    printable,
    reference_name,
    rho_label,
    sampler_label,
    unevaluated,
)
from samplebench.results.row import STDERR, Row, value
from samplebench.results.view import View


@dataclass(frozen=True)
class StyledCurve:
    """The points that one line joins, by increasing NFE, and the line's look."""

    name: str  # sampler with its parameters
    detail: str  # what else tells it apart: rho, discretization, conditions; may be ""
    colour: int  # hue and filling, see `looks`; of the sampler with its parameters
    variant: int  # marker and dash; of discretization, rho and conditions
    rows: list[Row]

    @property
    def label(self) -> str:
        return f"{self.name}, {self.detail}" if self.detail else self.name

    @property
    def hollow(self) -> bool:
        return looks.hollow(self.colour)

    @property
    def hue(self) -> str:
        return looks.hue(self.colour)

    @property
    def look(self) -> dict[str, Any]:
        """Properties of the line for matplotlib, but for its colour."""
        return looks.line(self.colour, self.variant)


@dataclass(frozen=True)
class Plot:
    """One figure: a metric over NFE for one model."""

    model: str
    metric: str
    curves: list[StyledCurve]
    caption: str
    better: str | None
    levels: list[ExactLevel] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The models, as readers are told them."""
        return ", ".join(dict.fromkeys(called(curve.rows[0], "model") for curve in self.curves))

    @property
    def log(self) -> bool:
        """Whether its values belong on a log axis: distances do, where all are positive, and so
        are the lower ends of their error bars."""
        rows = [row for curve in self.curves for row in curve.rows]
        errors = (number(row.get(self.metric + STDERR)) or 0.0 for row in rows)
        low = (value(row, self.metric) - error for row, error in zip(rows, errors, strict=True))
        return self.better != "higher" and all(one > 0 for one in low)


def _variant(row: Row, conditions: Sequence[str]) -> tuple[Hashable, ...]:
    where = called(row, "discretization")
    return (where, row.get("rho"), *(row.get(key) for key in conditions))


def _colour(row: Row) -> tuple[Hashable, ...]:
    return (called(row, "sampler"), row.get("params"))


def _varying(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    return [key for key in keys if len({row.get(key) for row in rows}) > 1]


def _telling(view: View) -> list[str]:
    """The conditions in which rows of one model differ. Each model has figures of its own, in which
    those that follow from the model alone (its dtype, its reference) tell nothing apart."""
    by_model: dict[str | None, list[Row]] = defaultdict(list)
    for row in view.rows:
        by_model[row.get("model")].append(row)
    return [key for key in CONDITIONS if any(_varying(rows, [key]) for rows in by_model.values())]


def _looks_of(
    view: View, conditions: Sequence[str]
) -> dict[tuple[Hashable, Hashable], tuple[int, int]]:
    """(colour, variant) of every curve of the view, sampler by sampler; exact draws are none, and
    take no look from one."""
    rows = sorted(view.rows, key=unevaluated)
    colours = list(dict.fromkeys(map(_colour, rows)))
    variants = list(dict.fromkeys(_variant(row, conditions) for row in rows))
    pairs = dict.fromkeys((_colour(row), _variant(row, conditions)) for row in view.rows)
    places = {
        (colours.index(colour), variants.index(variant)): (colour, variant)
        for colour, variant in pairs
    }
    wanted = sorted(places)
    return {places[p]: look for p, look in zip(wanted, looks.apart(wanted), strict=True)}


def curves_of(rows: Sequence[Row], view: View, symbol: str = "ρ") -> list[StyledCurve]:
    """Curves of one model; nothing but points of equal conditions share a curve.

    Looks are those among all rows of `view`, so they agree between its figures.
    """
    conditions = _telling(view)
    styles = _looks_of(view, conditions)
    groups: dict[tuple[Hashable, Hashable], list[Row]] = {}
    for row in rows:
        groups.setdefault((_colour(row), _variant(row, conditions)), []).append(row)
    several = len({called(row, "discretization") for row in rows if not unevaluated(row)}) > 1
    differing = _varying(rows, CONDITIONS)
    made = []
    for pair in filter(groups.__contains__, styles):
        group = groups[pair]
        first = group[0]
        # One of all its points: what is clipped at few steps is itself again at many.
        (alias, *others) = {alias_of(row, view.records_of(row)) for row in group}
        alias = None if others else alias
        name = sampler_label(first) + (f" (computed as {printable(alias)})" if alias else "")
        parts = [
            grid_label(first, symbol) if several else rho_label(first, symbol),
            *(condition_label(key, [first.get(key)]) for key in differing),
        ]
        detail = ", ".join(part for part in parts if part)
        made.append(StyledCurve(name, detail, *styles[pair], sorted(groups[pair], key=order_of)))
    return made


def drawable(row: Row, metric: str) -> bool:
    """Whether a row has a finite value of the metric, and an NFE."""
    return number(row.get(metric)) is not None and (number(row.get("nfe")) or 0) > 0


def plots_of(view: View) -> list[Plot]:
    """One plot for each metric and model that has a point, by first appearance."""
    plots = []
    for metric in metrics_of(view.rows):
        for model in dict.fromkeys(row.get("model") for row in view.rows):
            rows = [r for r in view.rows if r.get("model") == model and r.get(metric) is not None]
            shown = [row for row in rows if drawable(row, metric)]
            if shown:
                better = direction(metric, view)
                levels = levels_of(rows, metric, better)
                caption = _caption(shown, metric, len(rows) - len(shown) - len(levels))
                curves = curves_of(shown, view)
                plots.append(Plot(str(model), metric, curves, caption, better, levels))
    return plots


def _caption(rows: Sequence[Row], metric: str, left_out: int) -> str:
    grids = list(dict.fromkeys(called(row, "discretization") for row in rows))
    references = references_of(rows)
    facts = [
        *conditions_of(rows, ("num_samples", "protocol")),
        *([f"reference {' or '.join(references)}"] if references else []),
        *([f"discretization {grids[0]}"] if len(grids) == 1 else []),
        *(conditions_of(rows, ("guidance",)) if any(row.get("guidance") for row in rows) else []),
        *conditions_of(rows, ("repeats", "seed", "dtype")),
    ]
    bars = "Error bars: ± 1 standard error." if barred(rows, metric) else "Without error bars."
    text = f"{'; '.join(facts)}. {bars}"
    if left_out:
        text += f" Not drawn: {left_out} without a finite value."
    return text


def barred(rows: Iterable[Row], metric: str) -> bool:
    """Whether a value of the metric has an error bar."""
    return any(number(row.get(metric + STDERR)) is not None for row in rows)


def conditions_of(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """For each condition what holds in the rows, e.g. "protocol digits or digits-half"."""
    return [condition_label(key, list(dict.fromkeys(r.get(key) for r in rows))) for key in keys]


def references_of(rows: Iterable[Row]) -> list[str]:
    """The reference statistics behind the rows: their names, with the hash where two share one."""
    labels = list(dict.fromkeys(row["reference"] for row in rows if row.get("reference")))
    names = list(dict.fromkeys(map(reference_name, labels)))
    return list(map(printable, names if len(names) == len(labels) else labels))

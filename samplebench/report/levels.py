"""Values without evaluations: horizontal lines beside the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.catalog import catalog
from samplebench.results.fields import (
    CONDITIONS,
    called,
    condition_label,
    number,
    reference_name,
    unevaluated,
)
from samplebench.results.row import STDERR, Row, value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = "exact draws"
LINE: dict[str, Any] = {"color": "#5d636e", "linestyle": (0, (5, 2)), "linewidth": 1.3}
_BAND: dict[str, Any] = {"color": "#5d636e", "alpha": 0.16, "linewidth": 0}


@dataclass(frozen=True)
class ExactLevel:
    """A value that belongs to every NFE.

    Attributes:
        name: what the draws are called: their sampler's label, where it has one.
        label: in the legend.
        floor: whether no sampler is better but by chance: of a distance to the model's own law.
        row: it is of.
        metric: it is a value of.
    """

    name: str
    label: str
    floor: bool
    row: Row
    metric: str

    @property
    def value(self) -> float:
        return value(self.row, self.metric)

    @property
    def error(self) -> float:
        """Its standard error, 0 where there is none."""
        return number(self.row.get(self.metric + STDERR)) or 0.0

    def ends(self, log: bool) -> list[float]:
        """What of it and its band an axis should have room for."""
        found = [self.value - self.error, self.value, self.value + self.error]
        return [one for one in found if one > 0 or not log]


def levels_of(rows: Sequence[Row], metric: str, better: str | None) -> list[ExactLevel]:
    """One for each row of exact draws, told apart by the conditions in which they differ."""
    found = [row for row in rows if unevaluated(row) and number(row.get(metric)) is not None]
    differing = [key for key in CONDITIONS if len({row.get(key) for row in found}) > 1]
    levels = []
    for row in found:
        floor = better == "lower" and _of_own_law(row)
        labels = row.get("called", {})
        name = called(row, "sampler") if "sampler" in labels else _NAME
        told = (condition_label(key, [row.get(key)]) for key in differing)
        label = ", ".join([f"{name} (floor)" if floor else name, *told])
        levels.append(ExactLevel(name, label, floor, row, metric))
    return levels


def _of_own_law(row: Row) -> bool:
    """Whether a row's reference is what the catalogue has of its model: for one in closed form, of
    draws of its own. To other images the model itself has a distance."""
    known = catalog().get(str(row.get("model")))
    return known is not None and known.reference == reference_name(str(row.get("reference")))


def draw_level(axes: Axes, level: ExactLevel) -> None:
    """The line and the band of one standard error, all along the horizontal axis."""
    axes.axhline(level.value, zorder=1.5, **LINE)
    axes.axhspan(level.value - level.error, level.value + level.error, zorder=0.9, **_BAND)

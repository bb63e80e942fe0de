"""Values without evaluations: horizontal lines beside the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samplebench.results.fields import CONDITIONS, condition_label, number, unevaluated
from samplebench.results.row import STDERR, Row, value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "exact draws"
# What these are to a sampler's values, by which way is better.
_ROLES = {"lower": "floor", "higher": "ceiling"}
LINE = {"color": "#5d636e", "linestyle": (0, (5, 2)), "linewidth": 1.3}
_BAND = {"color": "#5d636e", "alpha": 0.16, "linewidth": 0}


@dataclass(frozen=True)
class Level:
    """A value that belongs to every NFE.

    Attributes:
        label: in the legend.
        role: "floor", "ceiling", or "" where neither way is better.
        row: it is of.
        metric: it is a value of.
    """

    label: str
    role: str
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


def levels_of(rows: Sequence[Row], metric: str, better: str | None) -> list[Level]:
    """One for each row of exact draws, told apart by the conditions in which they differ."""
    found = [row for row in rows if unevaluated(row) and number(row.get(metric)) is not None]
    role = _ROLES.get(better or "", "")
    name = f"{NAME} ({role})" if role else NAME
    differing = [key for key in CONDITIONS if len({row.get(key) for row in found}) > 1]
    labels = [
        ", ".join([name, *(condition_label(key, [row.get(key)]) for key in differing)])
        for row in found
    ]
    return [Level(label, role, row, metric) for label, row in zip(labels, found, strict=True)]


def draw_level(axes: Axes, level: Level) -> None:
    """The line and the band of one standard error, all along the horizontal axis."""
    axes.axhline(level.value, zorder=1.5, **LINE)
    axes.axhspan(level.value - level.error, level.value + level.error, zorder=0.9, **_BAND)

"""Which published values a line may join, and which are one thing measured more than once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from samplebench.published.record import PrintedSetting, Published


class LineKey(NamedTuple):
    """What all points of a line share; no component is empty."""

    setting: PrintedSetting
    source: str
    measured: str
    certainty: str


@dataclass(frozen=True)
class Line:
    """Values of one setting from one source, by increasing NFE."""

    key: LineKey
    rows: Sequence[Published]


@dataclass(frozen=True)
class Band:
    """Values of one setting at one NFE, from any source.

    Attributes:
        setting: shared by all of them.
        nfe: likewise.
        low, high: the least and the greatest FID.
        rows: at least two.
    """

    setting: PrintedSetting
    nfe: int
    low: float
    high: float
    rows: Sequence[Published]


def line_key(row: Published) -> LineKey:
    """Rows of equal keys may be joined."""
    return LineKey(row.setting, row.source, ", ".join(row.measured) or "as stated", row.certainty)


def lines(rows: Iterable[Published]) -> list[Line]:
    """Rows that have an NFE, as lines; many are a single point."""
    groups: dict[LineKey, list[Published]] = {}
    for row in rows:
        if row.nfe is not None:
            groups.setdefault(line_key(row), []).append(row)
    return [Line(key, sorted(group, key=_nfe)) for key, group in groups.items()]


def bands(rows: Iterable[Published]) -> list[Band]:
    """Repeated measurements: at least two values of one setting at one NFE.

    Who measured, how often, and how sure the value is does not count here: their spread is what
    a band shows. Bounds (">100") and rows without NFE are left out.
    """
    groups: dict[tuple[PrintedSetting, int], list[tuple[float, Published]]] = {}
    for row in rows:
        if row.nfe is not None and row.fid is not None:
            groups.setdefault((row.setting, row.nfe), []).append((row.fid, row))
    return [
        Band(
            setting,
            nfe,
            min(fid for fid, _ in group),
            max(fid for fid, _ in group),
            [row for _, row in group],
        )
        for (setting, nfe), group in groups.items()
        if len(group) > 1
    ]


def _nfe(row: Published) -> int:
    assert row.nfe is not None
    return row.nfe

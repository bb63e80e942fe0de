"""Points that one side alone has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from samplebench.regression import verdict as status
from samplebench.regression.changes import alone, bounds
from samplebench.regression.points import CONDITIONS, SEEDS, CurvePoint, counterparts
from samplebench.regression.tolerance import Rules
from samplebench.regression.verdict import Verdict
from samplebench.results.fields import metrics_of


def differing(
    lacking: Sequence[CurvePoint], extra: Sequence[CurvePoint], by_seed: bool
) -> list[tuple[CurvePoint, CurvePoint, str]]:
    """Pairs that are one point under other conditions, and in what these differ."""
    pairs = counterparts(lacking, extra)
    return [(old, new, _difference(old, new, by_seed)) for old, new in pairs]


def added(point: CurvePoint, rules: Rules, concerned: Iterable[str], note: str = "") -> Verdict:
    """Of a point that the baseline lacks: it may be there, but not without a value.

    Args:
        concerned: metrics that its model has.
        note: what is said of it.
    """
    lacking, outside = alone(point), bounds(None, point, rules, concerned)
    valued = any(point.value(metric) is not None for metric in metrics_of(point.rows))
    if lacking or not valued:
        return Verdict(status.NO_VALUE, point, note or "new", tuple(lacking))
    if outside:
        return Verdict(status.OUTSIDE, point, note or "new", tuple(outside))
    return Verdict(status.NEW, point, note)


def _difference(old: CurvePoint, new: CurvePoint, by_seed: bool) -> str:
    """What tells a point from the one that is there in its place."""
    compared = (*CONDITIONS, *SEEDS) if by_seed else CONDITIONS
    columns = [column for column in compared if old.row.get(column) != new.row.get(column)]
    if not (old.row["reference"] and new.row["reference"]):
        # Older tables do not say it.
        columns = [column for column in columns if column != "reference"]
    text = ", ".join(
        f"{column} {_word(old.row.get(column))} -> {_word(new.row.get(column))}"
        for column in columns
    )
    if set(columns) <= set(SEEDS):
        text += "; use --tolerance 3sigma to compare other seeds"
    return text


def _word(value: object) -> str:
    return "none" if value in (None, "") else str(value)

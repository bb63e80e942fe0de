"""Verdicts as the rows of a table: one line per number that was compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from samplebench.regression.verdict import BETTER, Change, Verdict
from samplebench.results.row import COUNTED, STDERR


def lines(
    verdicts: Sequence[Verdict],
    words: Mapping[str, str] | None = None,
    before: Sequence[Mapping[str, object]] = (),
) -> list[dict[str, object]]:
    """Of equal keys; columns that are empty throughout are left out.

    A row that moved shows what moved, one that did not its values.

    Args:
        verdicts: at least one.
        words: other names of statuses.
        before: further columns of each verdict, of equal keys, which stand first.
    """
    found: list[dict[str, object]] = []
    for place, verdict in enumerate(verdicts):
        values = [change for change in verdict.changes if _is_value(change)]
        for change in verdict.moves or values or (None,):
            found.append(
                {
                    **(before[place] if before else {}),
                    "status": (words or {}).get(verdict.status, verdict.status),
                    **{column: _short(value) for column, value in verdict.columns.items()},
                    **_numbers(change),
                    "note": "; ".join(filter(None, [*_said(change, verdict), verdict.note])),
                }
            )
    used = [key for key in (found[0] if found else ()) if any(_filled(line[key]) for line in found)]
    return [{key: line[key] for key in used} for line in found]


def plain(verdict: Verdict) -> dict[str, object]:
    """For JSON."""
    return {
        "status": verdict.status,
        **verdict.columns,
        "reference": verdict.row["reference"],
        "detail": verdict.detail,
        "changes": [change.plain() for change in verdict.changes],
    }


def _said(change: Change | None, verdict: Verdict) -> tuple[str, ...]:
    """Of a move which way it went, where the status does not say it, and the rule that it broke."""
    if change is None or not change.moved:
        return ()
    return ("" if verdict.status == BETTER else change.course, change.why())


def _numbers(change: Change | None) -> dict[str, str]:
    keys = ("value", "old", "new", "change", "sigma")
    if change is None:
        return dict.fromkeys(keys, "")
    same = change.old == change.new
    figures = ("", "") if same else (change.percent(), change.sigmas())
    return dict(zip(keys, (change.column, *change.pair(), *figures), strict=True))


def _short(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _is_value(change: Change) -> bool:
    return change.column not in COUNTED and not change.column.endswith(STDERR)


def _filled(value: object) -> bool:
    return value is not None and value != ""

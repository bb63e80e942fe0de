"""Whether a curve moved: every point of the baseline against the current one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from samplebench.errors import InputError, UsageError
from samplebench.regression import verdict as status
from samplebench.regression.conditions import causes, differences
from samplebench.regression.points import CONDITIONS, SEEDS, Point, counterpart, points
from samplebench.regression.rows import Table
from samplebench.regression.statistical import decide
from samplebench.regression.summary import Summary
from samplebench.regression.tolerance import SAME_PLATFORM, SIGMA, Rule, Rules, default_rule
from samplebench.regression.verdict import Change, Verdict
from samplebench.report.fields import STDERR, metrics_of

_EXACT = Rule("relative", SAME_PLATFORM, f"{SAME_PLATFORM:g}")


@dataclass(frozen=True)
class Gate:
    """How two tables are compared.

    Attributes:
        rules: of --tolerance.
        better: metric -> "lower" or "higher": moves that way do not fail; empty: both do.
        subset: whether rows of the baseline may be left out.
        retrained: whether the checkpoint may be another file, of the same training.
    """

    rules: Rules = field(default_factory=Rules)
    better: Mapping[str, str] = field(default_factory=dict)
    subset: bool = False
    retrained: bool = False


def compare(current: Table, baseline: Table, gate: Gate) -> Summary:
    """Verdicts in the order of the baseline, new rows last.

    Raises:
        UsageError: a metric of other seeds has no rule that can compare it.
        InputError: nothing can be compared, or a part of a sweep that has not ended.
    """
    by_seed = not gate.rules.statistical
    if gate.retrained and by_seed:
        raise UsageError(
            "--retrained compares other weights, whose samples are others; add --tolerance 3sigma"
        )
    now = points(current, by_seed=by_seed)
    then = points(baseline, by_seed=by_seed)
    pairs = [(point, now[key]) for key, point in then.items() if key in now]
    extra = [point for key, point in now.items() if key not in then]
    found: dict[int, Verdict] = {}
    comparable = []
    for old, new in pairs:
        if reasons := _reasons(old, new, gate):
            found[id(old)] = Verdict(status.DIFFER, old.columns, reasons)
        else:
            comparable.append((old, new))
    compared = [_changes(old, new, gate.rules, by_seed) for old, new in comparable]
    changes, families = decide(comparable, compared)
    for (old, new), numbers in zip(comparable, changes, strict=True):
        found[id(old)] = _verdict(old, new, numbers, gate)
    for old in then.values():
        if id(old) not in found and (other := counterpart(old, extra)) is not None:
            extra.remove(other)
            found[id(old)] = Verdict(status.DIFFER, old.columns, _other(old, other, by_seed))
    lacking = [old for old in then.values() if id(old) not in found]
    if gate.subset:
        _check_subset(current, baseline, found)
    else:
        found |= {id(old): Verdict(status.MISSING, old.columns) for old in lacking}
    verdicts = [found[id(old)] for old in then.values() if id(old) in found]
    return Summary(
        [*verdicts, *(Verdict(status.NEW, point.columns) for point in extra)],
        families,
        left_out=len(lacking) if gate.subset else 0,
        platforms=_platforms(current, baseline),
    )


def _platforms(current: Table, baseline: Table) -> tuple[str, str] | None:
    """Those of baseline and results, where they are known and differ."""
    here, there = current.platforms, baseline.platforms
    if not here or not there or here == there:
        return None
    return ", ".join(sorted(there)), ", ".join(sorted(here))


def _check_subset(current: Table, baseline: Table, found: Mapping[int, Verdict]) -> None:
    """A part that is empty, or that grows still, would pass without having been looked at."""
    if current.pending:
        raise InputError(
            f"{current.source} is not finished ({current.pending} cells are missing); run its "
            "sweep to the end, then compare a part"
        )
    if not found:
        raise InputError(f"no row of {baseline.source} is in {current.source}; nothing to compare")


def _reasons(old: Point, new: Point, gate: Gate) -> str:
    """Why two points of equal columns may not be compared; "" if they may."""
    by_seed = not gate.rules.statistical
    if by_seed and old.row["cell"] == new.row["cell"]:
        return ""
    then, now = old.origins, new.origins
    if then is None or now is None:
        if not by_seed and {r["cell"] for r in old.rows} == {r["cell"] for r in new.rows}:
            return ""
        table, mend = (
            (old.table, "make it again from a results folder, with --update")
            if then is None
            else (new.table, "give its results folder")
        )
        return f"other cells, and nothing beside {table.source or 'it'} says what differs; {mend}"
    found = differences(
        then[0].conditions, now[0].conditions, seeds=by_seed, weights=not gate.retrained
    )
    for first, *others in (then, now):
        for other in others:
            found += differences(first.conditions, other.conditions, seeds=by_seed)
    return ", ".join(dict.fromkeys(found))


def _other(old: Point, new: Point, by_seed: bool) -> str:
    """What tells a point from the one that is there in its place."""
    compared = (*CONDITIONS, *SEEDS) if by_seed else CONDITIONS
    columns = [column for column in compared if old.row[column] != new.row[column]]
    text = ", ".join(f"{column} {old.row[column]} -> {new.row[column]}" for column in columns)
    if set(columns) <= set(SEEDS):
        text += "; --tolerance 3sigma compares other seeds"
    return text


def _changes(old: Point, new: Point, rules: Rules, by_seed: bool) -> list[Change]:
    """Every number of two points; those of SIGMA rules are left undecided."""
    fallback = default_rule(new.platforms, old.platforms)
    found = [_change("nfe", old, new, _EXACT)]
    for metric in metrics_of([*old.rows, *new.rows]):
        if old.value(metric) is None and new.value(metric) is None:
            continue
        rule = rules.of(metric)
        if rule is None and not by_seed and old.starts != new.starts:
            raise UsageError(
                f"metric {metric} has no rule, and its seeds differ from the baseline's: add "
                f"--tolerance {metric}:3sigma"
            )
        found.append(_change(metric, old, new, rule or fallback))
        if rule is None:
            # Of equal seeds the error bars are equal too.
            found.append(_change(metric + STDERR, old, new, fallback))
    return found


def _change(column: str, old: Point, new: Point, rule: Rule) -> Change:
    stderr = column.endswith(STDERR)
    metric = column.removesuffix(STDERR)
    a = old.stderr(metric) if stderr else old.value(column)
    b = new.stderr(metric) if stderr else new.value(column)
    errors = (None, None) if stderr else (old.stderr(column), new.stderr(column))
    known = [error for error in errors if error is not None]
    error = math.hypot(*known) if len(known) == 2 else None
    if a is None or b is None or not (math.isfinite(a) and math.isfinite(b)):
        moved = not (a is b or a == b or (a != a and b != b))
    else:
        moved = rule.kind != SIGMA and a != b and not rule.holds(a, b)
    return Change(column, a, b, error, rule, moved)


def _verdict(old: Point, new: Point, changes: Sequence[Change], gate: Gate) -> Verdict:
    moves = [change for change in changes if change.moved]
    if not moves:
        return Verdict(status.SAME, old.columns, changes=tuple(changes))
    if _all_better(moves, gate.better):
        return Verdict(status.BETTER, old.columns, changes=tuple(changes))
    return Verdict(status.MOVED, old.columns, _cause(old, new), tuple(changes))


def _all_better(moves: Iterable[Change], better: Mapping[str, str]) -> bool:
    """Whether values moved the good way; their error bars may follow, an NFE may not."""
    values = [c for c in moves if not c.column.endswith(STDERR)]
    signs = {"lower": -1, "higher": 1}
    good = {c.column for c in values if c.relative * signs.get(better.get(c.column, ""), 0) > 0}
    followers = {c.column.removesuffix(STDERR) for c in moves if c.column.endswith(STDERR)}
    return bool(values) and good == {c.column for c in values} and followers <= good


def _cause(old: Point, new: Point) -> str:
    """What else differs between two cells, as far as their origins tell."""
    cells = [{row["cell"] for row in point.rows} for point in (old, new)]
    if cells[0] == cells[1] or old.starts != new.starts:
        return ""
    then, now = old.origins, new.origins
    assert then is not None and now is not None
    found = causes(then[0].conditions, now[0].conditions)
    return f"differs: {', '.join(found)}" if found else "differs: a sampler's code or its defaults"

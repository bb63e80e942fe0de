"""Whether a curve moved: every point of the baseline against the current one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from samplebench.errors import InputError, UsageError
from samplebench.regression import verdict as status
from samplebench.regression.changes import bounds, changes
from samplebench.regression.conditions import causes, differences
from samplebench.regression.points import CurvePoint, points, referred
from samplebench.regression.rows import Table
from samplebench.regression.statistical import HolmFamily, decide
from samplebench.regression.summary import Summary
from samplebench.regression.tolerance import STRICT, Rules
from samplebench.regression.unpaired import added, differing
from samplebench.regression.verdict import BETTER, Change, Verdict
from samplebench.results.fields import metrics_of, number
from samplebench.results.row import COUNTED, STDERR


@dataclass(frozen=True)
class Gate:
    """How two tables are compared.

    Attributes:
        rules: of --tolerance.
        better: metric -> "lower" or "higher".
        allow_better: whether moves that way pass.
        subset: whether rows of the baseline may be left out.
        retrained: whether the checkpoint may be another file, of the same training.
    """

    rules: Rules = field(default_factory=Rules)
    better: Mapping[str, str] = field(default_factory=dict)
    allow_better: bool = False
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
            "--retrained compares different weights, so samples differ; add --tolerance 3sigma"
        )
    current, baseline = referred(current, baseline), referred(baseline, current)
    now = points(current, by_seed=by_seed)
    then = points(baseline, by_seed=by_seed)
    pairs = [(point, now[key]) for key, point in then.items() if key in now]
    extra = [point for key, point in now.items() if key not in then]
    concerned = _metrics_by_model(current, baseline)
    found, families, strict = _judged(pairs, gate, concerned)
    lacking = [point for key, point in then.items() if key not in now]
    notes: dict[int, str] = {}
    for old, new, difference in differing(lacking, extra, by_seed):
        # A part may have what the baseline has not, as long as something was compared.
        if gate.subset and pairs:
            notes[id(new)] = f"not compared: {difference}"
        else:
            found[id(old)] = Verdict(status.DIFFER, old, difference)
            extra = [point for point in extra if point is not new]
    lacking = [old for old in lacking if id(old) not in found]
    if gate.subset:
        _check_subset(current, baseline, found)
    else:
        found |= {id(old): Verdict(status.MISSING, old) for old in lacking}
    new_ones = [
        added(point, gate.rules, concerned[point.row["model"]], notes.get(id(point), ""))
        for point in extra
    ]
    return Summary(
        [*(found[id(old)] for old in then.values() if id(old) in found), *new_ones],
        families,
        left_out=len(lacking) if gate.subset else 0,
        platforms=_platforms(current, baseline),
        unknown=_unknown(current, baseline) if strict else "",
        committed=bool(baseline.commit),
    )


def _judged(
    pairs: Sequence[tuple[CurvePoint, CurvePoint]],
    gate: Gate,
    concerned: Mapping[str, Sequence[str]],
) -> tuple[dict[int, Verdict], list[HolmFamily], bool]:
    """Verdicts of points on both sides by the id of the baseline's, the families that the values
    make, and whether one was held to the strict default."""
    by_seed = not gate.rules.statistical
    reasons = [_reasons(old, new, gate) for old, new in pairs]
    found = {
        id(old): Verdict(status.DIFFER, old, reason)
        for (old, _), reason in zip(pairs, reasons, strict=True)
    }
    comparable = [pair for pair, reason in zip(pairs, reasons, strict=True) if not reason]
    compared = [changes(old, new, gate.rules, by_seed) for old, new in comparable]
    decided, families = decide(comparable, compared)
    for (old, new), numbers in zip(comparable, decided, strict=True):
        outside = bounds(old, new, gate.rules, concerned[old.row["model"]])
        told = [replace(c, better=gate.better.get(c.column, "")) for c in [*numbers, *outside]]
        found[id(old)] = _verdict(old, new, told, gate)
    strict = any(
        c.rule == STRICT for numbers in compared for c in numbers if c.column not in COUNTED
    )
    return found, families, strict


def _metrics_by_model(*tables: Table) -> Mapping[str, list[str]]:
    """The metrics that a model has anywhere."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for row in (row for table in tables for row in table.rows):
        found[row["model"]] |= {m: None for m in metrics_of([row]) if row.get(m) is not None}
    return defaultdict(list, {model: list(names) for model, names in found.items()})


def _unknown(current: Table, baseline: Table) -> str:
    """That the strict tolerance holds where nobody knows the platform; "" where it is known."""
    sides = [n for n, t in (("baseline", baseline), ("results", current)) if not t.platforms]
    if not sides:
        return ""
    return f"platform of {' and '.join(sides)} unknown: using {STRICT.text}, as for one platform"


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
            f"{current.source} is not finished ({current.pending} cells are missing); finish its "
            "sweep first"
        )
    if not found:
        raise InputError(f"no row of {baseline.source} is in {current.source}; nothing to compare")


def _reasons(old: CurvePoint, new: CurvePoint, gate: Gate) -> str:
    """Why two points of equal columns may not be compared; "" if they may."""
    by_seed = not gate.rules.statistical
    then, now = old.origins, new.origins
    if then is None or now is None:
        if {row["cell"] for row in old.rows} == {row["cell"] for row in new.rows}:
            return ""
        table, mend = (
            (old.table, "make it again from a results folder, with --update")
            if then is None
            else (new.table, "give its results folder")
        )
        return f"the cells differ, and {table.source or 'it'} has no .provenance.json; {mend}"
    found = differences(
        then[0].conditions, now[0].conditions, seeds=by_seed, weights=not gate.retrained
    )
    for first, *others in (then, now):
        for other in others:
            found += differences(first.conditions, other.conditions, seeds=by_seed)
    return ", ".join(dict.fromkeys(found))


def _verdict(old: CurvePoint, new: CurvePoint, changes: Sequence[Change], gate: Gate) -> Verdict:
    moves = tuple(change for change in changes if change.moved)
    values = [c for c in changes if c.column not in COUNTED and not c.column.endswith(STDERR)]
    if not values:
        note = "neither side has a value"
        return Verdict(status.NO_VALUE, old, note, tuple(changes))
    if not moves:
        return Verdict(status.SAME, old, changes=tuple(changes))
    if all(change.rule.absolute for change in moves):
        return Verdict(status.OUTSIDE, old, changes=tuple(changes))
    if all(c.empty for c in moves) and any(not c.column.endswith(STDERR) for c in moves):
        return Verdict(status.NO_VALUE, old, changes=tuple(changes))
    if gate.allow_better and _all_better(moves):
        return Verdict(status.BETTER, old, changes=tuple(changes))
    return Verdict(status.MOVED, old, _cause(old, new), tuple(changes))


def _all_better(moves: Iterable[Change]) -> bool:
    """Whether values moved the good way; their error bars may follow, an NFE may not."""
    if any(c.rule.absolute or number(c.old) is None or number(c.new) is None for c in moves):
        return False
    values = [c for c in moves if not c.column.endswith(STDERR)]
    good = {c.column for c in values if c.course == BETTER}
    followers = {c.column.removesuffix(STDERR) for c in moves if c.column.endswith(STDERR)}
    return bool(values) and good == {c.column for c in values} and followers <= good


def _cause(old: CurvePoint, new: CurvePoint) -> str:
    """What else differs between two cells, as far as their origins tell."""
    cells = [{row["cell"] for row in point.rows} for point in (old, new)]
    if cells[0] == cells[1] or old.starts != new.starts:
        return ""
    then, now = old.origins, new.origins
    assert then is not None and now is not None
    found = causes(then[0].conditions, now[0].conditions)
    return f"differs: {', '.join(found)}" if found else "differs: a sampler's code or its defaults"

"""All of a comparison: the first folder is the base, every other one is compared with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samplebench.compare.difference import TIED, Difference, difference
from samplebench.compare.facts import Condition, conditions_of_sides
from samplebench.compare.match import Alone, matched
from samplebench.compare.side import Side, sides_of
from samplebench.errors import unknown
from samplebench.metrics.retraining import REMARK
from samplebench.regression.verdict import BETTER, NO_VALUE, WORSE
from samplebench.report.best import direction, within_retraining
from samplebench.results.fields import counted, metrics_of

# In the order in which they are counted.
VERDICTS = (BETTER, WORSE, "higher", "lower", TIED, NO_VALUE)


@dataclass(frozen=True)
class Against:
    """One side against the base.

    Attributes:
        side: which.
        subject: columns in which all its points differ from the base's.
        differences: of every metric and pair of points, in the order of the base.
        alone: points of either that are compared with none.
        lacking: (metric, side that has none, side that has it) -> so many pairs of points.
    """

    side: Side
    subject: tuple[str, ...]
    differences: list[Difference]
    alone: list[Alone]
    lacking: Mapping[tuple[str, str, str], int]

    def counts(self) -> str:
        """E.g. "2 better, 1 worse, 3 ties"."""
        found = Counter(each.verdict for each in self.differences)
        told = [
            counted(found[word], word) if word == TIED else f"{found[word]} {word}"
            for word in VERDICTS
            if found[word]
        ]
        return ", ".join(told) or "nothing in common"


@dataclass(frozen=True)
class Comparison:
    """What was compared.

    Attributes:
        base: the first side.
        against: the others.
        metrics: by name.
        better: metric -> "lower" or "higher"; "" where nobody says.
        conditions: of all sides.
    """

    base: Side
    against: list[Against]
    metrics: list[str]
    better: dict[str, str]
    conditions: list[Condition]

    @property
    def sides(self) -> list[Side]:
        return [self.base, *(each.side for each in self.against)]

    @property
    def subject(self) -> set[str]:
        """Columns in which a side differs from the base throughout."""
        return {column for each in self.against for column in each.subject}

    def remarks(self) -> list[str]:
        """What a reader must know beside the numbers, a line each."""
        found = [
            f"{side.label}: {counted(side.table.pending, 'planned cell')} without a result yet"
            for side in self.sides
            if side.table.pending
        ]
        for each in self.against:
            reasons = dict.fromkeys(d.unpaired for d in each.differences if d.unpaired)
            found += [f"{each.side.label}: not paired, {reason}" for reason in reasons]
            if not all(d.change.error is not None for d in each.differences if d.value):
                found.append(f"{each.side.label}: values without an error bar count as ties")
            found += [
                f"{without}: no {metric} at {counted(count, 'point')} where {other} has it"
                for (metric, without, other), count in each.lacking.items()
            ]
        if any(self._close(each, one) for each in self.against for one in each.differences):
            found.append(REMARK)
        return found

    def _close(self, each: Against, one: Difference) -> bool:
        """Whether two networks differ by less than training one again would move."""
        rows = self.base.rows[one.base], each.side.rows[one.other]
        known = [origins for side, row in zip((self.base, each.side), rows, strict=True)
                 if (origins := side.table.origins_of(row))]  # fmt: skip
        files = {origins[0].conditions.get("checkpoint_sha256") for origins in known}
        others = len(files) > 1 or rows[0]["model"] != rows[1]["model"]
        return others and one.change.moved and within_retraining(*rows, one.metric)


def compare(sources: Sequence[str], metrics: Sequence[str] = ()) -> Comparison:
    """Compares each folder with the first.

    Args:
        sources: results folders, or files results.csv.
        metrics: by name; all that they have without.

    Raises:
        UsageError: fewer than two sources, one twice, or an unknown metric.
        InputError: one is no results folder or table, is damaged, or has no finished point.
        EnvironmentError_: one cannot be read.
    """
    base, *others = sides_of(sources)
    known = metrics_of([row for side in (base, *others) for row in side.rows])
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, known)
    asked = list(dict.fromkeys(metrics)) or known
    views = [side.view for side in (base, *others)]
    better = {name: next(filter(None, (direction(name, v) for v in views)), "") for name in asked}
    against = [_against(base, side, better) for side in others]
    return Comparison(base, against, asked, better, conditions_of_sides([base, *others]))


def _against(base: Side, other: Side, better: dict[str, str]) -> Against:
    found = matched(base, other)
    differences: list[Difference] = []
    lacking = Counter[tuple[str, str, str]]()
    for metric in better:
        for pair in found.pairs:
            sides = zip((base, other), pair, strict=True)
            ours, theirs = (side.points[place].value(metric) is not None for side, place in sides)
            if ours and theirs:
                differences.append(difference(metric, base, other, pair, better[metric]))
            elif ours or theirs:
                labels = (other.label, base.label) if ours else (base.label, other.label)
                lacking[metric, *labels] += 1
    return Against(other, found.subject, differences, found.alone, lacking)

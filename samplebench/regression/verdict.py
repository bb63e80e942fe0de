"""What is said of a row: its status and every number that was compared."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samplebench.regression.points import CurvePoint
from samplebench.regression.tolerance import FACTOR, Tolerance
from samplebench.results.fields import grid_label, number, printable, sampler_label
from samplebench.results.row import Row

SAME, MOVED, MISSING, NEW = "same", "moved", "missing", "new"
DIFFER, BETTER, WORSE = "conditions differ", "better", "worse"
NO_VALUE, OUTSIDE = "no value", "out of bounds"
# In the order in which they are counted.
STATUSES = (MOVED, NO_VALUE, OUTSIDE, MISSING, DIFFER, BETTER, NEW, SAME)
_POINT = ("model", "sampler", "params", "discretization", "rho", "nfe", "seed")
_FAILS = (MOVED, NO_VALUE, OUTSIDE, MISSING, DIFFER)


@dataclass(frozen=True)
class Change:
    """One number on both sides.

    Attributes:
        column: of results.csv.
        old, new: None where a side has no value.
        error: standard error of new - old, of independent draws; None where unknown.
        rule: that it was held to.
        moved: whether it broke the rule.
        better: "lower" or "higher" as its metric declares; "" where nobody says.
    """

    column: str
    old: float | None
    new: float | None
    error: float | None
    rule: Tolerance
    moved: bool
    better: str = ""

    @property
    def course(self) -> str:
        """ "better" or "worse"; "" where nobody says, or neither."""
        if self.old is None or self.new is None or not self.better:
            return ""
        gain = (self.new - self.old) * (1 if self.better == "higher" else -1)
        return BETTER if gain > 0 else WORSE if gain < 0 else ""

    @property
    def relative(self) -> float:
        """(new - old) / |old|; NaN where there is none."""
        if self.old is None or self.new is None:
            return math.nan
        if self.old == self.new:
            return 0.0
        change = self.new - self.old
        return change / abs(self.old) if self.old else math.copysign(math.inf, change)

    @property
    def sigma(self) -> float:
        """(new - old) in standard errors; NaN where there are none."""
        if self.old is None or self.new is None or not self.error:
            return math.nan
        return (self.new - self.old) / self.error

    @property
    def empty(self) -> bool:
        """Whether neither side has a finite number."""
        return number(self.old) is None and number(self.new) is None

    def why(self) -> str:
        """The rule that it broke, where that is not how far it moved; else ""."""
        if self.moved and self.rule.absolute:
            return f"breaks {self.rule.text}"
        if self.moved and self.rule.kind == FACTOR:
            return f"standard error moved, by more than a factor of {self.rule.limit:.2g}"
        return ""

    def pair(self) -> tuple[str, str]:
        """Both values with as many digits as tell them apart."""
        relative, digits = abs(self.relative), 4
        if 0 < relative < 1:
            digits = min(12, max(4, 2 - math.floor(math.log10(relative))))
        return _digits(self.old, digits), _digits(self.new, digits)

    def percent(self) -> str:
        """E.g. "+1.3 %"; "" where there is no such figure: from 0, or through it."""
        through = self.old is not None and self.new is not None and self.old * self.new < 0
        known = math.isfinite(self.relative) and not through
        return f"{100 * self.relative:+.3g} %" if known else ""

    def sigmas(self) -> str:
        """E.g. "+2.1"; "" where there is no such figure."""
        return f"{self.sigma:+.2g}" if math.isfinite(self.sigma) else ""

    def words(self) -> str:
        """E.g. "fd-digits 2.324 -> 2.351 (+1.16 %, +0.4 sigma, worse)"."""
        old, new = self.pair()
        sigmas = self.sigmas()
        figures = ("", "") if self.rule.absolute else (self.percent(), sigmas and f"{sigmas} sigma")
        notes = [note for note in (*figures, self.course, self.why()) if note]
        return f"{self.column} {old} -> {new}" + (f" ({', '.join(notes)})" if notes else "")

    def plain(self) -> dict[str, object]:
        """For JSON, which has no NaN."""
        return {
            "column": self.column,
            "old": number(self.old),
            "new": number(self.new),
            "relative": number(self.relative),
            "sigma": number(self.sigma),
            "course": self.course or None,
            "rule": self.rule.text,
            "moved": self.moved,
        }


@dataclass(frozen=True)
class Verdict:
    """One point's outcome.

    Attributes:
        status: one of STATUSES: "missing" is not in the current results, "new" not in the baseline,
            "conditions differ" not comparable, "better" a move that is allowed, "no value" has a
            finite value on neither side, "out of bounds" breaks a ceiling or a floor alone.
        point: of the baseline; of the results where that has none.
        note: why it cannot be compared, or what may have moved it.
        changes: every number that was compared.
    """

    status: str
    point: CurvePoint
    note: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def failed(self) -> bool:
        return self.status in _FAILS

    @property
    def moves(self) -> tuple[Change, ...]:
        """The changes that broke their rule."""
        return tuple(change for change in self.changes if change.moved)

    @property
    def detail(self) -> str:
        """In words what moved and why; "" of a row that is the same."""
        return "; ".join([*(change.words() for change in self.moves), *filter(None, [self.note])])

    @property
    def row(self) -> Row:
        """For what all rows of the point have in common."""
        return self.point.row

    @property
    def columns(self) -> dict[str, object]:
        """What names the point in a table; `seed` names all its seeds."""
        named = {column: self.row.get(column) for column in _POINT}
        return {**named, "seed": self.point.seed, "reference": self._reference}

    @property
    def name(self) -> str:
        """The point without its model, e.g. "edm S_churn=10, edm rho=7, NFE 35, seed 0"."""
        row, reference = self.row, printable(self._reference)
        parts = [sampler_label(row), grid_label(row), f"NFE {row['nfe']}"]
        if row.get("nfe_requested") is None and row.get("steps") is not None:
            parts.append(f"{row['steps']} steps")
        parts.append(f"seed {self.point.seed}")
        return ", ".join([*parts, *([f"reference {reference}"] if reference else [])])

    @property
    def _reference(self) -> str:
        """Its reference, where its model has several; else ""."""
        several = len(self.point.table.references.get(self.row["model"], ())) > 1
        return self.row["reference"] if several else ""


def _digits(value: float | None, digits: int) -> str:
    if value is None:
        return "none"
    # Counts are whole.
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"

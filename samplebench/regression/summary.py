"""The outcome in words, for terminal, JUnit and Markdown alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from samplebench.regression.statistical import HolmFamily
from samplebench.regression.tolerance import ABSOLUTE, RELATIVE, Tolerance
from samplebench.regression.verdict import NEW, NO_VALUE, OUTSIDE, STATUSES, Verdict
from samplebench.results.fields import counted
from samplebench.results.row import COUNTED


@dataclass(frozen=True)
class Summary:
    """All verdicts of a comparison.

    Attributes:
        verdicts: in the order of the baseline.
        families: values that were decided together.
        left_out: points of the baseline that a subset did not have.
        platforms: of baseline and results, where they differ, else empty.
        unknown: that no platform is known, and what holds then; else "".
        committed: whether the baseline is a commit's, which no --update writes.
    """

    verdicts: Sequence[Verdict]
    families: Sequence[HolmFamily] = ()
    left_out: int = 0
    platforms: tuple[str, str] | None = None
    unknown: str = ""
    committed: bool = False

    @property
    def failed(self) -> bool:
        return any(verdict.failed for verdict in self.verdicts)

    def counts(self) -> str:
        """E.g. "1 moved, 23 same"."""
        found = Counter(verdict.status for verdict in self.verdicts)
        parts = [f"{found[status]} {status}" for status in STATUSES if found[status]]
        if self.left_out:
            parts.append(f"{self.left_out} left out")
        return ", ".join(parts)

    def rules(self) -> list[str]:
        """What the values were held to, a line each."""
        held = (c.rule for v in self.verdicts for c in v.changes if c.column not in COUNTED)
        lines = dict.fromkeys(_words(rule) for rule in held if rule.kind in _WORDS)
        found = [*lines, *(family.words() for family in self.families)]
        if self.platforms:
            found.append(f"platforms: baseline {self.platforms[0]}, results {self.platforms[1]}")
        return found

    def failures(self) -> list[str]:
        """A line per row that fails, for a log that has no table."""
        return [
            ": ".join(filter(None, [v.status, f"{v.row['model']} {v.name}", v.detail]))
            for v in self.verdicts
            if v.failed
        ]

    def next_step(self, update: str = "") -> str:
        """What a user can do now; "" where all is well.

        Args:
            update: the command that makes the results the baseline; "" for this one with --update.
        """
        failed = {verdict.status for verdict in self.verdicts if verdict.failed}
        if NO_VALUE in failed:
            return "rows without a value cannot become a baseline; see their cells, run them again"
        if failed == {OUTSIDE}:
            return "intended? then change the bound; a new baseline does not"
        how = "with --update, without --baseline-ref" if self.committed else "with --update"
        if failed:
            command = update or f"the same command {how}"
            return f"intended? {command} makes these results the baseline"
        new = sum(verdict.status == NEW for verdict in self.verdicts)
        if new:
            return f"{counted(new, 'row')} not in the baseline; --update adds what is new"
        return ""


_WORDS = (RELATIVE, ABSOLUTE)


def _words(rule: Tolerance) -> str:
    return f"{rule.kind} tolerance {rule.text.removeprefix('abs:')}"

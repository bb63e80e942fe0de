"""The grammar of --tolerance: how far a metric may move, "fid:2%,kid:abs:1e-4" or "3sigma"."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from samplebench.errors import UsageError, unknown

SAME_PLATFORM, OTHER_PLATFORM = 1e-6, 1e-3
RELATIVE, ABSOLUTE, SIGMA = "relative", "absolute", "sigma"

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LIMITS = {
    kind: re.compile(pattern.replace("X", f"(?P<limit>{_NUMBER})"))
    for kind, pattern in (("percent", "X *%"), (ABSOLUTE, "abs:X"), (SIGMA, "X *sigma"), ("", "X"))
}
_MOST_SIGMA = 10
_EXAMPLES = "write 2%, abs:0.05, 3sigma or 1e-3, for one metric fid:2%"


@dataclass(frozen=True)
class Rule:
    """One limit.

    Attributes:
        kind: RELATIVE to the baseline's value, ABSOLUTE, or SIGMA: a family-wise error rate.
        limit: a fraction, a distance, or N of Nsigma.
        text: as the user wrote it.
    """

    kind: str
    limit: float
    text: str

    def holds(self, old: float, new: float) -> bool:
        """Whether two values agree; of RELATIVE and ABSOLUTE, the edge is inside."""
        change = abs(new - old)
        return change <= (self.limit * abs(old) if self.kind == RELATIVE else self.limit)

    @property
    def alpha(self) -> float:
        """Two-sided tail probability of N sigma, e.g. 0.0027 of 3."""
        return math.erfc(self.limit / math.sqrt(2))


@dataclass(frozen=True)
class Rules:
    """What was asked for.

    Attributes:
        own: by metric.
        every: for all other metrics; None is the default gate.
    """

    own: Mapping[str, Rule] = field(default_factory=dict)
    every: Rule | None = None

    def of(self, metric: str) -> Rule | None:
        return self.own.get(metric, self.every)

    @property
    def statistical(self) -> bool:
        """Whether rows of other seeds may be compared."""
        given = [*self.own.values(), *([self.every] if self.every else [])]
        return any(rule.kind == SIGMA for rule in given)


def default_rule(current: Iterable[str], baseline: Iterable[str]) -> Rule:
    """1e-6 on the same platform, 1e-3 across; unknown platforms are held to the strict one."""
    here, there = set(current), set(baseline)
    limit = OTHER_PLATFORM if here and there and here != there else SAME_PLATFORM
    return Rule(RELATIVE, limit, f"{limit:g}")


def parse(texts: Sequence[str], metrics: Iterable[str]) -> Rules:
    """Rules of --tolerance, given once or more.

    Args:
        texts: each `[METRIC:]LIMIT`, or several with commas.
        metrics: of the rows.

    Raises:
        UsageError: no such metric, no such limit, or two for one metric.
    """
    known, own, every = list(metrics), dict[str, Rule](), None
    for item in (part.strip() for text in texts for part in text.split(",")):
        rule, metric = _rule(item), None
        if rule is None:
            # A metric's own name may have a colon: the limit is what comes last.
            metric, rule = _split(item)
        if metric is None:
            if every is not None:
                raise UsageError(f"--tolerance {every.text} and {item}: one of them; {_EXAMPLES}")
            every = rule
            continue
        if metric not in known:
            raise unknown("metric in --tolerance", metric, known)
        if metric in own:
            raise UsageError(
                f"--tolerance {metric}:{own[metric].text} and {item}: one limit per metric"
            )
        own[metric] = rule
    return Rules(own, every)


def _split(item: str) -> tuple[str, Rule]:
    for mark in (":abs:", ":"):
        metric, colon, text = item.rpartition(mark)
        limit = mark[1:] + text
        if colon and metric and (rule := _rule(limit, item)) is not None:
            return metric, rule
    raise UsageError(f"--tolerance {item or '(empty)'} is no limit; {_EXAMPLES}")


def _rule(text: str, item: str = "") -> Rule | None:
    """The rule of a limit; None where the text is none.

    Raises:
        UsageError: a number that cannot be meant.
    """
    for kind, pattern in _LIMITS.items():
        if found := pattern.fullmatch(text):
            limit = float(found["limit"])
            if kind == SIGMA and not 0 < limit <= _MOST_SIGMA:
                raise UsageError(f"--tolerance {item or text} must be above 0 and at most 10sigma")
            if kind == "percent":
                limit /= 100
            if kind in ("percent", "") and limit >= 1:
                raise UsageError(
                    f"--tolerance {item or text} must be a fraction below 1, e.g. 1e-3 or 2%"
                )
            if not math.isfinite(limit):
                raise UsageError(f"--tolerance {item or text} must be finite")
            return Rule(kind if kind in (ABSOLUTE, SIGMA) else RELATIVE, limit, text)
    return None

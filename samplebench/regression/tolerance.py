"""The grammar of --tolerance: how far a metric may move, "fid:2%,kid:abs:1e-4" or "3sigma", and
where it may be at all, "fid<=2.1"."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from samplebench.errors import UsageError, unknown

SAME_PLATFORM, OTHER_PLATFORM = 1e-6, 1e-3
RELATIVE, ABSOLUTE, SIGMA = "relative", "absolute", "sigma"
CEILING, FLOOR, FACTOR = "ceiling", "floor", "factor"

# Nothing is tried twice: what somebody pastes may be long.
_NUMBER = r"(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?"
_LIMITS = {
    kind: re.compile(pattern.replace("X", f"(?P<limit>{_NUMBER})"))
    for kind, pattern in (("percent", "X *%"), (ABSOLUTE, "abs:X"), (SIGMA, "X *sigma"), ("", "X"))
}
_BOUND = re.compile(rf"(?P<metric>.*?)(?P<sign><=|>=) *(?P<limit>[-+]?{_NUMBER})")
_STRICT = re.compile(r"[<>]=? *[-+]?[\d.]")
_BOUNDS = {"<=": CEILING, ">=": FLOOR}
_MOST_SIGMA = 10
_EXAMPLES = "write e.g. 2%, abs:0.05, 3sigma or 1e-3, or for one metric fid:2% or fid<=2.1"


@dataclass(frozen=True)
class Tolerance:
    """One limit.

    Attributes:
        kind: RELATIVE to the baseline's value, or to the standard error where that is larger, as
            it is around 0; ABSOLUTE, SIGMA: a family-wise error rate; CEILING or FLOOR of the
            value, whatever the baseline's is; FACTOR, up or down.
        limit: a fraction, a distance, N of Nsigma, a value, or a factor above 1.
        text: as the user wrote it.
    """

    kind: str
    limit: float
    text: str

    def holds(self, old: float, new: float, error: float = 0.0) -> bool:
        """Whether two finite values may follow each other; the edge is inside. Not of SIGMA.

        Args:
            error: the smaller of their standard errors, 0 where one has none.
        """
        if self.kind == CEILING:
            return new <= self.limit
        if self.kind == FLOOR:
            return new >= self.limit
        if self.kind == FACTOR:
            return 0 < old <= new * self.limit and new <= old * self.limit
        change = abs(new - old)
        scale = max(abs(old), error) if self.kind == RELATIVE else 1.0
        return change <= self.limit * scale

    @property
    def absolute(self) -> bool:
        """Whether it holds whatever the baseline says."""
        return self.kind in (CEILING, FLOOR)

    @property
    def alpha(self) -> float:
        """Two-sided tail probability of N sigma, e.g. 0.0027 of 3."""
        return math.erfc(self.limit / math.sqrt(2))


STRICT, _LOOSE = (
    Tolerance(RELATIVE, limit, f"{limit:g}") for limit in (SAME_PLATFORM, OTHER_PLATFORM)
)


@dataclass(frozen=True)
class Rules:
    """What was asked for.

    Attributes:
        own: by metric.
        every: for all other metrics; None is the default gate.
        bounds: by metric, beside its other rule or the default gate.
    """

    own: Mapping[str, Tolerance] = field(default_factory=dict)
    every: Tolerance | None = None
    bounds: Mapping[str, Sequence[Tolerance]] = field(default_factory=dict)

    def of(self, metric: str) -> Tolerance | None:
        return self.own.get(metric, self.every)

    @property
    def statistical(self) -> bool:
        """Whether rows of other seeds may be compared."""
        given = [*self.own.values(), *([self.every] if self.every else [])]
        return any(rule.kind == SIGMA for rule in given)


def default_rule(current: Iterable[str], baseline: Iterable[str]) -> Tolerance:
    """1e-6 on the same platform, 1e-3 across; unknown platforms are held to the strict one."""
    here, there = set(current), set(baseline)
    return _LOOSE if here and there and here != there else STRICT


def parse(texts: Sequence[str], metrics: Iterable[str]) -> Rules:
    """Rules of --tolerance, given once or more.

    Args:
        texts: each `[METRIC:]LIMIT`, or several with commas.
        metrics: of the rows.

    Raises:
        UsageError: no such metric, no such limit, or two for one metric.
    """
    known, own, every = list(metrics), dict[str, Tolerance](), None
    bounds: dict[str, list[Tolerance]] = {}
    for item in (part.strip() for text in texts for part in text.split(",")):
        if (bound := _bound(item)) is not None:
            _check_metric(bound[0], known)
            given = bounds.setdefault(bound[0], [])
            given.append(bound[1])
            _check_bounds(given)
        elif (rule := _rule(item)) is not None:
            if every is not None:
                raise UsageError(
                    f"--tolerance {every.text} and {item}: give only one of them; {_EXAMPLES}"
                )
            every = rule
        else:
            # A metric's own name may have a colon: the limit is what comes last.
            metric, rule = _split(item)
            _check_metric(metric, known)
            if metric in own:
                raise UsageError(
                    f"--tolerance {metric}:{own[metric].text} and {item}: give one tolerance per "
                    "metric"
                )
            own[metric] = rule
    return Rules(own, every, bounds)


def _check_metric(metric: str, known: Sequence[str]) -> None:
    if metric not in known:
        raise unknown("metric in --tolerance", metric, known)


def _bound(item: str) -> tuple[str, Tolerance] | None:
    """Metric and rule of "fid<=2.1"; None where the text is none.

    Raises:
        UsageError: a bound without a metric or a finite number.
    """
    found = _BOUND.fullmatch(item)
    if found is None:
        if _STRICT.search(item):
            raise UsageError(f"--tolerance {item} is not a bound; write e.g. fid<=2.1 or fid>=0.5")
        return None
    metric, limit = found["metric"].rstrip(" "), float(found["limit"])
    if not metric or not math.isfinite(limit):
        raise UsageError(f"--tolerance {item}: name a metric and a finite number, e.g. fid<=2.1")
    return metric, Tolerance(_BOUNDS[found["sign"]], limit, item)


def _check_bounds(rules: Sequence[Tolerance]) -> None:
    """One ceiling, one floor, and room between them."""
    texts = " and ".join(rule.text for rule in rules)
    limits = {rule.kind: rule.limit for rule in rules}
    if len(limits) < len(rules):
        raise UsageError(f"--tolerance {texts}: one {rules[-1].kind} per metric")
    if limits.get(FLOOR, -math.inf) > limits.get(CEILING, math.inf):
        raise UsageError(f"--tolerance {texts}: no value satisfies both")


def _split(item: str) -> tuple[str, Tolerance]:
    for mark in (":abs:", ":"):
        metric, colon, text = item.rpartition(mark)
        limit = mark[1:] + text
        if colon and metric and (rule := _rule(limit, item)) is not None:
            return metric, rule
    raise UsageError(f"--tolerance {item or '(empty)'} is not a tolerance; {_EXAMPLES}")


def _rule(text: str, item: str = "") -> Tolerance | None:
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
            return Tolerance(kind if kind in (ABSOLUTE, SIGMA) else RELATIVE, limit, text)
    return None

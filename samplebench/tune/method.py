"""A way to search, and what it makes small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from samplebench.tune.candidate import Candidate

TRUNCATION, METRIC = "truncation error", "metric"


@dataclass(frozen=True)
class SearchMethod:
    """A search.

    Attributes:
        search: a function of the problem, and of options by name, to a candidate.
        summary: what it does, a line.
        kind: what it makes small: `TRUNCATION`, of deterministic samplers alone, or `METRIC`.
        check: of the same arguments; raises `UsageError` for a problem that it is not for, before
            anything is evaluated.
    """

    search: Callable[..., Candidate]
    summary: str
    kind: str = TRUNCATION
    check: Callable[..., None] | None = None

"""What `list metrics --verbose` tells of a metric: its registration in words."""

from __future__ import annotations

from typing import Any

from samplebench.cli.facts import papers
from samplebench.metrics.blocks import BLOCKS, WithoutErrorBar
from samplebench.registry import MetricEntry
from samplebench.registry.entry import NOTHING

_GIVEN = {
    "moments": "mean and covariance",
    "features": "feature rows",
}
_AGAINST = {
    "moments": "mean and covariance of the reference",
    "features": "feature rows of the reference: images, or a file that keeps its features",
    NOTHING: "nothing",
}


def facts(entry: MetricEntry) -> dict[str, Any]:
    """By what readers call them; None where a metric says no such thing."""
    return {
        "name": entry.name,
        "summary": entry.summary,
        "extractor": entry.extractor,
        "computed on": _GIVEN[entry.statistic],
        "against": _AGAINST[entry.against],
        "better": entry.better,
        "error bar": _error_bar(entry),
        "order": "the order of the samples matters" if entry.ordered else None,
        "to score later": f"--keep {entry.statistic} in a run on this extractor, or --keep images",
        "at N = 50,000": entry.cost or None,
        "papers": papers(entry.cite),
    }


def _error_bar(entry: MetricEntry) -> str:
    """Where it comes from, or that there is none."""
    if isinstance(entry.blocked, WithoutErrorBar):
        return "none"
    how = "computed with the value" if entry.blocked else f"the function {BLOCKS} times more"
    return f"jackknife over {BLOCKS} blocks, {how}"

"""Which way a metric is better."""

from __future__ import annotations

from contextlib import suppress

from samplebench.errors import SamplebenchError
from samplebench.registry import MetricEntry, metrics


def declared(metric: str) -> str | None:
    """ "lower" or "higher" as a metric says it; None where it does not, or is not registered."""
    entry = registered(metric)
    return None if entry is None else entry.better


def registered(metric: str) -> MetricEntry | None:
    """A metric that is registered here; None for others.

    Names are looked up only, never imported: what is in a file must not run code.
    """
    with suppress(SamplebenchError):  # a broken plugin is not in the way of a report
        metrics.names()
    if ":" in metric and metric not in metrics:
        return None
    try:
        return metrics.entry(metric)
    except SamplebenchError:
        return None

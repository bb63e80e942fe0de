"""Which way a metric is better."""

from __future__ import annotations

from contextlib import suppress

from samplebench.errors import SamplebenchError
from samplebench.registry import metrics


def declared(metric: str) -> str | None:
    """ "lower" or "higher" as a metric is registered here; None where it is not, or does not say.

    Names are looked up only, never imported: what is in a file must not run code.
    """
    with suppress(SamplebenchError):  # a broken plugin is not in the way of a report
        metrics.names()
    if ":" in metric and metric not in metrics:
        return None
    try:
        return metrics.entry(metric).better
    except SamplebenchError:
        return None

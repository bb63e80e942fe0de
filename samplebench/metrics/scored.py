"""What a metric says of a statistic: its value with its error bar."""

from __future__ import annotations

import math
from typing import Any, cast

from samplebench.answers.blame import Failed
from samplebench.metrics.blocks import Blocked, BlockedRows
from samplebench.metrics.judged import judged, judged_blocked
from samplebench.metrics.uncertainty import delete_one, spread
from samplebench.registry import MetricEntry
from samplebench.results.record import Value


def scored(entry: MetricEntry, statistic: Blocked, reference: Any) -> Value:
    """Value, its terms, which way is better, the jackknife's standard error and its delete-one
    values.

    Args:
        entry: the metric.
        statistic: of the samples, of the kind that the metric declares.
        reference: what the metric declares of it: with mean, cov and root, `BlockedRows`, or None.

    Raises:
        Failed: the value or a term of it is not finite.
        UsageError: a metric of others fails or returns something else than numbers.
    """
    if entry.blocked is not None:
        terms, left_out = judged_blocked(entry)(statistic, reference)
    else:
        metric = judged(entry)
        given = reference.total if isinstance(reference, BlockedRows) else reference
        terms = metric.obj(statistic.total, given)
        try:
            left_out = delete_one(statistic, lambda left: metric.obj(left, given)["value"])
        except Failed:
            left_out = []
    stderr = spread(left_out)
    known = math.isfinite(stderr)
    errors = {"stderr": stderr if known else None, "deleted": left_out if known else []}
    found = cast(Value, {**terms, **errors})
    if entry.better:
        # A report may have to do without the metric.
        found["better"] = entry.better
    return found

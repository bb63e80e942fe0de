"""What a metric says of a statistic: its value with its error bar."""

from __future__ import annotations

import math
from typing import Any, cast

from samplebench.answers.blame import Failed
from samplebench.metrics.blocks import Blocked
from samplebench.metrics.judged import judged
from samplebench.metrics.uncertainty import delete_one, spread
from samplebench.registry import MetricEntry
from samplebench.results.record import Value


def scored(entry: MetricEntry, statistic: Blocked, reference: Any) -> Value:
    """Value, its terms, the jackknife's standard error and its delete-one values.

    Of a metric of others also which way is better, as a report may have to do without it.

    Args:
        entry: the metric.
        statistic: of the samples, of the kind that the metric declares.
        reference: the same of the reference: with mean, cov and root for moments, rows for
            features.

    Raises:
        Failed: the value or a term of it is not finite.
        UsageError: a metric of others fails or returns something else than numbers.
    """
    metric = judged(entry)
    terms = metric.obj(statistic.total, reference)
    try:
        left_out = delete_one(statistic, lambda left: metric.obj(left, reference)["value"])
    except Failed:
        left_out = []
    stderr = spread(left_out)
    known = math.isfinite(stderr)
    errors = {"stderr": stderr if known else None, "deleted": left_out if known else []}
    found = cast(Value, {**terms, **errors})
    if entry.better and not entry.builtin:
        found["better"] = entry.better
    return found

"""Metrics of others are tried on what the reference holds, before hours are spent on samples."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from samplebench.answers.blame import Failed
from samplebench.answers.draws import kept_generators
from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.judged import judged, judged_blocked
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.references.reference import Reference
from samplebench.scoring.measure import Measure

# Rows that a metric on features is tried on.
_ROWS = 100


def rehearse(measure: Measure, count: int) -> None:
    """Tries a metric of others on the reference's own statistic.

    Args:
        count: number of samples to come.

    Raises:
        UsageError: it fails, or returns something else than numbers.
        InputError: the reference keeps no features where it needs them.
    """
    entry, reference = measure.metric, measure.reference
    if entry.builtin:
        return
    given = _own(entry.statistic, reference, count)
    against = given if entry.against == "features" else reference.statistic(entry.against)
    if given is None:
        return
    with kept_generators(), suppress(Failed):
        judged(entry).obj(given, against)
    if entry.blocked is None or entry.statistic != "features":
        return
    rows = BlockedRows(given)
    with kept_generators(), suppress(Failed):
        judged_blocked(entry)(rows, BlockedRows(given) if entry.against == "features" else against)


def _own(statistic: str, reference: Reference, count: int) -> Any:
    """What a metric gets of samples that are as the reference's images; None where it holds too
    little to make that."""
    if not reference.id or (statistic == "features" and not reference.keeps_rows):
        return None
    if statistic == "features":
        return BlockedRows(np.array(reference.rows[:_ROWS])).total
    mean = reference.mean
    outer = reference.cov * (count - 1) + count * np.outer(mean, mean)
    return BlockedMoments(Moments(count, mean * count, outer)).total

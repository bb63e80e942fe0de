"""What training a network again moves of a metric."""

from __future__ import annotations

from samplebench.metrics.direction import registered

# Of a Frechet distance's value: 1 to 2 % between trainings of one recipe.
_SHARE = 0.02
REMARK = (
    "differences below 2 % are within what training the network again moves FID (arXiv 2606.20536)"
)


def explains(metric: str, value: float, other: float) -> bool:
    """Whether two values of a Frechet distance differ by less than that."""
    # Looked up late: that room loads all metrics, this one among them.
    from samplebench.metrics.frechet import frechet
    from samplebench.metrics.infinity import infinity

    entry = registered(metric)
    known = entry is not None and entry.obj in (frechet, infinity)
    return known and abs(other - value) < _SHARE * abs(value)

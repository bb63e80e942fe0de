"""The Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017)."""

from __future__ import annotations

from typing import Any

from samplebench.metrics.expansion import Expansion
from samplebench.metrics.family import family
from samplebench.metrics.gaussians import frechet_distance as frechet_distance
from samplebench.metrics.gaussians import frechet_terms as frechet_terms
from samplebench.metrics.gaussians import symmetric_root as symmetric_root
from samplebench.metrics.infinity import fid_infinity as fid_infinity
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.metrics.uncertainty import delete_one
from samplebench.registry import metrics

# At so few features 20 distances take about a second, and nothing need be expanded.
_EXACT = 512
# Samples for each feature: a block moves the covariance, seen in its own directions, by about
# 1/20 (1 + sqrt(20 D / N))^2. From the first number on the linear term tells it within 10 % on
# features of images; the quadratic one, which costs three times as much, does so from the second.
_LINEAR, _QUADRATIC = 20, 1.5


def blocked_frechet(
    statistic: BlockedMoments, reference: Any
) -> tuple[dict[str, float], list[float]]:
    """`frechet` with the values without one block each.

    These are exact for at most 512 features, and for fewer than 1.5 samples a feature; else an
    `Expansion` has them: to first order from 20 samples for each feature on, to second order below.
    Where it differs its error bar is too wide rather than too narrow (docs/metrics.md).
    """
    dim, count = len(statistic.total.total), statistic.count
    if dim <= _EXACT or count < _QUADRATIC * dim or not statistic.divided:
        terms = frechet(statistic.total, reference)
        return terms, delete_one(statistic, lambda left: frechet(left, reference)["value"])
    expansion = Expansion.of(statistic.total, reference)
    order = 1 if count >= _LINEAR * dim else 2
    return _named(*expansion.terms), expansion.deleted(statistic.parts, order)


_FACTS: dict[str, Any] = {
    "better": "lower",
    "blocked": blocked_frechet,
    "cost": "7 s and 1.3 GB on 2 cores at D = 2,048",
}


@metrics.register(
    "sfid",
    summary="Frechet distance on 7 channels of a 17x17 layer of Inception, as guided-diffusion's",
    extractor="inception-spatial",
    cite=("heusel2017gans", "nash2021generating", "obukhov2020torchfidelity"),
    **_FACTS,
)
@metrics.register(
    "fd-dinov2-pil",
    summary="Frechet distance on DINOv2's features, images resized as dgm-eval does",
    extractor="dinov2-pil",
    cite=("heusel2017gans", "oquab2024dinov2", "stein2023exposing"),
    **_FACTS,
)
@family("fid", "fd", "Frechet distance", cite=("heusel2017gans",), **_FACTS)
def frechet(moments: Moments, reference: Any) -> dict[str, float]:
    """Value and its two terms; `reference` has mean, cov and its root."""
    given = (moments.mean, moments.cov, reference.mean, reference.cov)
    return _named(*frechet_terms(*given, root2=reference.root))


def _named(mean_term: float, trace_term: float) -> dict[str, float]:
    return {"value": mean_term + trace_term, "mean_term": mean_term, "trace_term": trace_term}

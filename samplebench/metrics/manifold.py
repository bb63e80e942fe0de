"""Precision and recall, density and coverage: how far two sets of features cover each other."""

from __future__ import annotations

import numpy as np

from samplebench.metrics.family import family
from samplebench.metrics.manifold_blocks import (
    CLOSED_K,
    OPEN_K,
    coverage_by_blocks,
    density_by_blocks,
    precision_by_blocks,
    recall_by_blocks,
)
from samplebench.metrics.neighbours import nearest_of
from samplebench.metrics.overlap import Closest, InGenerated, InReal, count_pairs
from samplebench.metrics.pairs import at_least, both, norms_about, rows_of

_COST = "3.7 min and 1.4 GB on 2 cores at D = 2,048, the four of a cell together"


def precision_recall(
    real: np.ndarray, generated: np.ndarray, *, k: int = CLOSED_K
) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019, Eqs. 1 and 2).

    Precision is the share of samples within the ball of a real row, recall the share of real rows
    within the ball of a sample. A ball reaches to the k-th nearest other row of its own set and
    holds what lies on its sphere: a row that occurs k + 1 times has a ball of radius 0, which holds
    its twins. Distances that differ by rounding alone are equal.

    Args:
        real: features [M, D]; may be mapped from a file.
        generated: features [N, D].
        k: which neighbour a ball reaches to, from 1, below M and N.

    Raises:
        ValueError: k is not below M and N, or their widths differ.
    """
    at_least(1, k=k)
    real, generated = both(real, generated, k + 1)
    every = [slice(0, len(generated))]
    theirs, own = nearest_of(real, k), nearest_of(generated, k)
    inside = InReal(theirs, k, True, every)
    norms = norms_about(generated, theirs.centre)
    around = InGenerated(own.balls(k), None, norms, (1, *real.shape))
    count_pairs([inside, around], generated, every, real, theirs.centre)
    return float((inside.counts > 0).mean()), float(around.covered.mean())


def density_coverage(
    real: np.ndarray, generated: np.ndarray, *, k: int = OPEN_K
) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020, section 3).

    Density is the mean number of balls of real rows that a sample is in, divided by k; coverage the
    share of these balls that hold a sample. What lies on a sphere is outside: a ball of radius 0
    holds nothing. Distances that differ by rounding alone are equal.

    Args:
        real: features [M, D]; may be mapped from a file.
        generated: features [N, D].
        k: which other real row a ball reaches to, from 1, below M.

    Raises:
        ValueError: k is not below M, N is 0, or the widths differ.
    """
    at_least(1, k=k)
    real, generated = both(real, generated, 1)
    every = [slice(0, len(generated))]
    theirs = nearest_of(rows_of(real, "real", k + 1), k)
    inside = InReal(theirs, k, False, every)
    count_pairs([inside], generated, every, real, theirs.centre)
    return float(inside.counts.sum() / (k * len(generated))), float(inside.covered.mean())


def authpct(real: np.ndarray, generated: np.ndarray) -> float:
    """Share in % of the samples that are no copy of a real row (Alaa et al. 2022).

    A sample is authentic if the real row next to it has another real row nearer than the sample.
    Of several that are equally near, the first counts.

    Args:
        real: features [M, D], M >= 2, what the generator was trained on.
        generated: features [N, D].

    Raises:
        ValueError: too few rows, or of different widths.
    """
    real, generated = both(real, generated, 1)
    theirs = nearest_of(rows_of(real, "real"), 1)
    next_to = Closest(norms_about(generated, theirs.centre), real.shape[1])
    count_pairs([next_to], generated, [slice(0, len(generated))], real, theirs.centre)
    own = theirs.balls(1).closed(theirs.norms, real.shape[1])[next_to.index]
    return float(100 * (next_to.squared > own).mean())


@family(
    "precision",
    "precision",
    "Precision: share of samples near a real image (k = 3),",
    statistic="features",
    better="higher",
    blocked=precision_by_blocks,
    cost=_COST,
    cite=("kynkaanniemi2019improved",),
)
def precision(generated: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Precision of improved precision and recall."""
    return {"value": precision_recall(real, generated)[0]}


@family(
    "recall",
    "recall",
    "Recall: share of real images near a sample (k = 3),",
    statistic="features",
    better="higher",
    blocked=recall_by_blocks,
    cost=_COST,
    cite=("kynkaanniemi2019improved",),
)
def recall(generated: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Recall of improved precision and recall."""
    return {"value": precision_recall(real, generated)[1]}


@family(
    "density",
    "density",
    "Density: real images near a sample, by k (k = 5),",
    statistic="features",
    better="higher",
    blocked=density_by_blocks,
    cost=_COST,
    cite=("naeem2020reliable",),
)
def density(generated: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """How many real images a sample is near to, by k."""
    return {"value": density_coverage(real, generated)[0]}


@family(
    "coverage",
    "coverage",
    "Coverage: share of real images with a sample near (k = 5),",
    statistic="features",
    better="higher",
    blocked=coverage_by_blocks,
    cost=_COST,
    cite=("naeem2020reliable",),
)
def coverage(generated: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """How many of the real images have a sample near."""
    return {"value": density_coverage(real, generated)[1]}

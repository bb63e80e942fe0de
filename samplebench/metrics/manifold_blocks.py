"""Precision, recall, density and coverage with error bars: all four from one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.neighbours import Balls, Nearest, nearest_of
from samplebench.metrics.overlap import InGenerated, InReal, count_pairs, covered_without
from samplebench.metrics.pairs import both, norms_about, rows_of

# Of precision and recall, and of density and coverage, as they were published.
CLOSED_K, OPEN_K = 3, 5
Found = tuple[dict[str, float], list[float]]


@dataclass(frozen=True)
class Overlap:
    """What all four are counted from; None where there are too few rows for it.

    Attributes:
        precise: samples in closed balls of real rows.
        dense: samples in open ones.
        recalled: real rows in closed balls of samples.
    """

    precise: InReal | None
    dense: InReal | None
    recalled: InGenerated | None


def overlap(samples: BlockedRows, real: BlockedRows) -> Overlap:
    """Made once for these samples and real rows; the balls once for either alone."""
    both(real.rows, samples.rows, 1)
    return samples.once(("overlap", real), lambda: _overlap(samples, real))


def _overlap(samples: BlockedRows, real: BlockedRows) -> Overlap:
    blocks, theirs = samples.blocks, real.once("nearest", lambda: nearest_of(real.rows, OPEN_K))
    precise, dense = (
        InReal(theirs, k, closed, blocks) if real.count > k else None
        for k, closed in ((CLOSED_K, True), (OPEN_K, False))
    )
    recalled = None
    if samples.count > CLOSED_K:
        balls, grown = samples.once("balls", lambda: _balls(samples))
        norms = norms_about(samples.rows, theirs.centre)
        recalled = InGenerated(balls, grown, norms, (len(blocks), *real.rows.shape))
    counters = [each for each in (precise, dense, recalled) if each is not None]
    count_pairs(counters, samples.rows, blocks, real.rows, theirs.centre)
    return Overlap(precise, dense, recalled)


def _balls(samples: BlockedRows) -> tuple[Balls, Balls | None]:
    """Of the samples, and of those without each block where all of these have a radius."""
    nearest = Nearest.of(samples.rows, samples.blocks, CLOSED_K)
    enough = samples.left.min() > CLOSED_K
    return nearest.balls(CLOSED_K), nearest.balls_without(CLOSED_K) if enough else None


def precision_by_blocks(samples: BlockedRows, real: BlockedRows) -> Found:
    """Precision, k = 3, and that without each block of the samples in turn."""
    return _of_samples(samples, _kynkaanniemi(samples, real)[0].counts > 0, CLOSED_K + 1)


def recall_by_blocks(samples: BlockedRows, real: BlockedRows) -> Found:
    """Recall, k = 3, and that without each block of the samples in turn."""
    around = _kynkaanniemi(samples, real)[1]
    without = around.without() if samples.left.min() > CLOSED_K else None
    return _of_real(around.covered, without)


def density_by_blocks(samples: BlockedRows, real: BlockedRows) -> Found:
    """Density, k = 5, and that without each block of the samples in turn."""
    return _of_samples(samples, _naeem(samples, real).counts, 2, OPEN_K)


def coverage_by_blocks(samples: BlockedRows, real: BlockedRows) -> Found:
    """Coverage, k = 5, and that without each block of the samples in turn."""
    inside = _naeem(samples, real)
    without = covered_without(inside.covered) if samples.left.min() > 1 else None
    return _of_real(inside.covered, without)


def _kynkaanniemi(samples: BlockedRows, real: BlockedRows) -> tuple[InReal, InGenerated]:
    both(real.rows, samples.rows, CLOSED_K + 1)
    found = overlap(samples, real)
    assert found.precise is not None and found.recalled is not None
    return found.precise, found.recalled


def _naeem(samples: BlockedRows, real: BlockedRows) -> InReal:
    rows_of(real.rows, "real", OPEN_K + 1)
    found = overlap(samples, real).dense
    assert found is not None
    return found


def _of_samples(samples: BlockedRows, each: np.ndarray, least: int, by: int = 1) -> Found:
    """The mean of what each sample has, divided, and without each block where `least` are left."""
    sums, left = np.array([each[block].sum() for block in samples.blocks]), samples.left
    value = {"value": float(each.sum() / (by * samples.count))}
    return value, ((each.sum() - sums) / (by * left)).tolist() if left.min() >= least else []


def _of_real(covered: np.ndarray, without: np.ndarray | None) -> Found:
    """The share of real rows that any block covers, and that without each block: of [B, M]."""
    value = {"value": float(covered.any(axis=0).mean())}
    return value, [] if without is None else without.mean(axis=1).tolist()

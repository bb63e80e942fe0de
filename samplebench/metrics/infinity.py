"""The Frechet distance of infinitely many samples, extrapolated (Chong & Forsyth 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from samplebench.answers.blame import Failed
from samplebench.metrics import moments as memory
from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.expansion import Expansion
from samplebench.metrics.family import family
from samplebench.metrics.gaussians import Gaussian, frechet_distance
from samplebench.metrics.moments import BlockSums, Held, Moments, packed_bytes
from samplebench.registry import MetricEntry
from samplebench.results.view import few_in_subset

# What the registered metric draws its order with, and how many sizes it takes.
_SEED, _SIZES = 2020, 15
# Rows that are put in order at a time.
_ROWS = 4096


@dataclass(frozen=True)
class Extrapolation:
    """A least-squares line in 1 / n through the distances of the first n samples.

    Attributes:
        sizes: n of each subset.
        values: distance of each.
        intercept: the line at 1 / n = 0: the distance of infinitely many samples.
        slope: of the line; positive, as few samples are too far away.
    """

    sizes: np.ndarray
    values: np.ndarray
    intercept: float
    slope: float

    @classmethod
    def of(cls, sizes: np.ndarray, values: np.ndarray) -> Extrapolation:
        """Through at least two different sizes."""
        inverse = 1 / np.asarray(sizes, dtype=float)
        around = inverse - inverse.mean()
        slope = float(around @ values / (around @ around))
        return cls(sizes, values, float(np.mean(values) - slope * inverse.mean()), slope)


def fid_infinity(
    real: np.ndarray, generated: np.ndarray, *, sizes: int = _SIZES, seed: int | None = None
) -> float:
    """The distance of the generated images' distribution, without the bias of finitely many.

    Only the generated side is extrapolated; the bias of the real side stays. Where the smallest
    subset is not well above D the bias is no line in 1 / n, and the value means little.

    Args:
        real: rows of features [M, D].
        generated: rows [N, D], N at least 3; may be mapped from a file.
        sizes: number of subsets, of trunc(linspace(min(5000, max(N // 10, 2)), N, sizes)) samples
            each: dgm-eval's (Stein et al. 2023).
        seed: subsets are the first n rows; with a seed of numpy's default generator the rows are
            put in a random order first, so that files sorted by class are no trap.

    Returns:
        The intercept of `extrapolation`.

    Raises:
        ValueError: fewer than 3 rows, or than 2 sizes.
    """
    given = Gaussian.of(Moments.of(real))
    return extrapolation(given, generated, sizes=sizes, seed=seed).intercept


def extrapolation(
    reference: Any, generated: np.ndarray, *, sizes: int = _SIZES, seed: int | None = None
) -> Extrapolation:
    """`fid_infinity` with all that it is made of.

    Args:
        reference: with mean, cov and its root.
    """
    counts, order = sizes_of(len(generated), sizes), _order(len(generated), seed)
    values = []
    for moments in _growing(generated, order, counts):
        if moments.count > len(moments.total):
            given = moments.mean, moments.cov, reference.mean, reference.cov
            values.append(frechet_distance(*given, root2=reference.root))
        else:
            values.append(_singular(generated[order[: moments.count]], reference))
    return Extrapolation.of(counts, np.array(values))


def _singular(rows: np.ndarray, reference: Any) -> float:
    """The distance of at most as many rows as features, as torch-fidelity and dgm-eval have it.

    What rounding leaves of the covariance's zeros is 1e-7 of the value, and the order of operations
    decides it.
    """
    rows = rows.astype(np.float64)
    difference, cov = rows.mean(axis=0) - reference.mean, np.cov(rows, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(reference.cov @ cov).astype(complex)).real
    return float(difference @ difference + np.trace(cov + reference.cov) - 2 * roots.sum())


def sizes_of(count: int, sizes: int = _SIZES) -> np.ndarray:
    """The numbers of samples of the subsets of `count`, int [sizes].

    Raises:
        ValueError: they are not two at least.
    """
    found = np.linspace(min(5000, max(count // 10, 2)), count, max(sizes, 0)).astype(int)
    if count < 3 or len(set(found.tolist())) < 2:
        raise ValueError(
            f"{count} samples in {sizes} sizes are too few for a line; use at least 3 samples "
            "and 2 sizes"
        )
    return found


def _order(count: int, seed: int | None) -> np.ndarray:
    """Indices of the rows in the order in which subsets take them."""
    return np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)


def _growing(
    rows: np.ndarray, order: np.ndarray, counts: np.ndarray, held: Held | None = None
) -> Iterator[Moments]:
    """Moments of the first n rows for each n of `counts`, the same object that grows.

    Args:
        held: those of the blocks of the samples; they grow with it.
    """
    moments, start, number = Moments.zeros(rows.shape[1]), 0, len(order)
    for stop in counts.tolist():
        for first in range(start, stop, _ROWS):
            taken = order[first : min(stop, first + _ROWS)]
            some = np.asarray(rows[taken], dtype=np.float64)
            moments.add(some)
            if held is not None:
                # Sample i is in block i * B // N, as `ranges` has it.
                blocks = taken * len(held.counts) // number
                for block in np.unique(blocks).tolist():
                    held.add(block, Moments.of(some[blocks == block]))
        start = stop
        yield moments


def blocked_infinity(
    statistic: BlockedRows, reference: Any
) -> tuple[dict[str, float], list[float]]:
    """`infinity` with the values without one block each: the same subsets without its samples.

    The distances are of the first order of their `Expansion`. There are none where the blocks'
    moments would take more than 400 MB, or a subset without one has fewer than 2 samples.
    """
    rows, blocks = statistic.rows, len(statistic.blocks)
    counts, order = _counts(statistic.count), _order(statistic.count, _SEED)
    room = blocks * packed_bytes(rows.shape[1]) <= memory.MOST_HELD
    held = Held.zeros(blocks, rows.shape[1]) if room and blocks > 1 else None
    values, left, deleted = [], [], []
    for moments in _growing(rows, order, counts, held):
        expansion = Expansion.of(moments, reference)
        values.append(sum(expansion.terms))
        if held is not None:
            left.append(moments.count - held.counts)
            enough = left[-1].min() > 1
            deleted.append(expansion.deleted(BlockSums(held=held), order=1) if enough else [])
    found = _told(Extrapolation.of(counts, np.array(values)))
    if not all(deleted) or held is None:
        return found, []
    lines = zip(np.transpose(left), np.transpose(deleted), strict=True)
    return found, [Extrapolation.of(sizes, some).intercept for sizes, some in lines]


@family(
    "fid-infinity",
    "fd-infinity",
    "Frechet distance extrapolated to infinitely many samples,",
    statistic="features",
    against="moments",
    better="lower",
    blocked=blocked_infinity,
    ordered=True,
    cost="38 s and 1.5 GB on 2 cores at D = 2,048",
    cite=("chong2020effectively", "heusel2017gans"),
)
def infinity(rows: np.ndarray, reference: Any) -> dict[str, float]:
    """`fid_infinity` of the first n rows in the order of seed 2020, its slope, and the number of
    samples in the smallest subset."""
    counts, order = _counts(len(rows)), _order(len(rows), _SEED)
    growing = _growing(rows, order, counts)
    values = [sum(Expansion.of(moments, reference).terms) for moments in growing]
    return _told(Extrapolation.of(counts, np.array(values)))


def subset_notes(entry: MetricEntry, count: int, dim: int) -> tuple[str, ...]:
    """What is to be known of a metric on `count` samples of D features: of few in a subset."""
    if entry.obj is not infinity or count < 3:
        return ()
    note = few_in_subset(entry.name, int(sizes_of(count)[0]), dim)
    return (note,) if note else ()


def _counts(count: int) -> np.ndarray:
    """`sizes_of`; too few samples have no value."""
    try:
        return sizes_of(count)
    except ValueError as error:
        raise Failed(f"fid-infinity: {error}") from None


def _told(found: Extrapolation) -> dict[str, float]:
    smallest = float(found.sizes[0])
    return {"value": found.intercept, "slope": found.slope, "smallest_subset": smallest}

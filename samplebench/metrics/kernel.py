"""Distances of two sets of features by the means of a kernel over all pairs: KID and CMMD."""

from __future__ import annotations

import numpy as np

from samplebench.metrics.blocks import BlockedRows, WithoutErrorBar
from samplebench.metrics.family import family
from samplebench.metrics.kernel_sums import sums_between, sums_within, unbiased
from samplebench.metrics.pairs import at_least, both, read, squares, unit, whole
from samplebench.registry import metrics

# As torch-fidelity draws them.
SUBSETS, SUBSET_SIZE = 100, 1000


def kid(real: np.ndarray, generated: np.ndarray) -> float:
    """Kernel Inception distance: the unbiased estimate of the squared MMD over all pairs.

    sum_{i != j} k(x_i, x_j) / (M (M - 1)) + sum_{i != j} k(y_i, y_j) / (N (N - 1))
    - 2 mean_{i, j} k(x_i, y_j) with k(a, b) = (a.b / D + 1)^3 (Binkowski et al. 2018).
    In float64, symmetric, and below 0 about as often as above where both sets are of one kind.

    Args:
        real: features [M, D], M >= 2; may be mapped from a file.
        generated: features [N, D], N >= 2.

    Raises:
        ValueError: too few rows, or of different widths.
    """
    real, generated = both(real, generated)
    found, theirs = [slice(0, len(generated))], [slice(0, len(real))]
    return unbiased(
        float(sums_within(generated, found)[0, 0]),
        len(generated),
        float(sums_within(real, theirs)[0, 0]),
        len(real),
        float(sums_between(generated, found, real)[0]),
    )


def kid_subsets(
    generated: np.ndarray,
    real: np.ndarray,
    *,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 2020,
) -> tuple[float, float]:
    """KID as torch-fidelity estimates it: the mean over random subsets of both sets.

    Args:
        generated: features [N, D], drawn from first.
        real: features [M, D].
        subsets: number of subsets of each.
        subset_size: rows in each, without replacement; at most M and N.
        seed: of the one generator for all of them.

    Returns:
        Mean and population standard deviation over the subsets. They overlap, so the latter is no
        error of the mean.

    Raises:
        ValueError: a set is smaller than the subsets, or their widths differ.
    """
    at_least(1, subsets=subsets)
    at_least(2, subset_size=subset_size)
    real, generated = both(real, generated, subset_size)
    draw, found = np.random.RandomState(seed), []
    for _ in range(subsets):
        ours = draw.choice(len(generated), subset_size, replace=False)
        theirs = draw.choice(len(real), subset_size, replace=False)
        found.append(kid(real[theirs], generated[ours]))
    return float(np.mean(found)), float(np.std(found))


def cmmd(real: np.ndarray, generated: np.ndarray) -> float:
    """CMMD's formula on embeddings of one's own (Jayasumana et al. 2024).

    1000 times `gaussian_mmd` with width 10 of the rows divided by their norms, which is done in the
    precision of float32 rows, as others do. By its name it means image embeddings of CLIP ViT-L/14
    at 336 pixels, which samplebench does not compute.

    Args:
        real: embeddings [M, D], none of them 0.
        generated: embeddings [N, D].

    Raises:
        ValueError: a row is 0, there are none, or their widths differ.
    """
    real, generated = both(real, generated, 1)
    return 1000 * gaussian_mmd(unit(real), unit(generated), width=10.0)


def gaussian_mmd(real: np.ndarray, generated: np.ndarray, *, width: float) -> float:
    """The squared MMD with the kernel exp(-|a - b|^2 / (2 width^2)), biased: all pairs count.

    Args:
        real: rows [M, D].
        generated: rows [N, D].
        width: of the kernel, in units of the rows; above 0.

    Raises:
        ValueError: there are none, their widths differ, or that of the kernel is none.
    """
    if not width > 0:
        raise ValueError(f"width is {width}, and one above 0 is needed")
    real, generated = both(real, generated, 1)

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for here in whole(a):
            mine = read(a, here)
            for there in whole(b):
                squared = squares(mine, read(b, there))
                # Less 1, which the three means have in common: near 1 digits would be lost.
                total += np.expm1(squared / (-2 * width**2)).sum()
        return float(total / (len(a) * len(b)))

    return mean(real, real) + mean(generated, generated) - 2 * mean(real, generated)


def kid_by_blocks(samples: BlockedRows, real: BlockedRows) -> tuple[dict[str, float], list[float]]:
    """KID, and KID without each block of the samples in turn, from one pass over all pairs.

    What depends on the real rows alone is made once for all that is compared with them.

    Returns:
        {"value": KID}, and 20 values; none where fewer than 2 samples would be left.
    """
    both(real.rows, samples.rows)
    all_real = [slice(0, real.count)]
    theirs = real.once("kernel sum", lambda: float(sums_within(real.rows, all_real)[0, 0]))
    own = samples.once("kernel sums", lambda: sums_within(samples.rows, samples.blocks))
    between = sums_between(samples.rows, samples.blocks, real.rows)

    def distance(count: int, within: float, crossed: float) -> float:
        return unbiased(within, count, theirs, real.count, crossed)

    value = {"value": distance(samples.count, own.sum(), between.sum())}
    left = samples.left
    if left.min() < 2:
        return value, []
    gone = 2 * own.sum(axis=1) - np.diagonal(own)
    kept = zip(left, own.sum() - gone, between.sum() - between, strict=True)
    return value, [distance(*sums) for sums in kept]


@family(
    "kid",
    "kd",
    "Kernel distance, unbiased over all pairs,",
    statistic="features",
    better="lower",
    blocked=kid_by_blocks,
    cost="3.3 min and 1.3 GB on 2 cores at D = 2,048",
    cite=("binkowski2018demystifying",),
)
def kernel_distance(generated: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Of all pairs."""
    return {"value": kid(real, generated)}


def _subsets(generated: np.ndarray, real: np.ndarray) -> dict[str, float]:
    mean, std = kid_subsets(generated, real, subsets=SUBSETS, subset_size=SUBSET_SIZE)
    return {"value": mean, "subset_std": std}


metrics.register(
    "kid-subsets",
    summary="KID of 100 subsets of 1,000 as torch-fidelity draws them; without an error bar",
    statistic="features",
    extractor="inception",
    better="lower",
    # Without a block of samples other subsets would be drawn: their noise, and no error.
    blocked=WithoutErrorBar(_subsets),
    ordered=True,
    cost="15 s and 1.2 GB on 2 cores at D = 2,048",
    cite=("binkowski2018demystifying", "obukhov2020torchfidelity"),
)(_subsets)

"""Sums of KID's kernel over pairs of rows, by blocks of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplebench.metrics.pairs import Unfit, read, tiles, whole


def unbiased(within: float, count: int, real: float, real_count: int, between: float) -> float:
    """The unbiased estimate of the squared MMD (Gretton et al. 2012, Eq. 3).

    Args:
        within: sum of the kernel over pairs of different samples, each pair both ways.
        count: number of samples, N.
        real: sum over pairs of different real rows.
        real_count: their number, M.
        between: sum over pairs of a sample and a real row.

    Raises:
        Unfit: a sum is not finite.
    """
    n, m = float(count), float(real_count)
    found = real / (m * (m - 1)) + within / (n * (n - 1)) - 2 * between / (m * n)
    if not np.isfinite(found):
        raise Unfit("features are too large for the sixth power of them")
    return float(found)


def sums_within(rows: np.ndarray, blocks: Sequence[slice]) -> np.ndarray:
    """Over pairs of different rows, one of each of two blocks: [B, B], symmetric."""
    sums = np.zeros((len(blocks), len(blocks)))
    parts = tiles(blocks, rows.shape[1])
    for place, (block, part) in enumerate(parts):
        mine = read(rows, part) / rows.shape[1]
        for other, there in parts[place:]:
            found = _kernel(mine, read(rows, there), twins=there == part)
            sums[block, other] += found
            if there != part:
                sums[other, block] += found
    return sums


def sums_between(rows: np.ndarray, blocks: Sequence[slice], real: np.ndarray) -> np.ndarray:
    """Over pairs of a row of each block and any real one: [B]."""
    sums = np.zeros(len(blocks))
    for block, part in tiles(blocks, real.shape[1]):
        mine = read(rows, part) / real.shape[1]
        for there in whole(real):
            sums[block] += _kernel(mine, read(real, there))
    return sums


def _kernel(a: np.ndarray, b: np.ndarray, twins: bool = False) -> float:
    """The sum of (a_i . b_j + 1)^3; of twins, the same rows, without i = j."""
    with np.errstate(over="ignore", invalid="ignore"):  # told of the sums
        product = a @ b.T
        product += 1
        if twins:
            np.fill_diagonal(product, 0)
        return float(np.vdot(product * product, product))

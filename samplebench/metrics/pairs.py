"""All pairs of feature rows, by tiles: in float64 and in bounded memory, however many there are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# Of a tile: rows, and numbers in them. A tile's matrix of pairs then takes 50 MB at most.
TILE, TILE_NUMBERS = 2500, 2**23


class Unfit(ValueError):
    """Rows that a metric cannot work with: too few, or not finite."""


def rows_of(features: np.ndarray, what: str, least: int = 2) -> np.ndarray:
    """Features as rows [N, D], as they lie.

    Args:
        what: whose they are, for messages.
        least: so many rows are needed.

    Raises:
        Unfit: there are fewer.
        ValueError: they are no table of numbers.
    """
    rows = np.asanyarray(features)
    if rows.ndim != 2 or rows.dtype.kind not in "bfiu" or not rows.shape[1]:
        raise ValueError(f"{what}: real numbers [N, D] are needed, not {rows.dtype} {rows.shape}")
    if len(rows) < least:
        raise Unfit(f"{what}: {len(rows):,} rows are too few, at least {least:,} are needed")
    return rows


def both(real: np.ndarray, generated: np.ndarray, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of one width as rows [M, D] and [N, D].

    Raises:
        ValueError: as `rows_of`, or their widths differ.
    """
    real, generated = rows_of(real, "real", least), rows_of(generated, "generated", least)
    if real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"real has {real.shape[1]:,} features, generated has {generated.shape[1]:,}"
        )
    return real, generated


def at_least(least: int, **numbers: int) -> None:
    """Raises ValueError where a number that a metric is told, by its name, is below `least`."""
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"{name} is {number}, and at least {least} is needed")


def tiles(blocks: Iterable[slice], dim: int) -> list[tuple[int, slice]]:
    """(block, range of rows) in order, each range within one block.

    Args:
        blocks: ranges of rows.
        dim: D, the width of the rows.
    """
    most = max(1, min(TILE, TILE_NUMBERS // dim))
    return [
        (number, slice(start, min(start + most, block.stop)))
        for number, block in enumerate(blocks)
        for start in range(block.start, block.stop, most)
    ]


def whole(rows: np.ndarray) -> list[slice]:
    """The ranges of a tile each that make up all rows [N, D]."""
    return [part for _, part in tiles([slice(0, len(rows))], rows.shape[1])]


def read(rows: np.ndarray, part: slice, centre: np.ndarray | None = None) -> np.ndarray:
    """A range of rows in float64, less a centre [D] where one is given.

    Raises:
        Unfit: one is not finite.
    """
    found = np.array(rows[part], dtype=np.float64)
    if not np.isfinite(found).all():
        raise Unfit("features are not finite")
    if centre is not None:
        found -= centre
    return found


def centre_of(rows: np.ndarray) -> np.ndarray:
    """The mean of rows [N, D], float64 [D]."""
    total = np.zeros(rows.shape[1])
    for part in whole(rows):
        total += read(rows, part).sum(axis=0)
    return total / len(rows)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows [n, D] divided by their norms, in float32 where they are that, else in float64.

    Raises:
        ValueError: one is 0.
    """
    rows = np.asarray(rows, dtype=np.float32 if rows.dtype == np.float32 else np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise Unfit("features are not finite, or too large to be squared")
    if not lengths.all():
        raise ValueError("a row of zeros has no direction")
    return np.asarray(rows / lengths)


def norms_about(rows: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Squared distances of rows [N, D] from a centre [D]: [N]."""
    return np.concatenate([norms(read(rows, part, centre)) for part in whole(rows)])


def squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of float64 rows [n, D] and [m, D] by their dot products: [n, m].

    Their error is at most `rounding(D)` times the sum of both squared norms; they may be below 0.
    """
    own, others = norms(a)[:, None], norms(b)
    found = (-2 * a) @ b.T
    found += own
    found += others
    return found


def norms(rows: np.ndarray) -> np.ndarray:
    """Squared norms of rows [n, D]: [n].

    Raises:
        Unfit: one is not finite.
    """
    found = np.einsum("ij,ij->i", rows, rows)
    if not np.isfinite(found).all():
        raise Unfit("features are too large to be squared")
    return found


def rounding(dim: int) -> float:
    """How far `squares` may be off, in whatever order it is summed up, relative to the norms.

    The error of a sum of D products is at most D / 2 times eps (Higham 2002, section 3.1), in the
    norms and again in the product; what is left is that of sums of two, and of taking the centre
    away.
    """
    return (dim + 8) * float(np.finfo(np.float64).eps)

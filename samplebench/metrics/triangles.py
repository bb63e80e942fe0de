"""Symmetric matrices by their upper triangles, row by row: half of the room."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=2)
def _upper(dim: int) -> np.ndarray:
    """Where a matrix [D, D] has its upper triangle, as indices of its flat array."""
    return np.flatnonzero(np.triu(np.ones((dim, dim), dtype=bool)))


def size(dim: int) -> int:
    """Numbers of one triangle."""
    return dim * (dim + 1) // 2


def packed(matrix: np.ndarray) -> np.ndarray:
    """The triangle of a symmetric matrix [D, D]."""
    return np.ascontiguousarray(matrix).reshape(-1).take(_upper(len(matrix)))


def unpacked(triangle: np.ndarray, dim: int) -> np.ndarray:
    """The matrix [D, D] of a triangle, which `packed` gave."""
    matrix = np.zeros((dim, dim))
    matrix.reshape(-1)[_upper(dim)] = triangle
    return matrix + np.triu(matrix, 1).T


def products(matrix: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """tr(matrix S) of a symmetric matrix [D, D] with each of the triangles [B, D (D + 1) / 2]."""
    # Off the diagonal each number stands for two.
    weights = packed(2 * matrix)
    weights[_diagonal(len(matrix))] /= 2
    return np.asarray(triangles @ weights)


def diagonals(triangles: np.ndarray, dim: int) -> np.ndarray:
    """The diagonals [B, D] of triangles [B, D (D + 1) / 2]."""
    return triangles[:, _diagonal(dim)]


def _diagonal(dim: int) -> np.ndarray:
    """Where a triangle has the diagonal: row i begins there, and the rows before it are longer."""
    row = np.arange(dim)
    return row * dim - row * (row - 1) // 2

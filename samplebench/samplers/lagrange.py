"""Lagrange polynomials: l_j is 1 at node j and 0 at the others."""

from __future__ import annotations

import numpy as np


def lagrange(nodes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """l_j(at), [nodes, n].

    Raises:
        ZeroDivisionError: two nodes are one.
    """
    _check(nodes)
    values = np.ones((len(nodes), len(at)))
    for j, k in _pairs(len(nodes)):
        values[j] *= (at - nodes[k]) / (nodes[j] - nodes[k])
    return values


def lagrange_slope(nodes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """l_j'(at), [nodes, n]; raises as `lagrange`."""
    _check(nodes)
    slopes = np.zeros((len(nodes), len(at)))
    for j, m in _pairs(len(nodes)):
        term = np.full(len(at), 1 / (nodes[j] - nodes[m]))
        for k in range(len(nodes)):
            if k not in (j, m):
                term *= (at - nodes[k]) / (nodes[j] - nodes[k])
        slopes[j] += term
    return slopes


def _check(nodes: np.ndarray) -> None:
    """Raises where numpy would warn and answer with NaN."""
    if len(set(nodes.tolist())) < len(nodes):
        raise ZeroDivisionError("two nodes are one")


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(j, k) for j in range(count) for k in range(count) if j != k]

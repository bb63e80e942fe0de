"""A request's words to its plan, its cells' hashes and its rows."""

from __future__ import annotations

from samplebench.bench import plan as planning
from samplebench.bench.request import Request

BASE = {"sampler": "edm", "param": "edm.S_churn=10", "nfe": 9}


def make(**words):
    return planning.make(Request.of(**words))


def cells(**words):
    """Hashes of all cells, in order."""
    return list(make(**words).cells)


def rows(**words):
    return [dict(row.columns) for row in make(**words).rows]

"""A plan of three points, and rows as a run of it writes them."""

from __future__ import annotations

import pytest

from samplebench.bench import plan as planning
from samplebench.bench.request import Request


@pytest.fixture(scope="module")
def plan():
    return planning.make(Request.of(sampler="euler,heun,edm", nfe=9, num_samples=100))


@pytest.fixture
def rows(plan):
    """Three rows as of results.csv."""
    return [
        {
            **row.columns,
            "fd-digits": 2.0 + i,
            "fd-digits_stderr": 0.25,
            "cell": row.cells[0].hash,
        }
        for i, row in enumerate(plan.rows)
    ]

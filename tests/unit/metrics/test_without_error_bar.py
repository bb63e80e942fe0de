"""A metric that declares that it has no error bar."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.errors import UsageError
from samplebench.metrics.blocks import BlockedRows, WithoutErrorBar
from samplebench.metrics.scored import scored
from samplebench.registry import MetricEntry

ROWS = np.arange(80.0).reshape(40, 2)


def entry(function):
    return MetricEntry("toy", function, statistic="features", blocked=WithoutErrorBar(function))


@pytest.mark.parametrize("named", [False, True])
def test_it_is_asked_once_and_has_a_value_and_its_terms_alone(named):
    asked = []

    def metric(rows, reference):
        asked.append((rows.shape, reference.shape))
        value = float(rows.mean() - reference.mean())
        return {"value": value, "half": value / 2} if named else value

    found = scored(entry(metric), BlockedRows(ROWS), BlockedRows(ROWS[:30]))
    assert asked == [((40, 2), (30, 2))]
    assert (found["value"], found["stderr"], found["deleted"]) == (10.0, None, [])
    assert found.get("half") == (5.0 if named else None)


def test_a_fault_of_others_code_is_theirs():
    def metric(rows, reference):
        raise KeyError("mine")

    with pytest.raises(UsageError, match="metric toy"):
        scored(entry(metric), BlockedRows(ROWS), BlockedRows(ROWS))

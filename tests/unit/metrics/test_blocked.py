"""What others declare as blocked: judged, and kept from what other metrics are given."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.errors import UsageError
from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.kernel import kernel_distance, kid_by_blocks
from samplebench.metrics.moments import BlockedMoments
from samplebench.metrics.scored import scored
from samplebench.registry import MetricEntry
from samplebench.scoring.measure import Measure
from samplebench.scoring.rehearsal import rehearse

ROWS = np.random.default_rng(0).standard_normal((60, 3))


def value_of(blocked, function=lambda rows, reference: 1.0, **facts):
    entry = MetricEntry("toy", function, statistic="features", blocked=blocked, **facts)
    return scored(entry, BlockedRows(ROWS), BlockedRows(ROWS[:30]))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (3.0, "returned float 3.0; return"),
        (({"value": 1.0}, np.ones(20)), r"numpy array \[20\] float64 in the second place"),
        (({"value": 1.0}, None), "None in the second place"),
        (({"value": 1.0}, [1.0, 2.0, 3.0]), "3 values without one block for 20 blocks"),
        (({"value": 1.0}, [1.0] * 21), "21 values without one block for 20 blocks"),
        (({"value": 1.0}, ["1"] * 20), "where a number was expected"),
        (({}, []), "without 'value'"),
        *((({"value": 1.0, name: 0.5}, []), f"a term called {name}")
          for name in ("better", "stderr", "deleted")),
    ],
)  # fmt: skip
def test_wrong_answers_are_one_line(answer, message):
    with pytest.raises(UsageError, match=message):
        value_of(lambda samples, real: answer)


@pytest.mark.parametrize("name", ["better", "stderr", "deleted"])
def test_a_term_of_a_plain_metric_has_a_name_of_its_own(name):
    entry = MetricEntry("toy", lambda rows, real: {"value": 1.0, name: 0.5}, statistic="features")
    with pytest.raises(UsageError, match=f"a term called {name}"):
        scored(entry, BlockedRows(ROWS), BlockedRows(ROWS))


def test_no_error_bar_of_values_that_are_not_finite():
    found = value_of(lambda samples, real: ({"value": 1.0}, [np.nan] * 20))
    assert (found["value"], found["stderr"], found["deleted"]) == (1.0, None, [])


def test_it_must_be_a_function():
    with pytest.raises(UsageError, match=r"metric 'toy': blocked is a function of .*, not 3"):
        MetricEntry("toy", max, blocked=3)


def test_it_makes_a_metric_one_of_others():
    """Also where the plain function is ours."""
    facts = {"statistic": "features", "builtin": True}
    assert MetricEntry("kd-mine", kernel_distance, blocked=kid_by_blocks, **facts).builtin
    assert not MetricEntry("kd-mine", kernel_distance, blocked=lambda a, b: None, **facts).builtin


def test_what_it_gets_is_read_only():
    blocked = BlockedRows(ROWS)
    moments = BlockedMoments.of(ROWS)
    for array in (blocked.rows, blocked.total, moments.total.outer, *moments.parts.held):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert ROWS.flags.writeable


def test_what_is_made_once_is_that_of_one_package():
    samples, real = BlockedRows(ROWS), BlockedRows(ROWS[:30])
    expected = kid_by_blocks(BlockedRows(ROWS), BlockedRows(ROWS[:30]))
    made = [each.once(key, lambda: -1) for each, key in
            ((samples, "kernel sums"), (real, "kernel sum"))]  # fmt: skip
    assert made == [-1, -1] and samples.once("kernel sums", lambda: -2) == -1
    assert kid_by_blocks(samples, real) == expected
    # Code of others may change between two sweeps of a process.
    real.forget()
    assert real.once("kernel sum", lambda: -2) == -2
    assert any(place == ("samplebench", "kernel sum") for place in real._made)


class Real:
    """A reference that keeps its rows."""

    id, keeps_rows, rows = "real", True, ROWS

    def statistic(self, kind):
        raise AssertionError("rows are asked for")


def test_it_is_tried_before_anything_is_sampled():
    def boom(samples, real):
        raise KeyError(samples.count, real.count)

    facts = {"statistic": "features", "extractor": "digits", "blocked": boom}
    entry = MetricEntry("toy", lambda rows, real: 1.0, **facts)
    with pytest.raises(UsageError, match=r"metric toy failed \(KeyError: \(60, 60\)\)"):
        rehearse(Measure(entry, Real()), 1000)

"""Whether a curve moved."""

from __future__ import annotations

import json
import math

import pytest

from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.errors import InputError
from samplebench.regression import compare, load_rows, tolerance_for, update
from samplebench.report.tables import write_csv


@pytest.fixture
def rows():
    """Three rows as of results.csv."""
    plan = planning.make(Request.of(sampler="euler,heun,edm", nfe=9, num_samples=100))
    return [
        {
            **row.columns,
            "fd-digits": 2.0 + i,
            "fd-digits_stderr": 0.25,
            "cell": row.cells[0].hash,
        }
        for i, row in enumerate(plan.rows)
    ]


def changed(rows, **changes):
    """The rows with the first one changed."""
    return [{**rows[0], **changes}, *rows[1:]]


def statuses(current, baseline, tolerance=1e-6):
    return [verdict.status for verdict in compare(current, baseline, tolerance)]


def test_equal_rows_are_the_same(rows):
    verdicts = compare(rows, rows, 0.0)
    assert [v.status for v in verdicts] == ["same"] * 3
    assert not any(v.failed or v.detail for v in verdicts)


def test_the_order_of_rows_does_not_count(rows):
    assert statuses(rows[::-1], rows) == ["same"] * 3


@pytest.mark.parametrize("factor", [1 + 1e-3, 1 - 1e-3], ids=["up", "down"])
def test_a_value_that_moved_either_way(rows, factor):
    first, *others = compare(changed(rows, **{"fd-digits": 2.0 * factor}), rows, 1e-4)
    assert first.status == "moved" and first.failed
    assert first.detail.startswith("fd-digits 2 -> ") and "e-03)" in first.detail
    assert [v.status for v in others] == ["same", "same"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("change", "tolerance", "status"),
    [
        (0.25, 0.125, "same"),
        (0.25, 0.1249, "moved"),
        (0.2500001, 0.125, "moved"),
        (0.0, 0.0, "same"),
        (2**-51, 0.0, "moved"),
    ],
)
def test_the_tolerance_is_relative_and_its_edge_is_inside(rows, sign, change, tolerance, status):
    current = changed(rows, **{"fd-digits": 2.0 + sign * change})
    assert statuses(current, rows, tolerance)[0] == status


@pytest.mark.parametrize(
    ("column", "value", "detail"),
    [
        ("fd-digits_stderr", 0.26, "fd-digits_stderr 0.25 -> 0.26 (+4.00e-02)"),
        ("nfe", 10, "nfe 9 -> 10 (+1.11e-01)"),
        ("fd-digits", None, "fd-digits 2.0 -> None"),
        ("fd-digits", math.nan, "fd-digits 2 -> nan (+nan)"),
        ("fd-digits", math.inf, "fd-digits 2 -> inf (+inf)"),
    ],
)
def test_every_number_of_a_row_counts(rows, column, value, detail):
    first = compare(changed(rows, **{column: value}), rows, 1e-6)[0]
    assert (first.status, first.detail) == ("moved", detail)


def test_all_that_moved_is_said(rows):
    current = changed(rows, nfe=10, **{"fd-digits": 3.0})
    assert compare(current, rows, 1e-6)[0].detail == (
        "nfe 9 -> 10 (+1.11e-01), fd-digits 2 -> 3 (+5.00e-01)"
    )


def test_nan_and_none_equal_themselves(rows):
    odd = changed(rows, **{"fd-digits": math.nan, "fd-digits_stderr": None})
    assert statuses(odd, odd) == ["same"] * 3
    assert statuses(rows, odd)[0] == "moved"


def test_from_0(rows):
    zero = changed(rows, **{"fd-digits": 0.0})
    assert statuses(zero, zero, 0.0)[0] == "same"
    assert compare(rows, zero, 1e-6)[0].detail == "fd-digits 0 -> 2 (+inf)"


def test_a_missing_row_fails_a_new_one_does_not(rows):
    missing = compare(rows[1:], rows, 1e-6)
    assert [v.status for v in missing] == ["missing", "same", "same"]
    assert missing[0].failed and missing[0].row == rows[0]
    new = compare(rows, rows[1:], 1e-6)
    assert [v.status for v in new] == ["same", "same", "new"]
    assert not any(v.failed for v in new)


@pytest.mark.parametrize("column", ["seed", "rho", "params", "protocol", "num_samples", "dtype"])
def test_another_point_of_the_curve_is_not_compared(rows, column):
    current = changed(rows, **{column: "another"})
    assert statuses(current, rows) == ["missing", "same", "same", "new"]


def test_other_conditions_are_not_compared(rows):
    current = changed(rows, cell="0" * 64, **{"fd-digits": 7.0})
    first = compare(current, rows, 1e-6)[0]
    assert first.status == "conditions differ" and first.failed and first.detail


@pytest.mark.parametrize(
    ("current", "baseline", "expected"),
    [
        ({"a"}, {"a"}, 1e-6),
        ({"a"}, {"b"}, 1e-3),
        ({"a", "b"}, {"a"}, 1e-3),
        (set(), {"a"}, 1e-6),
        ({"a"}, set(), 1e-6),
    ],
)
def test_tolerance_for(current, baseline, expected):
    assert tolerance_for(current, baseline) == expected


class TestFiles:
    def test_a_csv_and_its_platforms(self, rows, tmp_path):
        path = write_csv(rows, tmp_path / "results.csv")
        assert load_rows(path) == (rows, set())
        beside = tmp_path / "results.provenance.json"
        beside.write_text(json.dumps({"platforms": ["a", "b"]}))
        assert load_rows(path) == (rows, {"a", "b"})

    def test_update_copies_both(self, rows, tmp_path):
        path = write_csv(rows, tmp_path / "results.csv")
        (tmp_path / "results.provenance.json").write_text(json.dumps({"platforms": ["a"]}))
        baseline = tmp_path / "deep" / "baseline.csv"
        update(path, baseline)
        assert baseline.read_bytes() == path.read_bytes()
        assert load_rows(baseline) == (rows, {"a"})
        assert sorted(p.name for p in baseline.parent.iterdir()) == [
            "baseline.csv",
            "baseline.provenance.json",
        ]

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match="does not exist; give a results folder or a results"):
            load_rows(tmp_path / "results.csv")

    @pytest.mark.parametrize(
        "content",
        [b"", b"model,sampler\n", b"model,sampler\na,b\n", b"\xff\xfe\x00", b"rho\nseven\n"],
        ids=["empty", "no rows", "few columns", "no text", "no number"],
    )
    def test_a_file_that_is_no_table(self, tmp_path, content):
        path = tmp_path / "results.csv"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"is not a results\.csv"):
            load_rows(path)

    def test_a_damaged_sidecar_is_named(self, rows, tmp_path):
        path = write_csv(rows, tmp_path / "results.csv")
        (tmp_path / "results.provenance.json").write_text("{")
        with pytest.raises(InputError, match=r"results\.provenance\.json"):
            load_rows(path)

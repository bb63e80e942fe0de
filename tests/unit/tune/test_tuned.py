"""What was found and judged, as data and in words."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from samplebench.trajectory.accumulation import Gap
from samplebench.tune import table
from samplebench.tune.table import advice, facts_of, table_of, text_rows
from tests.unit.tune.results import budget_of, result_of, score


@pytest.fixture(scope="module")
def result():
    return result_of(budget_of(5), budget_of(8))


def test_rows_are_plain_and_the_csv_has_them(result):
    rows = result.rows()
    json.dumps(rows, allow_nan=False)
    read = list(csv.DictReader(io.StringIO(result.csv())))
    assert [row["method"] for row in read] == ["rho 7", "best rho", "rho", "coordinate"] * 2
    assert list(read[0]) == list(rows[0])
    last = rows[-1]
    assert (last["nfe"], last["evaluations"], last["value"]) == (8, 24000, 0.3)
    assert last["ratio_to_best_rho"] == pytest.approx(1 / 3)
    assert last["error_to_rho_7"] == pytest.approx(-0.3 * 1.15)
    assert last["card"] == "cards/euler-coordinate-8.json"
    levels = [float(level) for level in last["levels"].split("/")]
    assert levels == pytest.approx(result.budgets[1].grids[3].candidate.levels, rel=1e-11)


def test_no_number_is_none():
    worst = budget_of(5, errors=(math.inf, 0.3, math.inf, math.nan), values=(None,) * 4)
    rows = result_of(worst).rows()
    json.dumps(rows, allow_nan=False)
    assert rows[0]["error"] is None and rows[1]["ratio_to_rho_7"] == 0
    assert rows[2]["ratio_to_rho_7"] is None and rows[2]["error_to_rho_7"] is None
    assert "inf" in text_rows(result_of(worst))[0]["error"]


@pytest.mark.parametrize(
    ("better", "values", "best"),
    [
        ("lower", (0.5, 0.45, 0.4, 0.3), "coordinate"),
        ("higher", (0.5, 0.45, 0.4, 0.3), "rho"),
        ("lower", (0.5, 0.45, 0.4, None), "rho"),
        (None, (0.5, 0.45, 0.2, 0.3), "coordinate"),
        ("lower", None, "coordinate"),
    ],
)
def test_the_best_has_the_best_metric_else_the_smallest_error(better, values, best):
    budget = budget_of(5, better, values)
    assert result_of(budget).best(budget).name == best


@pytest.mark.parametrize(
    ("gap", "better", "word"),
    [
        (Gap(-0.1, 0.02), "lower", "better"),
        (Gap(-0.1, 0.02), "higher", "worse"),
        (Gap(0.1, 0.02), "lower", "worse"),
        (Gap(0.1, 0.02), "higher", "better"),
        (Gap(0.04, 0.02), "lower", "a tie"),
        (Gap(-0.04, 0.02), "higher", "a tie"),
        (Gap(-0.5, None), "lower", "a tie"),
        (Gap(-0.5, math.nan), "lower", "a tie"),
    ],
)
def test_a_difference_in_words(gap, better, word):
    assert table._verdict("fd", gap, better).endswith(f"({word})")


def test_a_difference_of_no_direction_or_no_number():
    assert table._verdict("fd", Gap(-0.1, 0.02), None) == "fd -0.100 ± 0.020"
    assert table._verdict("fd", None, "lower") == ""
    assert table._verdict("fd", Gap(math.inf, math.nan), "lower") == ""


def test_the_words_of_a_result(result):
    rows, facts = text_rows(result), dict(facts_of(result))
    assert facts["seeds"] == (
        "searched on 10,000,000 to 10,000,015, evaluated on 0 to 1,796, without overlap"
    )
    assert facts["search"].startswith("54,000 network evaluations")
    assert "DOP853, rtol 1e-06; 10,000 evaluations" in facts["error"]
    assert rows[1]["method"] == "best rho (3)" and rows[1]["/ best rho"] == "-"
    assert rows[3]["/ rho 7"] == "0.250" and rows[3]["evaluations"] == "24,000"
    heads = [head for head, _ in table_of(result).heads]
    assert heads == list(rows[0]) and "fd-digits - best rho" in heads
    assert advice(result)[0] == (
        "NFE 5: coordinate less best rho (3): fd-digits 0.100 ± 0.020 (worse), truncation error "
        "-0.230 ± 0.013 (better)"
    )


def test_several_references_are_told_apart():
    budget = budget_of(5)
    grids = tuple(
        replace(grid, scores=(*grid.scores, replace(score(0.6), reference="digits-kde@1")))
        for grid in budget.grids
    )
    rows = text_rows(result_of(replace(budget, grids=grids)))
    assert {"fd-digits against digits", "fd-digits against digits-kde"} <= {*rows[0]}


def test_a_search_without_a_metric_is_told_without_one():
    result = result_of(budget_of(5, values=None))
    assert "metric" not in dict(facts_of(result))
    assert [*text_rows(result)[0]][-1] == "/ best rho"
    assert result.rows()[0]["metric"] == "" and result.rows()[0]["num_samples"] is None

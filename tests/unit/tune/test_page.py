"""The page of what was found and judged, from an invented result."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from samplebench.tune.judged import StepError
from samplebench.tune.page import chart_of, write_page
from tests.unit.tune.results import budget_of, result_of


@pytest.fixture(scope="module")
def result():
    return result_of(budget_of(5), budget_of(8))


def of(chart, figure):
    return [series for series in chart.series if series.figure == figure]


def test_every_figure_has_its_series(result):
    chart = chart_of(result)
    assert [figure.key for figure in chart.figures] == [
        "grids", "steps", "errors", "score 0", "cost rho 7", "cost best rho",
    ]  # fmt: skip
    assert [s.name for s in of(chart, "errors")] == ["rho 7", "best rho", "rho", "coordinate"]
    assert [m.y for m in of(chart, "score 0")[3].points] == [0.3, 0.3]
    mark = of(chart, "errors")[3].points[0]
    assert mark.low < mark.y < mark.high
    assert [m.x["evaluations"] for m in of(chart, "cost rho 7")[1].points] == [24000, 24000]
    assert of(chart, "cost rho 7")[1].points[0].y == pytest.approx(0.25)
    json.dumps(chart.data(), allow_nan=False)


def test_a_grid_is_a_row_of_its_levels(result):
    chart = chart_of(result)
    (figure,) = (figure for figure in chart.figures if figure.key == "grids")
    assert figure.y.names == ("coordinate", "rho", "best rho", "rho 7")
    for series, (budget, grid) in zip(
        of(chart, "grids"),
        ((b, g) for b in result.budgets for g in b.grids),
        strict=True,
    ):
        assert series.facets == {"method": grid.name, "nfe": str(budget.nfe)}
        assert {figure.y.names[int(m.y)] for m in series.points} == {grid.name}
        levels = [m.x["sigma"] for m in series.points]
        assert levels == sorted(grid.candidate.positive)


def test_steps_are_on_a_log_axis_unless_one_shrinks(result):
    chart = chart_of(result)
    assert next(f for f in chart.figures if f.key == "steps").y.log
    budget = result.budgets[0]
    shrunk = replace(budget.grids[0], steps=(StepError(80.0, 0.1), StepError(1.0, -0.05)))
    other = chart_of(result_of(replace(budget, grids=(shrunk, *budget.grids[1:]))))
    assert not next(f for f in other.figures if f.key == "steps").y.log


def test_what_is_not_there_has_no_figure():
    budget = budget_of(5, values=None)
    bare = replace(budget, grids=tuple(replace(g, errors=(), steps=()) for g in budget.grids))
    assert [figure.key for figure in chart_of(result_of(bare)).figures] == ["grids"]


def test_the_page_says_whose_seeds(result, tmp_path):
    text = write_page(result, tmp_path / "tune.html").read_text()
    assert "searched on 10,000,000 to 10,000,015, evaluated on 0 to 1,796, without overlap" in text
    assert "took 54,000 evaluations" in text and "the evaluation took 17,000." in text
    assert write_page(result, tmp_path / "again.html").read_text() == text


def test_names_of_others_are_text(result, tmp_path):
    name = "./<script>alert(1)</script>\u202e.py:" + 60 * "long_name_"
    page = write_page(replace(result, sampler=name, model=name), tmp_path / "tune.html")
    text = page.read_text()
    assert "<script>alert(1)" not in text and "\u202e" not in text

"""Figures, page and table of a truncation error, from an invented result."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from samplebench.report.plots import render
from samplebench.trajectory.figure import draw
from samplebench.trajectory.page import chart_of, facts_of, table_of, text_rows, write_convergence
from samplebench.trajectory.result import (
    Curve,
    Level,
    Order,
    Point,
    Spread,
    Truncation,
    Truth,
)

TRUTH = Truth(80.0, 0.0, 1e-12, 1e-13, 3525, 7e-12)


def spread(value):
    return Spread(1.5 * value, value, 0.5 * value, 2 * value)


def run(steps, order, nfe):
    sigmas = [80 * (1 - i / steps) ** 3 for i in range(1, steps)]
    levels = [Level(i, s, spread(1 / steps**order / (1 + s))) for i, s in enumerate(sigmas)]
    levels.append(Level(steps - 1, 0.0, spread(1 / steps**order)))
    slope = Order(float(order), order + 0.5) if steps > 4 else Order()
    return Point(steps, nfe, tuple(levels), slope, slope)


def curve(sampler, order, rho, params="", steps=(4, 8, 16)):
    points = tuple(run(n, order, n if order == 1 else 2 * n - 1) for n in steps)
    return Curve(sampler, params, "edm", rho, TRUTH, points)


def result(*curves):
    return Truncation("toy", 32, 0, "float64", curves)


@pytest.fixture
def wide():
    """Two samplers, two rho, three step counts."""
    return result(*(curve(s, o, r) for s, o in (("euler", 1), ("heun", 2)) for r in (3.0, 7.0)))


def test_the_chart_has_every_run(wide):
    chart = chart_of(wide)
    ends = [s for s in chart.series if s.figure == "end"]
    states = [s for s in chart.series if s.figure == "levels"]
    assert [figure.key for figure in chart.figures] == ["end", "levels"]
    assert [axis.key for axis in chart.figures[0].x] == ["nfe", "steps"]
    assert (len(ends), len(states)) == (4, 12)
    assert [s.name for s in ends][:2] == ["euler, edm ρ=3", "euler, edm ρ=7"]
    last = ends[-1].points[-1]
    assert (last.x, last.y) == ({"nfe": 31, "steps": 16}, 1 / 256)
    assert (last.low, last.high) == (0.5 / 256, 2 / 256)
    assert "order 2.00" in last.hover
    assert {facet.key for facet in chart.facets} == {"sampler", "grid", "rho", "steps"}
    assert states[0].facets == {"sampler": "euler", "grid": "edm", "rho": "3", "steps": "4"}
    assert "steps" not in ends[0].facets
    json.dumps(chart.data(), allow_nan=False)


@pytest.mark.parametrize(("orders", "drawn"), [((1, 2, 2), (1, 2)), ((4, 0.2), (4,)), ((), ())])
def test_the_orders_whose_slopes_are_drawn_are_those_of_the_most_steps(orders, drawn):
    curves = [curve(f"sampler-{i}", order, 7.0) for i, order in enumerate(orders)]
    short = curve("one", 3, 7.0, steps=(4,))  # which has no order
    ends, levels = chart_of(result(*curves, short)).figures
    assert (ends.orders, levels.orders) == (drawn, ())


def test_lines_go_from_left_to_right_and_differ(wide):
    chart = chart_of(wide)
    for series in chart.series:
        key = "nfe" if series.figure == "end" else "sigma"
        x = [point.x[key] for point in series.points]
        assert x == sorted(x) and len(set(x)) == len(x) and min(x) > 0
    for figure in ("end", "levels"):
        looks = [(s.colour, s.variant) for s in chart.series if s.figure == figure]
        assert len(set(looks)) == len(looks)


def test_the_table_has_a_row_for_every_run(wide):
    table = table_of(wide)
    heads = [head for head, _ in table.heads]
    assert len(table.rows) == 12
    assert all(len(row.cells) == len(heads) for row in table.rows)
    first, second = table.rows[0], table.rows[1]
    assert first.cells[heads.index("order")].text == "-"
    assert second.cells[heads.index("order")].text == "1.00"
    assert second.cells[heads.index("RMSE order")].text == "1.50"
    assert second.cells[heads.index("RMSE")].order == 1.5 / 8
    assert second.facets["steps"] == "8"


def test_what_is_the_same_everywhere_is_said_once():
    single = result(curve("heun", 2, 7.0))
    assert "grid" not in [head for head, _ in table_of(single).heads]
    assert ("grid", "edm ρ=7") in facts_of(single)
    assert "grid" in text_rows(result(curve("heun", 2, 7.0), curve("heun", 2, 3.0)))[0]
    assert chart_of(single).series[0].name == "heun"


def test_errors_without_a_place_on_the_axes():
    bad = curve("euler", 1, 7.0)
    for value in (0.0, math.inf, math.nan):
        error = Spread(value, value, value, value)
        levels = tuple(replace(level, error=error) for level in bad.points[-1].levels)
        broken = replace(bad.points[-1], levels=levels)
        odd = result(replace(bad, points=(*bad.points[:-1], broken)))
        points = [p for s in chart_of(odd).series if s.figure == "end" for p in s.points]
        assert [p.y is None for p in points] == [False, False, True]
        json.dumps(chart_of(odd).data(), allow_nan=False)
        assert b"</svg>" in render(draw(odd), "svg")
        row = odd.rows()[-1]
        json.dumps(row, allow_nan=False)
        assert row["rmse"] == (0 if value == 0 else None)
    every = replace(bad, points=(broken,))
    assert b"</svg>" in render(draw(result(every)), "svg")


def test_the_files_are_the_same_every_time(wide, tmp_path):
    names = ["trajectory.csv", "trajectory.svg", "trajectory.html"]
    first = write_convergence(wide, tmp_path / "a")
    again = write_convergence(wide, tmp_path / "b")
    assert [path.name for path in first] == names
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    table = (tmp_path / "a" / "trajectory.csv").read_text()
    assert len(table.splitlines()) == 1 + 4 * (4 + 8 + 16)
    assert not re.search(r"[1-9]\.\d{12}", table)
    page = (tmp_path / "a" / "trajectory.html").read_text()
    assert "Truncation error on toy" in page
    assert "DOP853 from sigma=80 to 0" in page


def test_the_static_figure_names_what_it_shows(wide):
    root = ET.fromstring(render(draw(wide), "svg"))
    texts = {"".join(e.itertext()).strip() for e in root.iter() if e.tag.endswith("text")}
    assert {"euler, edm ρ=3", "heun, edm ρ=7", "4 steps", "16 steps"} <= texts
    assert "error after every step, edm ρ=3" in texts


def test_names_cannot_break_the_page(tmp_path):
    odd = result(curve("</script><b>:$x$", 1, None, params="a=<i>"))
    odd = replace(odd, model="<script>\x07")
    page = write_convergence(odd, tmp_path)[-1].read_text()
    assert "</script><b>" not in page and "a=<i>" not in page and "\x07" not in page
    assert chart_of(odd).series[0].facets["rho"] == "none"


def test_runs_that_end_above_zero_say_so(wide, tmp_path):
    lowered = [
        replace(run, levels=(*run.levels[:-1], replace(run.levels[-1], sigma=0.002)))
        for run in wide.curves[0].points
    ]
    mixed = result(replace(wide.curves[0], points=tuple(lowered)), *wide.curves[1:])
    heads = [head for head, _ in table_of(mixed).heads]
    assert "end σ" in heads and "end σ" not in [head for head, _ in table_of(wide).heads]
    ends = [row["end σ"] for row in text_rows(mixed)]
    assert ends == ["0.002"] * 3 + ["0"] * 9
    assert "is compared with the solution there" in chart_of(mixed).figures[0].caption
    assert "is compared with the solution there" not in chart_of(wide).figures[0].caption
    marks = [s for s in chart_of(mixed).series if s.figure == "end"]
    assert "at its end, σ = 0.002" in marks[0].points[0].hover
    assert not any("at its end" in line for line in marks[1].points[0].hover)
    assert b"<svg" in render(draw(mixed), "svg")

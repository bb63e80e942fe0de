"""Exact draws in a report: a line at every NFE, no point of a curve, no rival of a sampler."""

from __future__ import annotations

from dataclasses import replace

import pytest

import samplebench as sb
from samplebench.report.best import contests
from samplebench.report.curves import plots_of
from samplebench.report.html import summary_of
from samplebench.report.labels import labelled
from samplebench.report.paper.figure import draw_for_paper
from samplebench.report.plots import draw
from samplebench.report.sweep import chart_of, facets_of, table_of
from samplebench.report.terminal import view_text
from samplebench.results.tables import to_csv, to_frame

METRIC = "fd-toy"
OWN = {"model": "digits-exact", "reference": "digits-kde@1a2b3c4d"}


def beside(view, value=0.02, stderr=0.004, first=False, **more):
    """A row of exact draws among the others."""
    row = view.rows[0] | {"sampler": "exact", "params": "", "discretization": "no steps"}
    row |= {"rho": None, "steps": 0, "nfe": 0, "nfe_requested": None, "depth": 0, "cell": "c" * 64}
    row |= {METRIC: value, f"{METRIC}_stderr": stderr, **more}
    view.rows.insert(0 if first else len(view.rows), row)
    return row


def level_line(figure):
    """The value and the ends of the band of the one level of a figure."""
    (axes,) = figure.axes
    (line,) = [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
    (band,) = axes.patches
    return line.get_ydata()[0], (band.get_y(), band.get_y() + band.get_height())


def test_it_is_a_line_with_a_band(make_view):
    view = make_view()
    beside(view)
    (plot,) = plots_of(view)
    figure = draw(plot)
    value, ends = level_line(figure)
    assert value == 0.02 and ends == pytest.approx((0.016, 0.024))
    low, high = figure.axes[0].get_ylim()
    assert 0 < low < 0.016 and high > 0.024
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[-1] == "exact draws"
    assert figure.axes[0].get_xlim()[0] > 1
    assert "Not drawn" not in plot.caption


@pytest.mark.parametrize(("value", "stderr"), [(0.02, 0.05), (0.0, 0.01), (-0.01, 0.002)])
def test_a_log_axis_stays_one(make_view, value, stderr):
    view = make_view()
    beside(view, value, stderr)
    (plot,) = plots_of(view)
    figure = draw(plot)
    figure.canvas.draw()
    low, high = figure.axes[0].get_ylim()
    assert figure.axes[0].get_yscale() == "log" and 0 < low < high


def test_curves_look_as_they_do_without(make_view):
    alone, view = make_view(), make_view()
    beside(view, first=True)
    (before,), (after,) = plots_of(alone), plots_of(view)
    assert [(c.label, c.colour, c.variant) for c in before.curves] == [
        (c.label, c.colour, c.variant) for c in after.curves
    ]
    assert before.caption == after.caption


@pytest.mark.parametrize("value", [0.001, 1e6])
def test_it_competes_nowhere(make_view, value):
    alone, view = make_view(), make_view()
    beside(view, value)
    assert contests(view, METRIC) == contests(alone, METRIC) != []
    end = view_text(view).partition("best per budget")[2]
    assert end and "exact" not in end


def test_tables_show_it_with_nfe_0(make_view):
    view = make_view()
    beside(view)
    line = next(line for line in view_text(view).splitlines() if line.startswith("exact"))
    assert line.split()[:4] == ["exact", "no", "steps", "0"]
    assert ",exact,,no steps,,0,0,,0," in to_csv(view.rows)
    table = table_of(view)
    heads = [text for text, _ in table.heads]
    assert table.rows[-1].cells[heads.index("NFE")].text == "0"
    assert "no steps" not in summary_of(view) and "NFE 5 to 71" in summary_of(view)


def test_the_page_gets_a_level(make_view):
    view = make_view()
    row = beside(view)
    series = chart_of(view, "").series
    (level,) = [one for one in series if one.level]
    (mark,) = level.points
    assert level.name == "exact draws"
    assert (mark.y, mark.low, mark.high) == (0.02, pytest.approx(0.016), pytest.approx(0.024))
    assert {"rho", "grid"}.isdisjoint(level.facets) and level.facets["sampler"] == "exact"
    assert facets_of(row).keys() < facets_of(view.rows[0]).keys()


@pytest.mark.parametrize(
    ("better", "more", "floor"),
    [
        ("lower", OWN, True),
        ("lower", {**OWN, "model": "digits-cld-exact"}, True),
        # To real digits the kernel density is farther than some samplers with few steps.
        ("lower", {**OWN, "reference": "digits@1a2b3c4d"}, False),
        ("lower", {**OWN, "model": "digits-exact-uncond"}, False),
        ("lower", {**OWN, "model": "somebody's"}, False),
        # Samples that vary less may be more precise.
        ("higher", OWN, False),
    ],
)
def test_it_is_a_floor_to_the_models_own_law(make_view, better, more, floor):
    view = make_view()
    for score in view.scores.values():
        score["value"]["better"] = better
    for row in view.rows:
        row |= more
    beside(view)
    (level,) = plots_of(view)[0].levels
    assert level.floor is floor
    assert level.label == ("exact draws (floor)" if floor else "exact draws")


def test_of_several_each_says_what_tells_it_apart(make_view):
    view = make_view()
    for n in (500, 1000):
        beside(view, num_samples=n)
    labels = [level.label for level in plots_of(view)[0].levels]
    assert labels == ["exact draws, N=500", "exact draws, N=1000"]


def test_its_label_stands_for_its_name(make_view):
    view = make_view()
    beside(view)
    (plot,) = plots_of(labelled(replace(view, labels={("sampler", "exact"): "Truth"})))
    assert [(level.name, level.label) for level in plot.levels] == [("Truth", "Truth")]


def test_alone_it_has_no_figure(make_view):
    view = make_view()
    row = beside(view)
    view.rows[:] = [row]
    assert plots_of(view) == [] and chart_of(view, "").figures == []
    assert "no steps" in summary_of(view)


def test_every_figure_of_it_draws_what_its_legend_names(make_view):
    """The report's, a paper's and that of a frame."""
    view = make_view()
    beside(view)
    (plot,) = plots_of(view)
    for figure in (draw(plot), draw_for_paper(plot), sb.plot(to_frame(view.rows))):
        named = [text.get_text() for text in figure.legends[0].get_texts()]
        assert "exact draws" in named and level_line(figure)[0] == 0.02

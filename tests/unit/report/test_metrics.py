"""Several metrics on one page: one at a time, each with its own direction, values of any sign."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import pytest

import samplebench as sb
from samplebench.report import terminal, write_report
from samplebench.report.best import marks_of
from samplebench.report.curves import plots_of
from samplebench.report.html import render_html
from samplebench.report.plots import draw
from samplebench.results.fields import metrics_of
from samplebench.results.store import Store
from samplebench.results.view import key_of

BETTER = {"fd-toy": "lower", "recall-toy": "higher", "kd-toy": "lower"}


@pytest.fixture
def view(make_view):
    """In the order of asking: recall-toy, which grows, kd-toy, which falls below zero, fd-toy, and
    silent-toy, which says no direction; the rows of two models."""
    made = make_view()
    scores, rows = {}, []
    for place, row in enumerate(made.rows):
        distance, error = row["fd-toy"], row["fd-toy_stderr"]
        values = {
            "recall-toy": (1 / (1 + distance), 1e-3),
            "kd-toy": (1e-4 * (distance - 0.5), 1e-6),
            "fd-toy": (distance, error),
            "silent-toy": (float(place), 0.5),
        }
        kept = {k: v for k, v in row.items() if not k.startswith("fd-toy")}
        for name, (value, error) in values.items():
            kept |= {name: value, f"{name}_stderr": error}
        rows.append(kept)
        for old in made.scores_of(row):
            for name, (value, stderr) in values.items():
                new = json.loads(json.dumps(old))
                new["conditions"]["metric"] = name
                new["value"] = {"value": value, "stderr": stderr}
                new["value"] |= {"better": BETTER[name]} if name in BETTER else {}
                scores[key_of(new)] = new
    others = [row | {"model": "other"} for row in rows]
    return replace(made, rows=[*rows, *others], scores=scores)


def chart_in(text):
    found = re.search(r'<script type="application/json" id="chart">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def test_every_figure_and_series_is_of_one_metric_the_first_asked_for_first(view):
    chart = chart_in(render_html(view))
    (facet,) = [facet for facet in chart["facets"] if facet["key"] == "metric"]
    assert facet["single"] and chart["facets"][0] == facet
    shown = [figure["facets"]["metric"] for figure in chart["figures"]]
    assert shown == [m for m in ("recall-toy", "kd-toy", "fd-toy", "silent-toy") for _ in range(2)]
    by_key = {figure["key"]: figure["facets"]["metric"] for figure in chart["figures"]}
    assert all(one["facets"]["metric"] == by_key[one["figure"]] for one in chart["series"])
    # Rows of the table and pictures are there whatever the metric.
    assert not [part for part in chart["rows"] + chart["pictures"] if "metric" in part["facets"]]


def test_values_of_any_sign_are_drawn_and_the_axis_follows(view):
    chart = chart_in(render_html(view))
    logs = {f["facets"]["metric"]: f["y"]["log"] for f in chart["figures"]}
    assert logs == {"recall-toy": False, "kd-toy": False, "fd-toy": True, "silent-toy": False}
    drawn = [
        (point["y"], point["low"], point["high"])
        for one in chart["series"]
        if one["facets"]["metric"] == "kd-toy"
        for point in one["points"]
    ]
    values = sorted(row["kd-toy"] for row in view.rows)
    assert sorted(y for y, _, _ in drawn) == values and values[0] < 0 < values[-1]
    assert all(low < y < high for y, low, high in drawn)


@pytest.mark.parametrize("error", [0.4, 0.5, 0.6])
def test_an_error_bar_that_reaches_zero_makes_the_axis_plain(make_view, error):
    view = make_view()
    view.rows[3] |= {"fd-toy": 0.5, "fd-toy_stderr": error}
    (plot,) = plots_of(view)
    assert plot.log == (error < 0.5)
    assert draw(plot).axes[0].get_yscale() == ("log" if error < 0.5 else "linear")


def test_the_best_of_each_metric_is_by_its_own_direction(view):
    text = render_html(view)
    groups = re.findall(r'<tbody data-metric="(.*?)">(.*?)</tbody>', text, re.DOTALL)
    heads = [(metric, re.search(r"<th.*?>(.*?)</th>", body)[1]) for metric, body in groups]
    assert heads[:4:2] == [
        ("recall-toy", "toy-model, recall-toy (higher is better)"),
        ("kd-toy", "toy-model, kd-toy (lower is better)"),
    ]
    assert heads[-1] == ("silent-toy", "silent-toy") and "no two rows compete" in groups[-1][1]
    # All fall and rise together, so that the same rows win.
    marks = {name: marks_of(view, name) for name in BETTER}
    best = {name: {i for i, m in found.items() if m == "best"} for name, found in marks.items()}
    assert best["recall-toy"] == best["kd-toy"] == best["fd-toy"] != set()
    for index in best["kd-toy"]:
        rivals = [r for r in view.rows if r["nfe"] == view.rows[index]["nfe"]]
        assert view.rows[index]["recall-toy"] == max(r["recall-toy"] for r in rivals)
        assert view.rows[index]["kd-toy"] == min(r["kd-toy"] for r in rivals)
    assert marks_of(view, "silent-toy") == {}
    said = set(re.findall(r"\S+ \(\w+ is better\)", terminal.view_text(view)))
    assert said == {f"{name} ({better} is better)" for name, better in BETTER.items()}


def test_one_metric_has_one_value_of_the_switch(make_view):
    text = render_html(make_view())
    assert {f["facets"]["metric"] for f in chart_in(text)["figures"]} == {"fd-toy"}
    assert re.findall(r"<tbody data-metric=.*?>\n<tr><th", text) == []


def test_a_metric_alone_with_contests_is_still_named(make_view):
    view = make_view()
    for row in view.rows:
        row["silent-toy"] = 1.0
    text = render_html(view)
    assert re.findall(r'data-metric="(.*?)">\n<tr><th.*?>(.*?)<', text) == [
        ("fd-toy", "fd-toy (lower is better)"),
        ("silent-toy", "silent-toy"),
    ]


def test_without_scripts_every_figure_is_a_picture(make_view, tmp_path):
    view = make_view()
    view.rows[0]["recall-toy"] = 0.5
    write_report(view, tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    parts = re.findall(r'<noscript><img class="drawn".*?base64,(.*?)"></noscript>', text)
    # An overview has nothing that its page has not.
    drawn = (tmp_path / "figures").glob("*.svg")
    figures = {path.read_bytes() for path in drawn if ".overview" not in path.name}
    assert len(parts) == 2 and {base64.b64decode(part) for part in parts} == figures
    assert "<noscript>" in render_html(view) and "base64,PD94" not in render_html(view)


def test_columns_of_several_metrics_say_the_error_bar_once(view):
    text = render_html(view)
    assert "(± 1 standard error)" not in text and "<dd>± 1 standard error</dd>" in text
    cells = re.findall(r'<td class="value[^>]*>([^<]*)', text.partition('id="values"')[2])
    small = [cell.strip() for cell in cells if "e-0" in cell]
    assert len(small) == 48 and {cell.rpartition("e")[2] for cell in small} == {"-04"}
    # The best of a budget reads as the table does.
    assert {c for c in small if f'<td class="value">{c}</td>' in text.partition('id="values"')[0]}


FOUR = {"recall-digits": max, "fd-digits": min, "kd-digits": min, "precision-digits": max}


def test_a_sweep_of_four_metrics_is_one_page(tmp_path):
    """From samples to the page: in the order of asking, each metric by its direction."""
    out = tmp_path / "four"
    words = {"model": "digits-exact", "sampler": ["euler", "heun"], "nfe": [5, 9]}
    frame = sb.run(**words, metric=list(FOUR), reference="digits", num_samples=64, out=out)
    made = Store(out).view()
    assert metrics_of(made.rows) == list(FOUR) == [c for c in frame if c in FOUR]
    text = (out / "report.html").read_text("utf-8")
    chart = chart_in(text)
    assert [figure["facets"]["metric"] for figure in chart["figures"]] == list(FOUR)
    for name, best_of in FOUR.items():
        points = [
            point["y"]
            for one in chart["series"]
            if one["facets"]["metric"] == name
            for point in one["points"]
        ]
        assert sorted(points) == pytest.approx(sorted(frame[name]), rel=1e-11)
        best = [index for index, mark in marks_of(made, name).items() if mark == "best"]
        assert best
        for index in best:
            rivals = [
                r for r in made.rows if r["nfe_requested"] == made.rows[index]["nfe_requested"]
            ]
            assert made.rows[index][name] == best_of(r[name] for r in rivals)
        assert f"{name} ({'higher' if best_of is max else 'lower'} is better)" in text

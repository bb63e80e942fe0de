"""The page of a comparison and its other outputs, read as data; in a browser: tests/e2e."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest

from samplebench.compare import compare
from samplebench.compare.figures import plots_of_sides
from samplebench.compare.page import chart_of, page_of, table_of
from samplebench.compare.side import labels_of
from samplebench.compare.table import csv_of, json_of, text_of
from samplebench.compare.write import folder_name, write_comparison
from samplebench.regression.rows import KEY
from samplebench.report.best import TIE
from samplebench.results.fields import printable, unguarded
from samplebench.results.tables import read_csv, write_csv
from tests.unit.compare.conftest import METRICS

HOSTILE = {
    "html": "<img src=x onerror=alert(1)>",
    "quotes": "\"'><script>alert(1)<",
    "template": "{{ 7*7 }}",
    "unicode": "数字 ü\u202eb",
    "formula": "=1+1",
    "order": "::error::x",
    "a head": "NFE",
    "long": "long" * 50,
}
LIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def apart(ran, copied, shifted):
    """A comparison with a better and a worse folder, recall turned the other way."""
    up = shifted(copied("up"), "fd-digits", 0.5)
    down = shifted(shifted(copied("down"), "fd-digits", -0.5), "recall-digits", -0.01)
    return compare([str(ran()), str(up), str(down)])


def by_figure(chart):
    found = {figure.key: [] for figure in chart.figures}
    for one in chart.series:
        found[one.figure].append(one)
    return found


def test_curves_of_all_folders_and_differences_share_figures(apart):
    chart = chart_of(apart, csv_of(apart))
    found = by_figure(chart)
    assert len(found) == 2 * len(METRICS)
    for key, series in found.items():
        if key.startswith("curves"):
            # Three folders of two samplers: as many colours, and a marker for each folder.
            assert len({one.colour for one in series}) == len(series) == 6
            assert len({one.variant for one in series}) == 3
            assert all(one.line for one in series)
        else:
            assert len(series) == 4 and not any(one.line for one in series)
    for figure in chart.figures:
        assert figure.y.zero == figure.key.startswith("differences")


def test_a_difference_is_drawn_with_two_standard_errors(apart):
    chart = chart_of(apart, "")
    lines = [one for each in apart.against for one in each.differences]
    figures = {figure.key: figure for figure in chart.figures}
    counted = 0
    for key, series in by_figure(chart).items():
        metric = next(name for name in METRICS if name in key)
        # What belongs on a log axis is compared by shares, as a curve goes over decades.
        assert ("in %" in figures[key].y.title) == (key[0] == "d" and metric == "fd-digits")
        for point in (p for one in series for p in one.points if key.startswith("differences")):
            counted += 1
            (one, *_) = [
                o for o in lines if o.metric == metric
                and point.y == (100 / o.change.old if "fd" in metric else 1.0) * o.value
            ]  # fmt: skip
            scale = 100 / one.change.old if metric == "fd-digits" else 1.0
            assert point.high - point.y == pytest.approx(scale * TIE * one.change.error)
            assert point.y - point.low == pytest.approx(scale * TIE * one.change.error)
            # A bar that reaches zero is a tie, and a hollow mark.
            assert point.hollow == (point.low <= 0 <= point.high) == (one.verdict == "tie")
    assert counted == len(lines)


def test_two_protocols_are_never_joined_nor_in_one_figure(ran):
    found = compare([str(ran()), str(ran({"num_samples": 20}))], ["fd-digits"])
    chart = chart_of(found, "")
    curves = [figure for figure in chart.figures if figure.key.startswith("curves")]
    assert len(curves) == 2
    for figure in curves:
        series = [one for one in chart.series if one.figure == figure.key]
        assert len({one.facets["protocol"] for one in series}) == 1
        assert series[0].facets["protocol"] in figure.title
    assert {one.facets["num_samples"] for one in chart.series} == {"20", "40"}


def test_published_values_stand_beside_the_first_folder_that_has_their_model(tmp_path):
    paths = []
    for name, fid in (("mine", 2.2), ("other", 2.1)):
        row = dict.fromkeys(KEY) | {
            "model": "vp-cifar10", "sampler": "heun", "params": "",
            "discretization": "edm", "rho": 7.0, "steps": 18, "nfe": 35, "nfe_requested": 35,
            "depth": 35, "guidance": "", "guide_nfe": 0, "seed": 0, "repeats": 1,
            "num_samples": 50_000, "protocol": "edm", "dtype": "float32",
            "reference": "edm-cifar10-32x32@abababab", "fid": fid, "fid_stderr": 0.01,
            "cell": "ab" * 32,
        }  # fmt: skip
        paths.append(str(write_csv([row], tmp_path / name / "results.csv")))
    chart = chart_of(compare(paths), "")
    beside = [one for one in chart.series if "published" in one.facets]
    (first, *_) = [one for one in chart.series if one.figure.startswith("curves")]
    assert beside and {one.colour for one in beside} == {first.colour}
    assert any(not point.hollow and point.x["nfe"] == 35 for one in beside for point in one.points)
    assert {one.figure for one in beside} == {first.figure}
    assert [facet.key for facet in chart.facets][-1] == "published"


def test_exact_draws_of_all_folders_are_lines_under_their_curves(ran, tmp_path):
    """Two folders with the same draws, and a third with others."""
    rows = [row for row in read_csv(ran() / "results.csv") if row["sampler"] == "euler"]
    exact = rows[0] | {"sampler": "exact", "discretization": "no steps", "rho": None, "steps": 0}
    exact |= {"nfe": 0, "nfe_requested": None, "cell": "e" * 64}
    values = {"a": 2.0, "b": 2.0, "c": 3.0}
    paths = [
        str(write_csv([*rows, exact | {"fd-digits": value}], tmp_path / name / "results.csv"))
        for name, value in values.items()
    ]
    found = compare(paths, ["fd-digits"])
    chart = chart_of(found, "")
    levels = {one.name: one for one in chart.series if one.level}
    assert {name: one.points[0].y for name, one in levels.items()} == {
        f"{name}: exact draws": value for name, value in values.items()
    }
    (curves,) = {one.figure for one in chart.series if "euler" in one.name and one.line}
    assert {one.figure for one in levels.values()} == {curves}
    assert levels["c: exact draws"].facets["folder"] == "c"
    (plot,) = plots_of_sides(found)
    assert [(one.label, one.value) for one in plot.levels] == [
        ("a: exact draws", 2.0), ("c: exact draws", 3.0)
    ]  # fmt: skip
    (plot,) = plots_of_sides(compare(paths[:2], ["fd-digits"]))
    assert [one.label for one in plot.levels] == ["exact draws"]


def test_the_table_has_a_glyph_and_a_colour_for_what_is_apart(apart):
    table = table_of(apart)
    heads = [head for head, _ in table.heads]
    assert heads[:2] == ["metric", "folder"] and heads[-1] == "verdict"
    told = {(row.cells[1].text, row.cells[0].text): row.cells[-1] for row in table.rows}
    marks = {key: (cell.text, cell.mark) for key, cell in told.items()}
    assert marks == {
        ("up", "fd-digits"): ("✗ worse", "worse"),
        ("up", "recall-digits"): ("≈ tie", ""),
        ("down", "fd-digits"): ("✓ better", "better"),
        ("down", "recall-digits"): ("✗ worse", "worse"),
    }
    place = heads.index("difference")
    orders = [row.cells[place].order for row in table.rows]
    assert orders == pytest.approx([0.5] * 4 + [-0.5] * 4 + [0] * 4 + [-0.01] * 4)


def test_csv_json_and_text_say_the_same(apart, tmp_path):
    lines = list(csv.DictReader(io.StringIO(csv_of(apart))))
    plain = json_of(apart)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert len(lines) == len(plain["differences"]) == 16
    for line, one in zip(lines, plain["differences"], strict=True):
        assert line["verdict"] == one["verdict"] and line["paired"] == one["paired"] == "yes"
        assert float(line["difference"]) == one["difference"]
        assert math.isclose(
            one["difference"], one["value"] - one["value_base"], rel_tol=1e-6, abs_tol=1e-11
        )
    text = text_of(apart)
    assert f"up against {apart.base.label}: 4 worse, 4 ties" in text
    assert text.count("better") == 4 + 1 and "not compared" not in text
    paths = write_comparison(apart, tmp_path / "out")
    assert [path.name for path in paths] == ["comparison.csv", "compare.html"]
    before = [path.read_bytes() for path in paths]
    assert [p.read_bytes() for p in write_comparison(apart, tmp_path / "out")] == before
    assert paths[0].read_text(encoding="utf-8") == csv_of(apart)


def test_what_is_not_compared_is_on_the_page_with_its_reason(ran):
    found = compare([str(ran()), str(ran(nfe=[5]))], ["fd-digits"])
    assert "NFE budget 10 -&gt; 5" in page_of(found, "") and "NFE budget 10 -> 5" in text_of(found)
    (first, _) = json_of(found)["not_compared"], None
    assert first[0]["points"] == ["euler, edm rho=7, NFE 10", "heun, edm rho=7, NFE 9"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_and_nothing_else(copied, tmp_path, name):
    text = HOSTILE[name]
    folder = copied(text)
    rows = [{**row, "params": printable(text)} for row in read_csv(folder / "results.csv")]
    table = write_csv(rows, tmp_path / f"{text} 2"[:90] / "results.csv")
    found = compare([str(folder), str(table)])
    labels = [side.label for side in found.sides]
    assert all(label.isprintable() and len(label) <= 40 for label in labels)
    page = page_of(found, csv_of(found))
    for live in ("<img src=x", "<script>alert", ">49<"):
        assert live not in page
    for out in (text_of(found), page.partition('<script type="application/json"')[0]):
        assert not LIVE.search(out)
    for line in csv.DictReader(io.StringIO(csv_of(found))):
        assert unguarded(line["base"]) == labels[0] and not line["base"].startswith("=")
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", folder_name(found))
    heads = [head for head, _ in table_of(found).heads]
    assert labels[0] in heads and "difference" in heads


def test_labels_are_short_and_unlike(tmp_path):
    def named(*places):
        return labels_of([tmp_path / place for place in places])

    assert named("a", "b") == ["a", "b"]
    assert named("a/x", "b/x", "y") == ["a/x", "b/x", "y"]
    assert named("a/x", "b/x/results.csv", "c.csv") == ["a/x", "b/x", "c.csv"]
    assert named("p/a/x", "p/b/x", "q/a/x") == ["p/a/x", "b/x", "q/a/x"]
    assert named("a", "a/results.csv") == ["1 a", "2 a"]
    long = named("l" * 80 + "a" * 20, "l" * 70 + "b" * 10 + "a" * 20)
    assert len(set(long)) == 2 and all(len(label) <= 42 for label in long)


@pytest.mark.parametrize(("more", "scrolled"), [(3, False), (25, True)])
def test_what_has_no_counterpart_says_why_and_does_not_fill_the_page(more, scrolled, ran, tmp_path):
    rows = read_csv(ran() / "results.csv")
    further = [{**rows[0], "nfe": 100 + i, "nfe_requested": 100 + i} for i in range(more)]
    sides = [write_csv(found, tmp_path / f"{name}.csv") for name, found in
             (("base", rows), ("mine", rows + further))]  # fmt: skip
    page = page_of(compare([str(side) for side in sides]), "")
    section = page.partition('<section id="alone">')[2].partition("</section>")[0]
    assert section.count("<li>") == more
    assert len(re.findall(r"NFE 10\d \(nearest in base.csv: .+\)</li>", section)) == min(more, 10)
    assert ('class="scroll tall"' in section) == scrolled

"""One set of images against two references: two rows, two curves, one sheet, one record."""

from __future__ import annotations

import pytest

from samplebench.report.curves import plots_of, references_of
from samplebench.report.html import _caveats, _provenance, render_html, summary_of
from samplebench.report.sheets import sheets_of
from samplebench.report.standings import standings
from samplebench.report.sweep import chart_of
from samplebench.report.terminal import to_text, view_text
from samplebench.results.row import value

MINE = ("mine", "12345678" * 8)
FIRST, SECOND = "toy-reference@cdcdcdcd", "mine@12345678"


@pytest.fixture
def view(make_view, against):
    return against(make_view(), *MINE)


def test_two_curves_that_look_and_are_called_differently(view):
    (plot,) = plots_of(view)
    assert len(plot.curves) == 12
    assert len({curve.label for curve in plot.curves}) == 12
    assert len({(c.hue, *map(str, c.look.values())) for c in plot.curves}) == 12
    for curve in plot.curves:
        (reference,) = {row["reference"] for row in curve.rows}
        assert curve.label.endswith(f"reference {reference}") and len(curve.rows) == 4
    assert "reference toy-reference or mine;" in plot.caption


def test_references_of_one_name_are_told_apart_by_their_hash(make_view, against):
    view = against(make_view(), "toy-reference", "ab" * 32)
    assert references_of(view.rows) == [FIRST, "toy-reference@abababab"]
    assert references_of(make_view().rows) == ["toy-reference"]
    assert references_of([{"model": "m"}, {"reference": ""}]) == []


def test_metrics_of_two_references_have_a_figure_each_as_if_alone(make_view, against):
    alone, view = make_view(), against(make_view(), *MINE)
    for row in view.rows[24:]:
        row["fd-mine"], row["fd-mine_stderr"] = row.pop("fd-toy"), row.pop("fd-toy_stderr")
    first, second = plots_of(view)
    (expected,) = plots_of(alone)
    assert [c.label for c in first.curves] == [c.label for c in expected.curves]
    assert first.caption == expected.caption
    assert [c.label for c in second.curves] == [c.label for c in expected.curves]
    assert "reference mine;" in second.caption


def test_the_best_is_found_for_each_reference(view):
    found = standings(view)
    budgets = {outcome.budget for outcome in found}
    assert len(found) == 2 * len(budgets)
    for budget in budgets:
        first, second = (outcome for outcome in found if outcome.budget == budget)
        assert (first.facts["reference"], second.facts["reference"]) == (FIRST, SECOND)
        assert first.best.replace(FIRST, SECOND) == second.best
    assert "reference" in view_text(view).partition("best per budget")[2]


def test_a_sheet_is_shown_once_with_its_values_against_each(view, make_view):
    sheets, usual = sheets_of(view).all, sheets_of(make_view()).all
    assert [sheet.about for sheet in sheets] == [sheet.about for sheet in usual]
    assert all(
        [text.partition(" against ")[2] for text in sheet.values] == [FIRST, SECOND]
        for sheet in sheets
    )
    # It stays where one reference is chosen on the page.
    assert not any("reference" in sheet.facets for sheet in sheets)
    assert all("against" not in text for sheet in usual for text in sheet.values)


def test_a_record_is_shown_once_with_its_scores(view, make_view):
    cells = _provenance(view)
    assert [cell.labels for cell in cells] == [cell.labels for cell in _provenance(make_view())]
    row = next(row for row in view.rows if row["cell"] == cells[0].hash)
    for factor, reference in ((1.0, FIRST), (1.1, SECOND)):
        section = dict(cells[0].sections[f"fd-toy against {reference}"])
        assert float(section["value.value"]) == pytest.approx(factor * value(row, "fd-toy"))
        assert section["conditions.extractor.name"] == "toy"


def test_caveats_of_records_and_scores_are_said_once(view):
    row = view.rows[0]
    view.cells[row["cell"]]["unsteady"] = ["of the images"]
    for reference in (FIRST, SECOND):
        score = view.scores[row["cell"], "fd-toy", reference]
        score["unsteady"] = ["of the value"]
        score["conditions"]["extractor"]["feature_dim"] = 500
    label = "euler, ρ=7, NFE 5"
    few = "N = 500 is not above the 500 features: the value means little"
    assert _caveats(view) == [
        (label, "not seed-reproducible: of the images"),
        (label, "not seed-reproducible: of the value"),
        (label, few),
    ]
    assert view_text(view).count(f"note: {few}") == 1


def test_a_value_extrapolated_from_few_samples_is_told(make_view):
    view = make_view()
    for score in view.scores.values():
        score["value"]["smallest_subset"] = 50.0
        score["conditions"]["extractor"]["feature_dim"] = 64
    few = "fd-toy extrapolates from subsets of 50 samples and more, which are few for 64 features"
    assert view_text(view).count(f"note: {few}: the value means little") == 1
    assert len([text for _, text in _caveats(view) if few in text]) == len(view.rows)
    for score in view.scores.values():
        score["value"]["smallest_subset"] = 128.0
    assert few not in view_text(view) and not _caveats(view)


def test_the_page_lets_a_reader_choose(view):
    chart = chart_of(view, "")
    assert {one.facets["reference"] for one in chart.series} == {FIRST, SECOND}
    assert summary_of(view).endswith("reference toy-reference or mine.")
    assert render_html(view).count('<details id="cell-') == len(view.cells)


def test_the_page_counts_points_as_its_caveats_do(view):
    """Neither a second reference nor a second budget of the same evaluations makes one more."""
    points = len(view.rows) // 2
    view.rows.append({**view.rows[0], "nfe_requested": 999})
    for record in view.cells.values():
        record["unsteady"] = ["of the images"]
    page = render_html(view)
    assert f": {points} points measured by" in page and f"all {points} points" in page


def test_the_table_has_it_as_a_column_where_there_are_two(view, make_view):
    head = to_text(view.rows).splitlines()[2]
    assert head.split() == ["sampler", "discretization", "reference", "NFE", "fd-toy"]
    rows = [{**row, "reference": ""} for row in make_view().rows]
    assert "reference" not in to_text(rows)


def test_what_else_was_counted_is_shown_where_it_says_more(make_view):
    rows = make_view().rows
    assert {"depth", "guide", "guidance"}.isdisjoint(to_text(rows).split())
    rows[0] |= {"depth": 3, "guidance": "cfg 2", "guide_nfe": 5}
    said, _, head, _, first, *_ = to_text(rows).splitlines()
    assert "guidance" not in said
    assert head.split() == [
        "sampler", "discretization", "guidance", "NFE", "depth", "guide", "NFE", "fd-toy",
    ]  # fmt: skip
    assert first.split()[-6:-3] == ["5", "3", "5"]


def test_a_page_counts_its_guidances(make_view):
    view = make_view()
    assert "guidance" not in summary_of(view)
    view.rows[0]["guidance"] = "cfg 2"
    assert ", guidance cfg 2 or none, NFE" in summary_of(view)
    assert " none " in to_text(view.rows)
    more = [{**view.rows[0], "guidance": f"cfg {scale}"} for scale in (3, 4, 5)]
    view.rows.extend(more)
    assert ", 5 guidances, NFE" in summary_of(view)

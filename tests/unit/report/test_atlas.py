"""The chart of the published values: what is drawn, joined and said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations

import pytest

from samplebench.published import bands, conflicts, csv_text, lines, load, load_remeasured
from samplebench.report.atlas import chart_of, page_of, table_of
from samplebench.report.atlas_tables import conflict_tables, remeasured_rows

ROWS = load()
# What is said of a point that is its own: values, NFE, and a respacing that leaves nothing out.
OWN = (
    r"FID [\d.]+ at NFE \d+|printed at \d+|(sFID|precision|recall|IS) [\d.]+"
    r"|even respacing of T=1000|T=1000 \(no respacing\)"
)


@pytest.fixture(scope="module")
def chart():
    return chart_of(ROWS)


def test_every_value_with_an_nfe_is_drawn_once(chart):
    points = [p for s in chart.series if s.band == "error" for p in s.points]
    assert len(points) == sum(row.nfe is not None for row in ROWS) == 1411
    drawn = sorted((p.x["nfe"], p.y) for p in points)
    assert drawn == sorted(
        (row.nfe, row.above if row.fid is None else row.fid) for row in ROWS if row.nfe is not None
    )


def test_bounds_are_arrows_that_nothing_is_joined_to(chart):
    arrows = [(s, p) for s in chart.series for p in s.points if p.arrow]
    assert len(arrows) == 10
    assert {p.y for _, p in arrows} == {100.0}
    assert all(not s.line for s, _ in arrows)
    assert all(">100" in p.hover[0] for _, p in arrows)


def test_joined_points_are_the_lines(chart):
    joined = sum(len(s.points) > 1 for s in chart.series if s.line)
    expected = sum(sum(row.fid is not None for row in line.rows) > 1 for line in lines(ROWS))
    assert joined == expected > 100
    for s in chart.series:
        nfe = [p.x["nfe"] for p in s.points]
        assert nfe == sorted(nfe)


def test_no_pair_that_the_page_joins_differs_in_its_conditions(chart):
    """By what is said of each point: N, name, steps, reference, source, certainty, what counts."""
    pairs = 0
    for s in chart.series:
        if not s.line:
            continue
        said = []
        for point in s.points:
            text = " ".join(point.hover).partition(" note: ")[0]
            rest = re.sub(OWN, "", text)
            said.append((re.sub(r"[\s,]+", " ", rest), "printed at" in text))
        for one, other in combinations(said, 2):
            pairs += 1
            assert one == other
    assert pairs > 2000


def test_bands_are_ranges(chart):
    ranges = [s for s in chart.series if s.band == "range"]
    assert len(ranges) == len(bands(ROWS)) == 11
    (stochastic,) = [s for s in ranges if s.facets["sampler"] == "edm"]
    (point,) = stochastic.points
    assert (point.low, point.high) == (1.36, 1.45)
    assert 1.36 < point.y < 1.45
    said = "\n".join(point.hover)
    assert "1.36: Karras et al. 2022" in said and "1.45: Xu et al. 2023" in said


def test_a_range_is_as_uncertain_as_its_worst_value(chart):
    (heun,) = [
        s
        for s in chart.series
        if s.band == "range"
        and (s.facets["checkpoint"], s.facets["sampler"]) == ("edm-imagenet64", "heun")
    ]
    assert heun.facets["certainty"] == "B"


def test_switches(chart):
    keys = {f.key: f for f in chart.facets}
    assert list(keys) == ["checkpoint", "sampler", "protocol", "certainty"]
    assert keys["checkpoint"].single
    assert keys["checkpoint"].start == ("edm-cifar10-uncond-vp",)
    assert chart.series[0].facets["checkpoint"] == "edm-cifar10-uncond-vp"
    assert keys["certainty"].start == ("A", "B")
    (uncertain,) = [f for f in chart_of(ROWS, uncertain=True).facets if f.key == "certainty"]
    assert uncertain.start == ("A", "B", "C")
    for s in chart.series:
        assert set(s.facets) == {*keys, "line"}
    assert {s.facets["protocol"] for s in chart.series} == {
        "edm", "edm2", "openai", "openai, N=10000", "openai, N not stated", "score-sde",
        "score-sde, N not stated", "other", "other, N not stated",
    }  # fmt: skip


def test_rows_and_lines_know_each_other(chart):
    """By all that both have in their facets, as the page reads it."""
    rows = [row.facets for row in table_of(ROWS).rows]
    for s in chart.series:
        own = [row for row in rows if row == s.facets]
        assert len(own) >= len(s.points) if s.band == "error" else not own


def test_a_colour_is_one_sampler_and_the_first_checkpoint_has_the_first_ones(chart):
    colours = {(s.colour, s.facets["sampler"]) for s in chart.series}
    assert len(colours) == len({c for c, _ in colours}) == len({name for _, name in colours})
    first = {s.colour for s in chart.series if s.facets["checkpoint"].startswith("edm-cifar10-unc")}
    assert set(range(7)) <= first


def test_variants_tell_the_lines_of_a_sampler_apart(chart):
    seen = set()
    for s in chart.series:
        if s.line:
            key = (s.facets["checkpoint"], s.facets["sampler"], s.variant)
            assert key not in seen
            seen.add(key)


def test_the_hover_says_where_a_value_is_from():
    row = next(r for r in ROWS if r.sampler_printed == "~DPM-Solver-3")
    (series,) = chart_of([row]).series
    said = " ".join(series.points[0].hover)
    for text in (
        "FID 2.59 at NFE 51, N 50,000", "~DPM-Solver-3 (dpm-solver-3)", "~uniform logSNR",
        "~score_sde:cifar10_stats", "dpm-solver issue 6", "certainty A",
        "deduced: sampler, discretization, reference", "user could not reach it",
    ):  # fmt: skip
        assert text in said
    assert max(map(len, series.points[0].hover)) <= 64


def test_the_table_has_every_row():
    table = table_of(ROWS)
    assert len(table.rows) == 1437
    heads = [text for text, _ in table.heads]
    assert all(len(row.cells) == len(heads) for row in table.rows)
    nfe, fid = heads.index("NFE"), heads.index("FID")
    missing = [row.cells[nfe] for row in table.rows if row.cells[nfe].order is None]
    assert [cell.text for cell in missing] == ["-"] * 26
    assert {cell.note for cell in missing} == {
        "NFE not printed",
        *(f"{d} calls one after another, evaluations not stated" for d in (3, 5, 7, 9)),
    }
    assert sum(row.cells[fid].text == ">100" for row in table.rows) == 10
    assert all(row.cells[fid].order > 0 for row in table.rows)


def test_the_download_is_the_shipped_file(chart):
    assert chart.csv == ("published.csv", csv_text())


def test_it_is_plain_json(chart):
    assert json.loads(json.dumps(chart.data(), allow_nan=False))["figures"][0]["key"] == "field"


def test_rows_without_nfe_alone_are_a_table_without_series():
    row = replace(ROWS[0], nfe=None)
    assert chart_of([row]).series == []
    assert len(table_of([row]).rows) == 1


def test_the_page_counts_what_it_shows_and_says_what_chose_it():
    page = page_of(ROWS[:8])
    assert "8 values of 8 checkpoints, collected from 1 published source, with" in page
    assert "Selection: " not in page and "Printed and re-measured" not in page
    assert "Selection: --max-nfe 8." in page_of(ROWS[:8], only="--max-nfe 8")


def test_calls_one_after_another_are_drawn_at_their_evaluations(chart):
    own = [s for s in chart.series if s.facets["sampler"] == "epd-solver"]
    assert own and {p.x["nfe"] for s in own for p in s.points} == {5, 8, 11, 14}
    for s in own:
        depth = {5: 3, 8: 5, 11: 7, 14: 9}
        for p in s.points:
            assert f"printed at {depth[p.x['nfe']]} calls one after another" in p.hover
    assert not [s for s in chart.series if s.facets["sampler"] == "paradigms"]
    heads = [text for text, _ in table_of(ROWS).heads]
    rows = [row.cells for row in table_of(ROWS).rows if row.facets["sampler"] == "epd-solver"]
    places = heads.index("NFE"), heads.index("depth")
    assert {tuple(cells[i].text for i in places) for cells in rows} == {
        ("5", "3"), ("8", "5"), ("11", "7"), ("14", "9"),
    }  # fmt: skip


def test_the_hover_has_what_else_was_measured():
    row = next(r for r in ROWS if r.sfid and r.precision and r.recall)
    (series,) = chart_of([row]).series
    said = f"sFID {row.sfid:g}, precision {row.precision:g}, recall {row.recall:g}"
    assert any(line.startswith(said) for line in series.points[0].hover)


def test_the_page_is_small_beside_its_library():
    from plotly.offline import get_plotlyjs

    page = page_of(ROWS, cases=load_remeasured())
    assert len(page.encode()) - len(get_plotlyjs().encode()) < 4e6
    assert page.count('<th scope="rowgroup"') == len(conflicts(ROWS))
    for case in load_remeasured():
        assert case.source in page


def test_contradictions_are_told_with_their_sources():
    (found,) = [t for t in conflict_tables(ROWS) if "dpmpp, order 3" in t["about"]
                and "edm-cifar10-uncond-vp" in t["about"] and "NFE 4," in t["about"]]  # fmt: skip
    assert [cells[0] for cells in found["values"]] == ["46.47", "46.52", "46.59"]
    assert found["spread"] == "0.26 %"


def test_rows_of_what_was_measured_again():
    rows = remeasured_rows(load_remeasured())
    first = rows[0]
    assert (first["checkpoint"], first["printed"], first["measured"]) == (
        "edm-cifar10-cond-vp", "1.79", "1.94966",
    )  # fmt: skip
    assert (first["difference"], first["ratio"]) == ("+0.16", "1.089")
    assert any(row["printed"] is row["difference"] is row["ratio"] is None for row in rows)

"""The board's page, read as data: curves, the line of exact draws, the table and who is away."""

from __future__ import annotations

import math
import re

import pytest

from samplebench.board import absent, rows_of
from samplebench.board.entrants import Entrant
from samplebench.board.html import chart_of, table_of, write_html
from samplebench.board.measure import ModelBoard
from samplebench.board.store import Measured
from samplebench.board.table import EXACT
from samplebench.checkpoints.catalog import catalog

LOST = "<b>lost</b>"


class Planted(Entrant):
    hash = property(lambda self: f"{self.columns['sampler']} {self.columns['nfe']}")


def planted(sampler, nfe, guest=False):
    columns = {
        "model": "exact-2d", "sampler": sampler, "params": "", "discretization": "edm", "rho": 7.0,
        "steps": nfe, "nfe": nfe, "nfe_requested": nfe,
    }  # fmt: skip
    return Planted(columns, (), "", guest)


@pytest.fixture(scope="module")
def rows():
    """Wide has the lower W2 and Right the lower excess; the third ends in no number."""
    points = [
        planted(name, nfe, name == LOST) for name in ("wide", "right", LOST) for nfe in (4, 8)
    ]
    worth = {"wide": (0.2, 0.05), "right": (0.3, -0.001), LOST: (math.inf, math.inf)}

    def values(w2, excess):
        return [Measured(w2, excess + 1e-5 * repeat) for repeat in range(5)]

    known = {point.hash: values(*worth[point.columns["sampler"]]) for point in points}
    return rows_of(ModelBoard("exact-2d", points, values(0.25, 1e-4), "floor", known, 40))


def test_ranks_are_by_the_excess(rows):
    floor, *own = rows
    assert floor.sampler == EXACT and floor.excess == pytest.approx(1.2e-4) and floor.rank is None
    for budget in (4, 8):
        found = [row for row in own if row.nfe_requested == budget]
        assert [row.sampler for row in found] == ["right", "wide", LOST]
        assert [row.rank for row in found] == [1, 2, 3]
        assert [(row.first_place, row.last_place) for row in found] == [(1, 1), (2, 2), (3, 3)]


def test_each_sampler_has_a_curve_of_each_quantity_and_exact_draws_a_line(rows):
    chart = chart_of(rows)
    assert [figure.title.split()[1] for figure in chart.figures] == ["excess", "W2"]
    for figure in chart.figures:
        own = {one.name: one for one in chart.series if one.figure == figure.key}
        assert set(own) == {EXACT, "right", "wide", LOST}
        assert len({(one.colour, one.variant) for one in own.values()}) == 4
        assert all([mark.x["nfe"] for mark in one.points] == [4, 8] for one in own.values())
        assert "sampler" not in own[EXACT].facets and own["right"].facets["sampler"] == "right"
        assert len({mark.y for mark in own[EXACT].points}) == 1
        assert all(mark.y is None for mark in own[LOST].points)
    (excess,) = (s for s in chart.series if s.name == "right" and "excess" in s.figure)
    mark = excess.points[0]
    assert mark.y == pytest.approx(-0.00098) and mark.low < mark.y < mark.high
    assert mark.hover[-1] == "NFE 4; rank 1, places 1"


def test_the_table_has_every_row(rows):
    table = table_of(rows)
    heads = [head for head, _ in table.heads]
    told = [dict(zip(heads, row.cells, strict=True)) for row in table.rows]
    assert len(told) == 7 and told[0]["sampler"].text == EXACT and told[0]["rank"].text == ""
    assert [row["rank"].order for row in told[1:]] == [1, 2, 3] * 2
    assert told[3]["sampler"].text == f"{LOST} (yours)"
    assert told[3]["excess"].text == "not finite" and told[3]["excess"].order is None


def test_the_page_is_the_same_again_and_says_who_is_away(rows, tmp_path):
    away = absent(catalog()["exact-2d"])
    first = write_html(rows, away, tmp_path / "one.html").read_bytes()
    assert write_html(rows, away, tmp_path / "two.html").read_bytes() == first
    page = first.decode("utf-8")
    assert "Not on the board" in page and all(each.reason in page for each in away)
    assert LOST not in page and not re.search(r">\s*(nan|inf)\b", page)
    assert "Not on the board" not in write_html(rows, [], tmp_path / "one.html").read_text("utf-8")

"""The committed board: its ranks follow from its values, the document shows them, they recur."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from samplebench.board import MODELS, Shelf, absent, measure, points_of, read_rows, rows_of
from samplebench.board.entrants import BUDGETS
from samplebench.board.page import write_page
from samplebench.board.ranking import mean_and_error
from samplebench.board.table import EXACT, known_of, shipped
from samplebench.checkpoints.catalog import catalog

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(
    not shipped().is_file(), reason="the board is made by benchmarks/update_board.py"
)


@pytest.fixture(scope="module")
def rows():
    return read_rows(shipped())


@pytest.fixture(scope="module")
def planned():
    """The points of each model as they are planned now."""
    return {name: points_of(catalog()[name]) for name in MODELS}


def rankings(rows):
    """(rank, values of each repeat) of every model, budget and quantity."""
    for model in MODELS:
        for budget in BUDGETS:
            own = [r for r in rows if (r.model, r.nfe_requested) == (model, budget)]
            yield [(r.rank, r.excess_each) for r in own]
            yield [(r.truncation_rank, r.truncation_each) for r in own if r.truncation_rank]


def test_it_holds_every_point_with_all_repeats(rows, planned):
    held = {row.key for row in rows if row.sampler != EXACT}
    assert held == {point.hash for points in planned.values() for point in points}
    assert {row.model for row in rows if row.sampler == EXACT} == set(MODELS)
    assert all(
        len(row.w2_each) == len(row.excess_each) == 5 and row.num_samples == 2000 for row in rows
    )
    assert not any(row.guest for row in rows)


def test_ranks_and_errors_follow_from_the_repeats(rows, planned, tmp_path):
    again = []
    for name in MODELS:
        entry, known = catalog()[name], known_of(rows)
        again += rows_of(measure(entry, planned[name], Shelf(tmp_path / "none"), known=known))
    assert not (tmp_path / "none").exists()
    for new, old in zip(again, rows, strict=True):
        assert (new.key, new.rank, new.truncation_rank) == (old.key, old.rank, old.truncation_rank)
        assert new.w2 == pytest.approx(old.w2, rel=1e-11)
        assert (new.first_place, new.last_place) == (old.first_place, old.last_place)
        assert new.w2_stderr == pytest.approx(old.w2_stderr, rel=1e-6, abs=1e-15)


def test_neighbours_of_two_ranks_differ_by_more_than_two_standard_errors(rows):
    separated = 0
    for ranking in rankings(rows):
        ordered = sorted(ranking, key=lambda one: np.mean(one[1]))
        for (rank, values), (below, others) in pairwise(ordered):
            assert rank <= below
            if rank < below and np.isfinite(others).all():
                mean, error = mean_and_error(np.subtract(others, values))
                assert mean > 2 * error
                separated += 1
    assert separated > 300


def test_no_sampler_is_far_below_the_floor(rows):
    floors = {row.model: row for row in rows if row.sampler == EXACT}
    for row in rows:
        # Of finite sets a law that is a little narrower than the true one is nearer.
        assert row.w2 > 0.6 * floors[row.model].w2


def test_the_excess_of_exact_draws_is_about_0_and_nobodys_is_far_below(rows):
    errors = {row.model: row.excess_stderr for row in rows if row.sampler == EXACT}
    for row in rows:
        assert row.excess > -5 * max(row.excess_stderr, errors[row.model])
        assert row.sampler != EXACT or row.excess < 5 * row.excess_stderr


def test_page_and_document_say_what_the_table_says(rows, tmp_path):
    away = absent(catalog()[MODELS[0]])
    page = write_page(rows, away, tmp_path / "board.md").read_text(encoding="utf-8")
    assert page == (ROOT / "benchmarks" / "board" / "board.md").read_text(encoding="utf-8")
    spec = importlib.util.spec_from_file_location("up", ROOT / "benchmarks" / "update_board.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    document = (ROOT / "docs" / "board.md").read_text(encoding="utf-8")
    assert document == module.with_tables(document, rows)
    assert all(f"**{name}.**" in document for name in MODELS)


@pytest.mark.slow
def test_a_part_computed_again_has_the_same_values(rows, tmp_path):
    known = {row.key: row for row in rows}
    for name in ("exact-2d", "digits-exact"):
        entry = catalog()[name]
        points = points_of(entry, only=["unipc", "euler-ancestral"], budgets=(6,))
        board = measure(entry, points, Shelf(tmp_path))
        for point in points:
            row = known[point.hash]
            found = [value.w2 for value in board.values[point.hash]]
            assert found == pytest.approx(row.w2_each, rel=1e-6)
            found = [value.excess for value in board.values[point.hash]]
            assert found == pytest.approx(row.excess_each, rel=1e-4, abs=1e-6)
            if row.truncation is not None:
                errors = [value.truncation for value in board.values[point.hash]]
                assert errors == pytest.approx(row.truncation_each, rel=1e-4)

"""Who is on the board, what is measured of small sets, and that nothing is measured twice."""

from __future__ import annotations

import math
import re
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.bench.stop import Interrupted
from samplebench.board import Shelf, absent, measure, points_of, read_rows, rows_of, write_rows
from samplebench.board.entrants import MODELS, PRESETS
from samplebench.board.excess import ExactDraws
from samplebench.board.page import write_page
from samplebench.board.store import Measured
from samplebench.board.table import EXACT, known_of
from samplebench.board.transport import wasserstein
from samplebench.checkpoints.catalog import catalog
from samplebench.errors import UsageError
from samplebench.registry import samplers
from samplebench.trajectory import truncation

SMALL = {"num_samples": 40, "repeats": 3}
ENTRY = catalog()["exact-2d"]


def mine(model, x, grid, *, noise=None, callback=None):
    """Euler."""
    for a, b in pairwise(grid):
        x = x + (b - a) * (x - model(x, a)) / a
    return x


def lost(model, x, grid, *, noise=None, callback=None):
    """Ends in no number where there are many samples."""
    end = mine(model, x, grid)
    return end * (math.nan if len(x) > 1 else 1)


def points(only=("euler", "heun"), guests=(), budgets=(6,), entry=ENTRY):
    return points_of(entry, only=only, guests=guests, budgets=budgets, **SMALL)


def board(tmp_path, asked, **words):
    return measure(ENTRY, asked, Shelf(tmp_path / "parts"), **SMALL, **words)


@pytest.mark.parametrize("name", MODELS)
def test_every_registered_sampler_is_there_or_listed_with_a_reason(name):
    entry = catalog()[name]
    there = {point.columns["sampler"] for point in points(only=(), budgets=(50,), entry=entry)}
    away = {each.sampler: each.reason for each in absent(entry)}
    assert there | set(away) == set(samplers.names()) and not there & set(away)
    assert all(away.values())


def test_presets_are_there_beside_the_defaults():
    found = {(p.columns["sampler"], p.columns["params"]) for p in points(only=(), budgets=(50,))}
    for name in PRESETS:
        assert len([params for sampler, params in found if sampler == name]) == 2
        assert (name, "") in found


@pytest.mark.parametrize("name", ["respaced", "rk45", "ddim-reverse"])
def test_a_sampler_that_cannot_be_there_is_refused_by_name(name):
    with pytest.raises(UsageError, match=f"sampler {name} cannot be on the board of exact-2d: it"):
        points(guests=[name])
    with pytest.raises(UsageError, match=name):
        points(only=[name])


def test_unknown_names_tell_the_nearest():
    with pytest.raises(UsageError, match="unknown sampler 'eulr'; did you mean 'euler'"):
        points(only=["eulr"])


def excess(x, y):
    """As docs/board.md has it."""
    xs, ys = (x[:20], x[20:]), (y[:20], y[20:])
    crosses = [wasserstein(one, other) ** 2 for one in xs for other in ys]
    return np.mean(crosses) - (wasserstein(*xs) ** 2 + wasserstein(*ys) ** 2) / 2


def test_values_are_those_of_the_samples_and_of_the_trajectory(tmp_path):
    """By other ways: `sb.sample` and an assignment, and the truncation error of `trajectory`."""
    asked = points(only=["euler", "gddim", "ddim"])
    found, model = board(tmp_path, asked), sb.load("exact-2d", device="cpu")
    for point in asked:
        name, params = point.columns["sampler"], {"eta": 1} if point.columns["params"] else {}
        for repeat, value in enumerate(found.values[point.hash]):
            seeds = range(40 * repeat, 40 * repeat + 40)
            x = sb.sample(model, name, nfe=6, seeds=seeds, **params)
            exact = model.draw(40, 1_000_000 + repeat)[0]
            x, exact = x.double().flatten(1).numpy(), exact.double().flatten(1).numpy()
            assert value.w2 == pytest.approx(wasserstein(x, exact), rel=1e-9)
            assert value.excess == pytest.approx(excess(x, exact), rel=1e-6)
            assert (value.truncation is None) == (name == "gddim" or bool(params))
            if value.truncation is not None and repeat == 2:
                curve = truncation(model, name, nfe=6, seeds=seeds, quiet=True).curves[0]
                assert value.truncation == pytest.approx(curve.points[0].end.median, rel=1e-6)
    one, other = (model.draw(40, seed)[0].flatten(1).numpy() for seed in (1_000_000, 2_000_000))
    assert found.floor[0].w2 == pytest.approx(wasserstein(other, one), rel=1e-6)
    assert found.floor[0].excess == pytest.approx(excess(other, one), rel=1e-5)


def test_more_evaluations_are_nearer_to_the_floor(tmp_path):
    asked = points(only=["heun"], budgets=(6, 20, 50))
    rows = rows_of(board(tmp_path, asked))
    floor, *own = rows
    assert floor.sampler == EXACT and floor.rank is None
    excesses = [row.excess for row in own]
    assert excesses[0] > excesses[1] and abs(floor.excess) < excesses[0] / 3
    means = [row.w2 for row in own]
    assert means[0] > means[1] and means[2] < 1.3 * floor.w2
    errors = [row.truncation for row in own]
    assert errors[0] > errors[1] > errors[2] > 0


def test_what_is_kept_is_not_measured_again(tmp_path, monkeypatch):
    asked = points()
    first = board(tmp_path, asked)
    monkeypatch.setattr(ExactDraws, "compared", lambda *sets: pytest.fail("assigned again"))
    done = []
    second = board(tmp_path, asked, advance=lambda n, text="": done.append(n))
    assert second == first and sum(done) == 9
    # Nor what is in a table; a damaged part is.
    known = known_of(rows_of(first))
    assert board(tmp_path / "elsewhere", asked, known=known).values == first.values
    path = next((tmp_path / "parts").glob("*.json"))
    path.write_text('{"w2": 0.1, "truncation": null}')  # of an older board
    monkeypatch.undo()
    assert board(tmp_path, asked) == first


def test_a_stopped_board_keeps_what_was_measured(tmp_path):
    asked, seen = points(), []

    def stop(count, text=""):
        seen.append(text)
        if len(seen) == 1:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        board(tmp_path, asked, advance=stop)
    kept = len(list((tmp_path / "parts").glob("*.json")))
    assert 0 < kept < 9
    assert board(tmp_path, asked) == board(tmp_path / "whole", asked)


def test_a_users_sampler_stands_among_the_rest(tmp_path):
    asked = points(guests=[mine])
    rows = rows_of(board(tmp_path, asked))
    own, euler = (next(r for r in rows if r.sampler.endswith(n)) for n in (":mine", "euler"))
    assert own.guest and not euler.guest
    assert own.w2 == pytest.approx(euler.w2, rel=1e-9) and own.rank == euler.rank
    assert own.excess == pytest.approx(euler.excess, rel=1e-6)
    assert own.truncation == pytest.approx(euler.truncation, rel=1e-9)


def test_what_nobody_can_name_is_not_kept(tmp_path):
    """A sampler that holds what has no content to compare is measured each time anew."""
    held = threading.Lock()

    def unnamed(model, x, grid, *, noise=None, callback=None):
        assert held
        return mine(model, x, grid)

    asked = points(only=["euler"], guests=[unnamed])
    (point,) = (one for one in asked if one.guest)
    assert all(cell.not_reusable for cell in point.cells)
    board(tmp_path, asked)
    assert len(list((tmp_path / "parts").glob("*.json"))) == 6  # Euler's and the floor's
    assert board(tmp_path, asked) == board(tmp_path / "elsewhere", asked)


def test_a_sampler_that_ends_in_no_numbers_is_last_and_has_a_row(tmp_path):
    rows = rows_of(board(tmp_path, points(guests=[lost])))
    assert rows[-1].sampler.endswith(":lost") and rows[-1].rank == len(rows) - 1
    assert rows[-1].w2 == math.inf and rows[-1].plain()["w2"] is None
    assert rows[-1].excess == math.inf and rows[-1].plain()["excess"] is None
    assert rows[-1].truncation == math.inf and rows[-1].truncation_rank == rows[-1].rank
    page = write_page(rows, [], tmp_path / "board.md").read_text(encoding="utf-8")
    assert page.count("not finite") == 3 and not re.search(r"\b(nan|inf)\b", page)


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = rows_of(board(tmp_path, points(guests=[lost, mine], budgets=(4, 6))))
    again = read_rows(write_rows(rows, tmp_path / "board.csv"))
    assert [row.plain() for row in again] == [row.plain() for row in rows]
    assert (
        write_rows(again, tmp_path / "two.csv").read_bytes()
        == (tmp_path / "board.csv").read_bytes()
    )


def test_numbers_that_json_lacks_are_kept(tmp_path):
    store = Shelf(tmp_path)
    for value in (
        Measured(math.inf, math.inf), Measured(0.1, -0.2, math.nan), Measured(0.1, 0.0, 0.2),
        Measured(0.3, 1e-17),
    ):  # fmt: skip
        store.keep({"of": repr(value)}, value)
        found = store.value({"of": repr(value)})
        assert np.array_equal(
            [found.w2, found.excess, found.truncation or 0],
            [value.w2, value.excess, value.truncation or 0],
            equal_nan=True,
        )
    assert store.value({"of": "nobody"}) is None


def test_the_samples_do_not_depend_on_torchs_threads(tmp_path):
    before = torch.get_num_threads()
    board(tmp_path, points(only=["euler"]))
    assert torch.get_num_threads() == before

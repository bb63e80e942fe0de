"""Searches and judging from Python: what is counted, kept and compared."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.metrics.uncertainty import spread
from samplebench.models.bound import listening
from samplebench.results.store import Store
from samplebench.tune import tune
from samplebench.tune.request import TuneRequest
from samplebench.tune.run import _budgets, planned

WORDS = {
    "model": "exact-2d", "sampler": "ipndm", "nfe": [4, 5], "method": "rho", "num_samples": 128,
    "quiet": True,
}  # fmt: skip
# The most samples of a toy: a card is proved on so many.
_TOY = 8


def run(out, **words):
    """The result, and the images of all evaluations but those of trials on toys of few samples."""
    images = []
    with listening(lambda count, seconds: images.append(count)):
        result = tune(**{**WORDS, "out": str(out), **words})
    return result, sum(count for count in images if count > _TOY)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "out"
    return out, *run(out)


def test_samples_are_counted(made):
    _, result, _ = made
    assert result.sampled == 3 * (4 + 5) * 128
    assert all(0 < grid.found.evaluations <= 25_000 for b in result.budgets for grid in b.found)


def test_the_same_words_compute_nothing_again(made):
    out, result, _ = made
    files = [path for path in out.rglob("*") if path.suffix in (".csv", ".json")]
    # Requests are numbered in the order in which they were last made.
    before = {path: path.read_bytes() for path in files if path.parent.name != "requests"}
    again, images = run(out)
    assert (images, again) == (0, result)
    assert {path: path.read_bytes() for path in before} == before


def test_another_budget_computes_what_is_new(made, tmp_path):
    _, result, _ = made
    first, images = run(tmp_path, nfe=4, num_samples=0)
    assert images == first.searched + first.followed
    more, images = run(tmp_path, num_samples=0)
    assert more.budgets[0] == first.budgets[0]
    assert images == more.budgets[1].evaluations + more.budgets[1].found[0].found.evaluations
    # Without the metric nothing else is different but who made the shared solution.
    for own, other in zip(more.budgets, result.budgets, strict=True):
        for grid, scored in zip(own.grids, other.grids, strict=True):
            assert grid == replace(scored, scores=())


def test_values_and_paired_differences_are_those_of_the_cells(made):
    out, result, _ = made
    store = Store(out / "judged")
    view = store.view()
    assert view.pending == 0
    values = {}
    for row in view.rows:
        (score,) = view.scores_of(row, "fd-pixels")
        values[row["nfe_requested"], row["discretization"], row["rho"]] = score["value"]
    for budget in result.budgets:
        grid, rival = budget.found[0], budget.rival("rho 7")
        (score,) = grid.scores
        card = next(v for (_, name, _), v in values.items() if name == f"card:{grid.found.name}")
        other = values[budget.nfe, "edm", 7.0]
        assert score.value == pytest.approx(card["value"], rel=1e-12)
        assert score.to_rho_7.value == pytest.approx(card["value"] - other["value"])
        pairs = zip(card["deleted"], other["deleted"], strict=True)
        assert score.to_rho_7.stderr == pytest.approx(spread([a - b for a, b in pairs]))
        assert rival.scores[0].to_rho_7 is None and rival.scores[0].to_best is not None


def test_the_table_on_disk_is_the_results(made):
    out, result, _ = made
    rows = list(csv.DictReader(io.StringIO((out / "tune.csv").read_text())))
    assert len(rows) == 6 and (out / "tune.csv").read_text() == result.csv()
    assert all((out / row["card"]).is_file() for row in rows if row["card"])
    assert "<title>" in (out / "tune.html").read_text()


@pytest.mark.slow
def test_a_found_grid_is_run_as_it_was_judged(made):
    out, result, _ = made
    grid = result.budgets[0].found[0]
    frame = sb.run(
        model="exact-2d", sampler="ipndm", num_samples=128, quiet=True, out=str(out / "judged"),
        discretization=f"card:{out / 'cards' / grid.found.name}.json",
    )  # fmt: skip
    assert frame["fd-pixels"].tolist() == pytest.approx([grid.scores[0].value], rel=1e-12)


@pytest.mark.slow
def test_a_model_in_memory_and_a_function_as_sampler(tmp_path):
    def mine(model, x, grid, *, noise=None, callback=None):
        for level, below in pairwise(grid.tolist()):
            x = x + (below - level) * (x - model(x, level)) / level
        return x

    words = {"nfe": 4, "num_samples": 0, "quiet": True, "method": "rho"}
    own = tune(model=sb.load("exact-2d"), sampler=mine, out=str(tmp_path / "a"), **words)
    named = tune(model="exact-2d", sampler="euler", out=str(tmp_path / "b"), **words)
    for one, other in zip(own.budgets[0].grids, named.budgets[0].grids, strict=True):
        np.testing.assert_allclose(one.errors, other.errors, rtol=1e-9)
    (card,) = (tmp_path / "a" / "cards").iterdir()
    assert card.stem == own.budgets[0].found[0].found.name and "/" not in card.stem


@pytest.mark.parametrize(
    "words", [{"metric": "fd-digit"}, {"reference": "digts"}, {"seed": 10_000_000}]
)
def test_what_cannot_be_judged_is_told_before_anything_is_computed(words, tmp_path):
    images = []
    with listening(lambda count, seconds: images.append(count)), pytest.raises(UsageError):
        tune(**{**WORDS, "out": str(tmp_path / "out"), **words})
    assert max(images, default=0) <= 1
    assert not (tmp_path / "out").exists()


def test_budgets_that_are_too_small_are_left_out(tmp_path):
    asked = TuneRequest.of(model="exact-2d", sampler="heun", nfe=[1, 5], method="rho")
    assert _budgets(planned(asked)) == [5]
    with pytest.raises(UsageError, match="nfe=1 is too small for sampler heun"):
        run(tmp_path, sampler="heun", nfe=1, num_samples=0)

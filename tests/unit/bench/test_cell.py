"""A cell from its first sample to its record: blocks, resuming, counting, honesty."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from samplebench.bench.cell import run_cell
from samplebench.bench.progress import Progress
from samplebench.bench.stop import Interrupted, Stop
from samplebench.files.sealed import Sealed
from samplebench.images import contact_sheet, to_uint8
from samplebench.metrics.frechet import frechet_distance
from samplebench.metrics.uncertainty import spread
from samplebench.models.bound import listening
from samplebench.results.store import Store
from tests.unit.bench.folders import After
from tests.unit.bench.planned import loaded, make, planned

N = 150


def straight(model, x, grid, *, noise=None, callback=None):
    """One evaluation per step, no noise."""
    for sigma, sigma_next in pairwise(grid):
        denoised = model(x, sigma)
        x = denoised + sigma_next / sigma * (x - denoised)
    return x


def careless(model, x, grid, *, noise=None, callback=None):
    """Draws from torch's global generator."""
    return straight(model, x, grid) + 1e-3 * torch.randn_like(x)


DRAWS = np.random.default_rng(0)


def alive(model, x, grid, *, noise=None, callback=None):
    """Reaches a random generator, whose state is nobody's condition."""
    return straight(model, x, grid) + 1e-3 * DRAWS.standard_normal()


def exploding(model, x, grid, *, noise=None, callback=None):
    """Not finite for the last sample of a batch."""
    x = straight(model, x, grid).clone()
    x[-1, 0, 0, 0] = float("nan")
    return x


@pytest.fixture(scope="module")
def engine():
    return loaded(make(sampler="euler", nfe=5))


@pytest.fixture(scope="module")
def bench(engine):
    return engine[0]


@pytest.fixture(scope="module")
def reference(engine):
    (measure,) = engine[1].measures
    return measure.reference


@pytest.fixture
def run(engine, tmp_path):
    """`run(**words)`: record, score and contact sheet of the one cell of a request."""
    store = Store(tmp_path / "out", create=True)

    def run(stop=None, **words):
        words = {"sampler": "edm", "nfe": 5, "param": None, "num_samples": N, **words}
        cell, wanted = planned(**words)
        bench, scoring = engine
        progress = Progress(quiet=True)
        with progress.over([cell]):
            record, (score,) = run_cell(
                cell, wanted, bench, store, progress, stop or Stop(), scoring
            )
        assert {**store.cell(cell.hash), "checksum": ""} == {**record, "checksum": ""}
        assert {**store.score(score["score"]), "checksum": ""} == {**score, "checksum": ""}
        with Image.open(store.sheet(cell.hash)) as sheet:
            return record, score, np.array(sheet)

    run.out = store.out
    return run


CHURN = {"param": "edm.S_churn=5"}


def value(run):
    """Of what `run` returned."""
    return run[1]["value"]["value"]


def test_the_record(run):
    record, score, sheet = run(**CHURN)
    found = score["value"]
    assert found["value"] == pytest.approx(found["mean_term"] + found["trace_term"])
    assert 0 < found["stderr"] < found["value"]
    assert len(found["deleted"]) == 20 and spread(found["deleted"]) == found["stderr"]
    assert (record["nfe"], record["nfe_planned"], record["nonfinite"]) == (5, 5, 0)
    assert record["seed_reproducible"] is True
    assert set(record["seconds"]) == {"sampling", "features"}
    assert record["conditions"]["num_samples"] == N
    assert record["provenance"]["checkpoint"]["id"] == "digits-exact"
    assert (score["conditions"]["cell"], score["conditions"]["metric"]) == (
        record["cell"], "fd-digits"
    )  # fmt: skip
    assert sheet.shape == (71, 71) and sheet.dtype == np.uint8


def test_operations_are_counted_beside_the_evaluations(run):
    """Once per model, on an evaluation of its own: the counted NFE stays the sampler's."""
    record, *_ = run(sampler="heun", nfe=9)
    assert record["nfe"] == record["nfe_planned"] == 9
    assert record["gflop_per_evaluation"] == pytest.approx(4 * 1797 * 64 / 1e9)
    assert record["gflop_per_image"] == pytest.approx(9 * 4 * 1797 * 64 / 1e9)
    assert not [key for key in record["conditions"] if "flop" in key]


def test_the_value_is_that_of_the_samples_with_their_seeds(run, bench, reference):
    """Sample i has seed S + i; what a padded block draws beyond N counts nowhere."""
    import samplebench as sb

    found = run(sampler="heun", seed=1000)
    x = sb.sample(bench.model, "heun", nfe=5, seeds=range(1000, 1000 + N))
    images = to_uint8(x, "edm")
    features = bench.extractors[0].function(images).numpy()
    expected = frechet_distance(features.mean(0), np.cov(features.T), reference.mean, reference.cov)
    assert value(found) == pytest.approx(expected, rel=1e-6)
    tiles = contact_sheet(images[:64].permute(0, 2, 3, 1).numpy())
    assert np.array_equal(found[2], tiles[..., 0])


@pytest.mark.parametrize("block", [1, 2, 3])
def test_a_resumed_cell_ends_with_the_same_bits(run, block):
    _, whole, sheet = run(**CHURN)
    with pytest.raises(Interrupted):
        run(After(block), **CHURN)
    assert list(run.out.glob("cells/*.partial.npz"))
    _, resumed, again = run(**CHURN)
    assert resumed["value"] == whole["value"]
    assert np.array_equal(again, sheet)
    assert not list(run.out.glob("cells/*.partial.*"))


def test_a_resumed_cell_does_not_sample_again(run):
    with pytest.raises(Interrupted):
        run(After(2), **CHURN)
    seen = []
    with listening(lambda images, seconds: seen.append(images)):
        run(**CHURN)
    # Of one image each are the evaluations that a plan is tried with.
    assert [images for images in seen if images > 1] == 5 * [64]


def test_half_a_cell_of_unknown_code_is_not_kept(run):
    with pytest.raises(Interrupted):
        run(After(2), sampler=alive)
    assert not list(run.out.glob("cells/*"))
    first, second = run(sampler=alive), run(sampler=alive)
    assert first[0]["cell"] != second[0]["cell"] and value(first) != value(second)
    assert not list(run.out.glob("cells/*.npz"))
    assert first[0]["not_reusable"].endswith(
        f"global 'DRAWS' of {__name__}: a Generator is a live random generator"
    )


@pytest.mark.parametrize("change", ["missing", "of another shape", "of another machine", "rows"])
def test_half_a_cell_that_does_not_fit_is_not_taken(run, change):
    expected = run(**CHURN)
    with pytest.raises(Interrupted):
        run(stop=After(2), seed=7, **CHURN)
    (path,) = (run.out / "cells").glob("*.partial.npz")
    (rows,) = set((run.out / "cells").glob("*.partial.*")) - {path}
    name, state = path.name.partition(".")[0], Sealed(path).arrays()
    if change == "missing":
        del state["counts"]
    elif change == "of another shape":
        state["counts"] = state["counts"][:-1]
    elif change == "of another machine":
        state["stamp"], state["nonfinite"] = np.array("elsewhere"), np.array(3)
    else:
        numbers = np.fromfile(rows)
        (numbers[:64] + 1).tofile(rows)
    Store(run.out).save_partial(name, state)
    found = run(seed=7, **CHURN)
    assert not list((run.out / "cells").glob("*.partial.*"))
    other = run(seed=7, batch_size=32, **CHURN)
    assert value(found) == pytest.approx(value(other), rel=1e-6) != value(expected)


def test_another_block_size_changes_little(run):
    first, second = (value(run(**CHURN, batch_size=size)) for size in (64, 50))
    assert first == pytest.approx(second, rel=1e-6)


def test_repeats_are_other_samples(run):
    assert value(run(**CHURN, seed=0)) != value(run(**CHURN, seed=N))


def test_the_users_sampler_is_the_same_algorithm(run):
    ours, theirs = run(sampler="euler"), run(sampler=straight)
    assert value(theirs) == pytest.approx(value(ours), rel=1e-6)
    assert theirs[0]["seed_reproducible"] is True


def test_the_global_generator_is_seeded_and_noted(run):
    first = run(sampler=careless)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    second = run(sampler=careless)
    assert first[0]["seed_reproducible"] is False
    assert first[1]["value"] == second[1]["value"]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_delete_one_values_are_those_of_the_samples_without_a_block(run, bench, reference):
    """Block k holds the samples i with i * 20 // N = k."""
    import samplebench as sb

    _, score, _ = run(sampler="heun", seed=1000)
    x = sb.sample(bench.model, "heun", nfe=5, seeds=range(1000, 1000 + N))
    features = bench.extractors[0].function(to_uint8(x, "edm")).numpy().astype(float)
    block = np.arange(N) * 20 // N
    for left_out, found in enumerate(score["value"]["deleted"]):
        kept = features[block != left_out]
        expected = frechet_distance(kept.mean(0), np.cov(kept.T), reference.mean, reference.cov)
        assert found == pytest.approx(expected, rel=1e-6)


def test_too_few_samples_for_an_error_have_no_delete_one_values(run):
    _, score, _ = run(num_samples=2)
    found = score["value"]
    assert (found["stderr"], found["deleted"]) == (None, [])


def test_samples_that_are_not_finite_give_no_value(run):
    record, score, _ = run(sampler=exploding)
    # Three blocks, but the last sample of the third is padding.
    assert record["nonfinite"] == 2
    assert score["value"] == {"value": None, "stderr": None}
    assert score["failed"] == record["failed"]
    assert not list(run.out.glob("cells/*.npz"))


def test_the_noise_mode_counts(run):
    portable, nvlabs = (value(run(**CHURN, noise=n, device="cpu")) for n in ("portable", "nvlabs"))
    assert portable != nvlabs

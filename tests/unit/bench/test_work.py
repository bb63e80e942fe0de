"""What a run asks the network for, and what it makes of what was kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from samplebench.bench.forget import drop_kept, kept_files
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.bench.stop import Interrupted
from samplebench.bench.work import work_of
from samplebench.registry import extractors
from samplebench.results.store import Store
from tests.unit.bench.conftest import ONE
from tests.unit.bench.folders import After, content, sweep

# Evaluations of the cell: NFE 3, four blocks, and one by which the time left is told.
ALL = 3 * 4 + 1


def lost(model, x, grid, *, noise=None, callback=None):
    """One evaluation per step; the third sample of a block is none."""
    for sigma, after in pairwise(grid.tolist()):
        d = model(x, sigma)
        x = d + after / sigma * (x - d)
    if len(x) > 2:
        x[2] = torch.nan
    return x


def test_the_same_again_does_nothing(finished):
    for level in ("moments", "images"):
        out = finished(level)
        before = content(out)
        done = sweep(out, keep=level, **ONE)
        assert (done.evaluations, done.notes) == (0, []) and content(out) == before


@pytest.mark.parametrize(
    "words",
    [
        {"reference": "{digits}"},
        {"reference": ["digits-kde", "{digits}"]},
    ],
    ids=["another", "a second"],
)
def test_another_reference_asks_no_network(words, finished, statistics, tmp_path):
    named = {"{digits}": statistics["digits"]}
    given = words["reference"]
    given = named[given] if isinstance(given, str) else [named.get(one, one) for one in given]
    done = sweep(finished("moments"), **ONE, reference=given)
    assert (done.evaluations, done.notes) == (0, [])
    assert done.values == sweep(tmp_path / "fresh", **ONE, reference=given).values
    assert len(done.values) == (1 if isinstance(given, str) else 2)


def test_what_was_not_kept_is_sampled_again_and_said(finished, statistics, kernel, tmp_path):
    words = {"metric": ["fd-pixels", kernel], "reference": statistics["pixels"]}
    done = sweep(finished("moments"), **ONE, **words)
    assert done.evaluations == ALL
    note, *_ = done.notes
    assert note == (
        "note: 1 finished cell will be sampled again: moments of pixels for fd-pixels were not kept"
    )
    fresh = sweep(tmp_path / "fresh", **ONE, **words)
    assert done.values == fresh.values and len(fresh.values) == 2
    # Now its moments are there, but not its features.
    assert sweep(done.store.out, **ONE, **words).evaluations == 0


def test_a_metric_on_features_wants_features(finished, kernel, statistics):
    words = {"metric": kernel, "reference": statistics["pixels"]}
    out = finished("features")
    done = sweep(out, **ONE, keep="features", **words)
    assert done.evaluations == ALL
    assert "features of pixels for mmd-pixels were not kept" in done.notes[0]
    drop = [path for path in (out / "scores").iterdir() if path.stem in next(
        iter(done.plan.scores.values())
    )]  # fmt: skip
    (path,) = drop
    before = done.values
    path.unlink()
    again = sweep(out, **ONE, keep="features", **words)
    assert (again.evaluations, again.notes) == (0, []) and again.values == before


def test_images_give_every_metric(finished, kernel, statistics, tmp_path):
    words = {"metric": ["fd-pixels", kernel], "reference": statistics["pixels"]}
    done = sweep(finished("images"), **ONE, **words)
    assert (done.evaluations, done.notes) == (0, [])
    fresh = sweep(tmp_path / "fresh", **ONE, **words, keep="images")
    assert done.values == fresh.values
    # What had to be made is kept, as if it had been asked for from the beginning.
    kept, expected = content(done.store.out, "cells"), content(fresh.store.out, "cells")
    assert {name: kept[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("was", "keep", "sampled"),
    [
        ("moments", "features", True), ("moments", "images", True), ("features", "images", True),
        ("features", "moments", False), ("images", "features", False),
        ("images", "moments", False),
    ],
)  # fmt: skip
def test_more_is_kept_by_sampling_again(was, keep, sampled, finished, tmp_path):
    out = finished(was)
    done = sweep(out, keep=keep, **ONE)
    assert done.evaluations == (ALL if sampled else 0)
    if sampled:
        assert done.notes[0] == (
            f"note: 1 finished cell will be sampled again: {keep} were not kept"
        )
        fresh = sweep(tmp_path / "fresh", keep=keep, **ONE)
        assert content(out) == content(fresh.store.out)


def test_sampling_again_is_resumed_too(finished, tmp_path):
    out = finished("moments")
    before = content(out)
    with pytest.raises(Interrupted):
        sweep(out, keep="images", stop=After(3), **ONE)
    # Until it is done the cell is what it was.
    found = content(out)
    assert {name: found[name] for name in before} == before
    assert sweep(out, keep="images", **ONE).evaluations == ALL - 3 * 3
    assert content(out) == content(sweep(tmp_path / "fresh", keep="images", **ONE).store.out)


def test_half_a_cell_that_is_finished_since_goes(finished):
    """A run killed after the last of its files."""
    out = finished("moments")
    store, (path, *_) = Store(out), (out / "cells").glob("*.json")
    before = content(out)
    path.rename(path.with_suffix(".away"))
    store.save_partial(path.stem, {"counts": np.array([1])})
    store.rows(path.stem, "0" * 8, (3,), np.float64).write(0, np.zeros((2, 3)))
    path.with_suffix(".away").rename(path)
    with store.locked():
        assert content(out) == before


def test_kept_images_serve_another_metric_whatever_is_to_be_kept(finished, statistics):
    words = {"metric": "fd-pixels", "reference": statistics["pixels"]}
    out = finished("images")
    for keep in ("features", "images"):
        assert sweep(out, **ONE, **words, keep=keep).evaluations == 0
    assert len(list((out / "cells").glob("*.features-*.npz"))) == 2


def test_a_cell_that_failed_is_not_sampled_again(tmp_path, statistics, kernel):
    words = {**ONE, "sampler": lost}
    first = sweep(tmp_path, **words)
    assert first.evaluations == ALL
    assert not first.store.kept.of()
    for more in (
        {"metric": ["fd-pixels", kernel], "reference": statistics["pixels"]},
        {"reference": statistics["digits"]},
        {"keep": "images"},
    ):
        done = sweep(tmp_path, **words, **more)
        assert (done.evaluations, done.notes) == (0, [])
        (record,) = (done.store.cell(name) for name in done.plan.cells)
        for scores in done.plan.scores.values():
            for score in map(done.store.score, scores):
                assert score["failed"] == record["failed"]
                assert score["value"] == {"value": None, "stderr": None}


def test_an_extractor_that_fails_is_not_asked_again(tmp_path, monkeypatch):
    """It leaves nothing to keep, and that is not for want of keeping."""

    class Bad(extractors.get("digits")):
        def __call__(self, images):
            return super().__call__(images) * torch.inf

    entry = extractors.entry("digits")
    monkeypatch.setitem(extractors._entries, "digits", type(entry)("digits", Bad))
    words = {**ONE, "keep": "features"}
    assert sweep(tmp_path, **words).evaluations == ALL
    done = sweep(tmp_path, **words)
    assert (done.evaluations, done.notes) == (0, [])
    (score,) = (done.store.score(name) for each in done.plan.scores.values() for name in each)
    assert "the features of 16 of 16 images are not finite" in score["failed"]


def test_what_was_kept_may_be_given_back(finished):
    """Every value stays; a further one is sampled for."""
    out = finished("images")
    store, before = Store(out), content(out)
    files = kept_files(store)
    assert files.size == sum(path.stat().st_size for path in files.paths)
    drop_kept(files)
    gone = {str(path.relative_to(out)) for path in files.paths}
    assert len(gone) == 3 and content(out) == {k: v for k, v in before.items() if k not in gone}
    assert sweep(out, **ONE).evaluations == 0
    assert sweep(out, **ONE, keep="images").evaluations == ALL
    assert content(out) == before


def test_pngs_are_those_of_the_images(finished, tmp_path):
    """Sampled, or written of what was kept."""
    found = {}
    for name, out, evaluations in (
        ("sampled", finished("moments"), ALL), ("kept", finished("images"), 0)
    ):  # fmt: skip
        done = sweep(out, **ONE, save_images=True, keep=out.name, seed=0)
        assert done.evaluations == evaluations
        found[name] = content(out, "images")
        assert sweep(out, **ONE, save_images=True, keep=out.name).evaluations == 0
    assert found["sampled"] == found["kept"] and len(found["kept"]) == 56
    (cell,) = done.plan.cells
    images = done.store.kept.images(cell)
    for seed, path in enumerate(sorted((out / "images").rglob("*.png"))):
        assert str(path).endswith(f"/000000/{seed:06d}.png")
        with Image.open(path) as picture:
            assert np.array_equal(np.array(picture), images[seed, ..., 0])


def test_the_work_of_a_plan(finished, statistics):
    store = Store(finished("moments"))
    words = {"reference": ["digits-kde", statistics["digits"]], **ONE, "nfe": "3,4"}
    work = work_of(make(Request.of(**words)), store)
    ((new, every),), ((old, lacking),) = work.sample, work.score
    assert (new.nfe, len(every)) == (4, 2)
    assert (old.nfe, len(lacking)) == (3, 1)
    assert lacking[0].conditions["reference"]["id"] == "my-digits"

"""References that are images: made when they are fetched, once, and cached."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from samplebench.errors import InputError
from samplebench.image_sets import read
from samplebench.references import reference as references
from samplebench.scoring.extract import statistics_of
from samplebench.scoring.made import OfImages
from samplebench.scoring.references import images_at, reference_for, sources_of

KINDS = ("folder", "zip", "npy", "npz")


def fetched(source, extractor="counting", **words):
    return reference_for(source, extractor, **words).fetched(offline=True, quiet=True)


def test_nothing_is_computed_before_it_is_fetched(array, stored, counting):
    planned = reference_for(stored(array, "npy"), "counting")
    assert (planned.id, planned.sha256, planned.num_images) == ("images.npy", "", 100)
    assert (planned.extractor, planned.feature_dim) == ("counting", 4)
    assert counting == []
    found = planned.fetched(offline=True, quiet=True)
    assert sum(counting) == 100 and len(found.sha256) == 64
    features = array.reshape(100, -1)[:, :4].astype(np.float64)
    assert found.mean == pytest.approx(features.mean(0), rel=1e-12)
    assert found.cov == pytest.approx(np.cov(features.T), rel=1e-10)
    # From now on it is known, also to those who have asked before.
    assert reference_for(str(found.path), "counting") is found
    assert planned.mean is found.mean and sum(counting) == 100


def test_the_same_images_in_every_container_are_one_reference(
    array, stored, counting, forgetful, cache
):
    found = []
    for kind in KINDS:
        found.append(fetched(stored(array, kind)))
        forgetful()
    assert len({each.sha256 for each in found}) == 1
    assert all(np.array_equal(each.cov, found[0].cov) for each in found)
    # Computed once: the others come from the cache.
    assert sum(counting) == 100 and len(list((cache / "references").iterdir())) == 1
    assert fetched(stored(array[:99], "npy", "less")).sha256 != found[0].sha256


def test_equal_to_one_that_was_made_by_hand(array, stored, tmp_path):
    from samplebench.features.digits import DigitsExtractor

    source = stored(array, "folder")
    extractor, images = DigitsExtractor(), read(tmp_path / "images")
    made = statistics_of(images, [(extractor, False)], quiet=True)[0].moments
    saved = references.save(tmp_path / "mine.reference.npz", made, extractor, "by hand")
    found = fetched(source, "digits", device="cpu")
    assert np.array_equal(found.mean, saved.mean) and np.array_equal(found.cov, saved.cov)
    assert found.weights_sha256 == saved.weights_sha256


def test_rows_are_kept_where_they_are_needed(array, stored, counting, forgetful):
    source = stored(array, "npy")
    with pytest.raises(
        InputError, match=r"images\.npy keeps no features; give --reference images, or"
    ):
        fetched(source).statistic("features")
    first = fetched(source, features=True).statistic("features")
    assert first.dtype == np.float32
    assert np.array_equal(first, array.reshape(100, -1)[:, :4])
    assert sum(counting) == 200
    # What is cached with them serves those who need none, too.
    forgetful()
    assert np.array_equal(fetched(source, features=True).rows, first)
    forgetful()
    fetched(source)
    assert sum(counting) == 200


@pytest.mark.parametrize("end", [0, 100, 700, None])
@pytest.mark.parametrize("features", [False, True])
def test_a_damaged_file_of_the_cache_is_made_anew(
    array, stored, counting, forgetful, cache, end, features
):
    source = stored(array, "npy")
    first = fetched(source, features=features)
    (path,) = (cache / "references").iterdir()
    whole = path.read_bytes()
    data = bytearray(whole[:end])
    if end is None:
        # A byte of the first array's numbers, and one of the rows.
        for place in (140, len(data) // 2):
            data[place] ^= 1
    path.write_bytes(data)
    forgetful()
    again = fetched(source, features=features)
    assert sum(counting) == 200
    assert np.array_equal(again.cov, first.cov)
    assert path.read_bytes() == whole


def test_a_foreign_file_in_the_cache_is_no_answer(array, stored, counting, forgetful, cache):
    fetched(stored(array, "npy"))
    (path,) = (cache / "references").iterdir()
    other = fetched(stored(array[::-1], "npy", "other"))
    (second,) = set((cache / "references").iterdir()) - {path}
    shutil.copy(path, second)
    forgetful()
    again = fetched(str(other.path))
    assert np.array_equal(again.cov, other.cov) and sum(counting) == 300


@pytest.mark.parametrize("kind", ["a file in its place", "a folder in its place"])
def test_a_cache_that_takes_nothing_is_no_failure(array, stored, counting, cache, kind, capsys):
    planned = reference_for(stored(array, "npy"), "counting")
    if kind == "a file in its place":
        cache.write_text("")
    else:
        planned.fetched(offline=True, quiet=True)
        (path,) = (cache / "references").iterdir()
        path.unlink()
        path.mkdir()
        planned = reference_for(stored(array, "folder", "again"), "counting")
    found = planned.fetched(offline=True, quiet=False)
    assert found.mean.shape == (4,)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1 and "the cache takes no statistics of them" in notes[0]


def test_images_that_change_are_another_reference(array, stored, counting):
    source = stored(array, "npy")
    first = fetched(source)
    np.save(source, array[::-1])
    os.utime(source, ns=(1, 1))
    assert fetched(source).sha256 != first.sha256


def test_images_that_change_while_they_are_read(array, stored, counting, monkeypatch):
    planned = reference_for(stored(array, "npy"), "counting")
    monkeypatch.setattr("samplebench.scoring.made._content", lambda *_: "ab" * 32)
    with pytest.raises(InputError, match=r"images\.npy changed while it was read"):
        planned.fetched(offline=True, quiet=True)


def test_statistics_of_another_extractor_are_none(array, stored):
    assert reference_for("digits", "pixels") is None
    assert reference_for("digits", "digits").sha256
    with pytest.raises(InputError, match="at least 2 images"):
        OfImages.at(stored(array[:1], "npy"), "pixels")


def test_statistics_beside_images_are_taken(tmp_path, array):
    """As in OpenAI's files: they are of many more images than are in them."""
    path = tmp_path / "VIRTUAL_toy.npz"
    np.savez(path, arr_0=array, mu=np.zeros(2048), sigma=np.eye(2048))
    assert images_at(str(path)) is None
    assert reference_for(str(path), "inception").mean.shape == (2048,)


def test_words_of_several_references(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.npz").touch()
    (tmp_path / "c").touch()
    assert sources_of(["digits", "c,d", "a,b.npz", "digits"]) == ("digits", "c", "d", "a,b.npz")
    assert sources_of("c,a,b.npz, e,") == ("c", "a,b.npz", "e")
    (tmp_path / " f ").touch()
    assert sources_of([" f ", "c, g "]) == (" f ", "c", "g")
    assert sources_of([]) == sources_of("") == ()


def test_a_reference_beside_what_names_it(array, stored, tmp_path, counting):
    stored(array, "npy")
    assert reference_for("images.npy", "counting", str(tmp_path)).num_images == 100

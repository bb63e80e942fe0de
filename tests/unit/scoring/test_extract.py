"""An extractor over a set of images: moments, rows, the images' own hash."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samplebench.errors import EnvironmentError_, InputError
from samplebench.image_sets import read
from samplebench.scoring import rows
from samplebench.scoring.content import content_of
from samplebench.scoring.extract import statistics_of


def pixels(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


class Sums:
    """An extractor of two features: sum and first pixel."""

    feature_dim = 2

    def __call__(self, images):
        assert images.dtype == torch.uint8
        flat = images.flatten(1).double()
        return torch.stack([flat.sum(1), flat[:, 0]], 1)


@pytest.fixture
def images(tmp_path):
    """100 images as they are read, and their array."""
    array = pixels(100, 1, 3, 3)
    np.save(tmp_path / "set.npy", array)
    return read(tmp_path / "set.npy"), array


def test_moments_of_an_extractors_features(images):
    found, array = images
    (made,) = statistics_of(found, [(Sums(), False)], quiet=True)
    features = np.stack([array.reshape(100, -1).sum(1), array.reshape(100, -1)[:, 0]], 1)
    assert made.moments.count == 100 and made.rows is None
    assert made.moments.mean == pytest.approx(features.mean(0))
    assert made.moments.cov == pytest.approx(np.cov(features.T))


@pytest.mark.parametrize("largest", [1 << 20, 0], ids=["in memory", "in a file"])
def test_rows_in_memory_or_in_a_file(images, monkeypatch, largest):
    monkeypatch.setattr(rows, "_LARGE", largest)
    found, array = images
    (made,) = statistics_of(found, [(Sums(), True)], quiet=True)
    assert made.rows.dtype == np.float32 and not made.rows.flags.writeable
    assert np.array_equal(made.rows[:, 1], array[:, 0, 0, 0])
    assert np.array_equal(made.rows[:, 0], array.reshape(100, -1).sum(1))


def test_no_room_for_the_rows(images, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows, "_LARGE", 0)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(EnvironmentError_, match=r"no room for .* MB .*No space.* TMPDIR"):
        statistics_of(images[0], [(Sums(), True)], quiet=True)


def test_statistics_need_two_images(tmp_path):
    np.save(tmp_path / "set.npy", pixels(1, 1, 3, 3))
    with pytest.raises(InputError, match="need at least 2 images"):
        statistics_of(read(tmp_path / "set.npy"), [(Sums(), False)], quiet=True)


def test_what_the_extractor_refuses_names_the_set(images):
    class Picky(Sums):
        def __call__(self, images):
            raise ValueError("takes 8x8 images")

    with pytest.raises(InputError, match=r"100 images of set\.npy: .*Picky.*: takes 8x8 images"):
        statistics_of(images[0], [(Picky(), False)], quiet=True)


def test_an_extractor_that_draws_is_told(images):
    class Random(Sums):
        def __call__(self, images):
            return super().__call__(images) + torch.rand(1)

    first, second = (statistics_of(images[0], [(Random(), False)], quiet=True)[0] for _ in range(2))
    assert "draws from torch's global generator" in first.doubts[0]
    assert np.array_equal(first.moments.mean, second.moments.mean)


def test_the_hash_is_that_of_values_and_shape(tmp_path):
    def of(array):
        np.save(tmp_path / "set.npy", array)
        return content_of(read(tmp_path / "set.npy"))

    array = pixels(70, 8, 6)
    first = of(array)
    assert of(array[:, None]) == of(array[..., None]) == first
    assert of(array.reshape(70, 6, 8)) != first
    assert of(array[::-1]) != first and of(array[:69]) != first

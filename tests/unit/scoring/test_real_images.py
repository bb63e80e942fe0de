"""Which images of a set are taken where fewer are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.scoring.real_images import real_images, spread


@pytest.mark.parametrize("count", [2, 7, 360, 10_000])
def test_all_of_them_once(count):
    assert sorted(spread(count).tolist()) == list(range(count))


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
@pytest.mark.parametrize("sort", ["by class", "in turn"])
@pytest.mark.parametrize("number", [200, 1000, 5000])
def test_whatever_the_order_of_a_set_its_classes_are_even(classes, sort, number):
    places = spread(10_000)[:number]
    found = places * classes // 10_000 if sort == "by class" else places % classes
    counts = np.bincount(found, minlength=classes)
    assert abs(counts - number / classes).max() <= 5


def test_images_are_read_at_their_places(tmp_path):
    images = np.arange(70, dtype=np.uint8).repeat(64).reshape(70, 1, 8, 8)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(70) % 10, arr_1=np.zeros(3))
    real = real_images(str(tmp_path / "x.npz"), "--data")
    places, seen = np.array([0, 3, 64, 69]), []
    assert real.at(places, seen.append)[:, 0, 0, 0].tolist() == places.tolist()
    assert sum(map(len, seen)) == real.count == 70
    # Those beside the images that are read, whatever else the file holds.
    assert real.classes().at(places).labels.tolist() == (places % 10).tolist()

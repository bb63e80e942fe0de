"""Image folders and archives as uint8 batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from samplebench.errors import InputError
from samplebench.image_sets import read


def pixels(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def content(path):
    found = read(path)
    batches = list(found.batches())
    assert all(batch.dtype == np.uint8 and len(batch) <= 64 for batch in batches)
    images = np.concatenate(batches)
    assert len(images) == found.count
    return images


class Sums:
    """An extractor of two features: sum and first pixel."""

    feature_dim = 2

    def __call__(self, images):
        assert images.dtype == torch.uint8
        flat = images.flatten(1).double()
        return torch.stack([flat.sum(1), flat[:, 0]], 1)


@pytest.mark.parametrize(("shape", "mode"), [((6, 5), "L"), ((6, 5, 3), "RGB")])
def test_a_folder_of_files_in_sorted_order(tmp_path, shape, mode):
    images = pixels(70, *shape)
    (tmp_path / "deep").mkdir()
    for i, image in enumerate(images):
        folder = tmp_path / "deep" if i < 10 else tmp_path / "further"
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    (tmp_path / "deep" / "notes.txt").write_text("no image")
    found = content(tmp_path)
    expected = images[:, None] if mode == "L" else images.transpose(0, 3, 1, 2)
    assert np.array_equal(found, expected)
    assert read(tmp_path).description == f"70 images of {tmp_path.name}"


def test_other_modes_become_rgb(tmp_path):
    rgb = pixels(1, 4, 4, 3)[0]
    Image.fromarray(rgb).convert("RGBA").save(tmp_path / "0.png")
    assert np.array_equal(content(tmp_path)[0], rgb.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["npy", "images", "arr_0"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
def test_archives(tmp_path, kind, channels, last):
    images = pixels(130, channels, 7, 8)
    stored = images.transpose(0, 2, 3, 1) if last else images
    path = tmp_path / ("set.npy" if kind == "npy" else "set.npz")
    if kind == "npy":
        np.save(path, stored)
    else:
        np.savez(path, **{kind: stored, "labels": np.arange(130)})
    assert np.array_equal(content(path), images)
    assert read(path).count == 130
    # A second pass gives the same images.
    again = read(path)
    assert np.array_equal(*(np.concatenate(list(again.batches())) for _ in range(2)))


def test_channels_first_wins_where_both_would_do(tmp_path):
    np.save(tmp_path / "set.npy", pixels(2, 3, 5, 1))
    assert content(tmp_path / "set.npy").shape == (2, 3, 5, 1)


def test_images_of_several_shapes_are_refused_by_name(tmp_path):
    Image.fromarray(pixels(1, 4, 4)[0]).save(tmp_path / "a.png")
    Image.fromarray(pixels(1, 4, 5)[0]).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"b\.png has shape \(1, 4, 5\), the images before it"):
        content(tmp_path)


def test_a_broken_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG but not really")
    with pytest.raises(InputError, match=r"a\.png is not a readable image"):
        content(tmp_path)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match=r"holds no images \(\.bmp, "):
        read(tmp_path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"neither"),
        lambda path: path.write_bytes(b"PK\x03\x04 a damaged archive"),
        lambda path: np.savez(path, train=pixels(2, 1, 2, 2), test=pixels(2, 1, 2, 2)),
        lambda path: np.savez(path, images=np.array([None, {}], dtype=object)),
    ],
    ids=["missing", "empty", "text", "damaged", "other names", "objects"],
)
def test_other_files_are_refused(tmp_path, write):
    path = tmp_path / "set.npz"
    write(path)
    with pytest.raises(InputError, match="is neither a folder of images nor an"):
        read(path)


@pytest.mark.parametrize(
    "array", [pixels(2, 4, 4), pixels(2, 1, 4, 4).astype(np.float32), pixels(2, 1, 4, 4) > 7]
)
def test_other_arrays_are_refused(tmp_path, array):
    path = tmp_path / "set.npy"
    np.save(path, array)
    with pytest.raises(InputError, match=r"uint8 \[N, C, H, W\] is needed"):
        read(path)


def test_moments_of_an_extractors_features(tmp_path):
    images = pixels(100, 1, 3, 3)
    np.save(tmp_path / "set.npy", images)
    moments = read(tmp_path / "set.npy").moments(Sums(), quiet=True)
    features = np.stack([images.reshape(100, -1).sum(1), images.reshape(100, -1)[:, 0]], 1)
    assert moments.count == 100
    assert moments.mean == pytest.approx(features.mean(0))
    assert moments.cov == pytest.approx(np.cov(features.T))


def test_statistics_need_two_images(tmp_path):
    np.save(tmp_path / "set.npy", pixels(1, 1, 3, 3))
    with pytest.raises(InputError, match="need at least 2 images"):
        read(tmp_path / "set.npy").moments(Sums(), quiet=True)


def test_what_the_extractor_refuses_names_the_set(tmp_path):
    class Picky(Sums):
        def __call__(self, images):
            raise ValueError("takes 8x8 images")

    np.save(tmp_path / "set.npy", pixels(3, 1, 3, 3))
    with pytest.raises(InputError, match=r"3 images of set\.npy: .*Picky.*: takes 8x8 images"):
        read(tmp_path / "set.npy").moments(Picky(), quiet=True)

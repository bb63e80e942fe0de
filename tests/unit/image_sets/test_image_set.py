"""Image folders and archives as uint8 batches."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from samplebench.errors import InputError
from samplebench.image_sets import is_set, read, stamp


def pixels(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def content(path):
    found = read(path)
    batches = list(found.batches())
    assert all(batch.dtype == np.uint8 and len(batch) <= 64 for batch in batches)
    images = np.concatenate(batches)
    assert len(images) == found.count
    return images


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


@pytest.mark.parametrize(
    ("write", "meant"),
    [
        (lambda path: path.mkdir(), True),
        (lambda path: np.save(path.open("wb"), pixels(2, 4, 4)), True),
        (lambda path: np.save(path.open("wb"), np.zeros((2, 3, 4, 4))), True),
        (lambda path: np.savez(path.open("wb"), x=pixels(2, 4, 4), y=np.arange(2)), True),
        (lambda path: Image.fromarray(pixels(4, 4)).save(path, "PNG"), True),
        (lambda path: np.save(path.open("wb"), np.zeros((4, 4))), False),
        (lambda path: np.savez(path.open("wb"), weight=np.zeros((2, 3, 4, 4))), False),
        (lambda path: path.write_bytes(b"PK\x03\x04 a damaged archive"), False),
        (lambda path: path.write_bytes(b"text"), False),
        (lambda path: None, False),
    ],
)
def test_what_is_meant_to_be_images(tmp_path, write, meant):
    write(tmp_path / "it")
    assert is_set(tmp_path / "it") is meant


def test_a_stamp_shows_what_has_changed(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels(4, 4)).save(tmp_path / name)
    first = stamp(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    assert stamp(tmp_path) == first
    os.utime(tmp_path / "b.png", ns=(1, 1))
    second = stamp(tmp_path)
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    assert len({first, second, stamp(tmp_path)}) == 3

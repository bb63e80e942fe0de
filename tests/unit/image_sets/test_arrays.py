"""Images in NumPy's files: keys, layouts, and what is looked at before anything is read."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from samplebench.errors import InputError
from samplebench.image_sets import read

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 3, 8, 9), dtype=np.uint8)


def content(path):
    return np.concatenate(list(read(path).batches()))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_both_layouts_in_both_orders(tmp_path, packed, order, last, suffix):
    array = np.asarray(IMAGES.transpose(0, 2, 3, 1) if last else IMAGES, order=order)
    path = tmp_path / f"set{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    else:
        (np.savez_compressed if packed else np.savez)(path, arr_0=array, arr_1=np.arange(70))
    assert np.array_equal(content(path), IMAGES)
    assert all(batch.flags.c_contiguous for batch in read(path).batches())


def test_grey_without_an_axis_of_channels(tmp_path):
    np.save(tmp_path / "set.npy", IMAGES[:, 0])
    assert np.array_equal(content(tmp_path / "set.npy"), IMAGES[:, :1])


def test_one_array_of_another_name(tmp_path):
    np.savez(tmp_path / "set.npz", samples=IMAGES, labels=np.arange(70), z=np.zeros((70, 4, 8, 8)))
    found = read(tmp_path / "set.npz")
    assert np.array_equal(content(tmp_path / "set.npz"), IMAGES)
    assert len(found.notes) == 1 and found.notes[0].endswith("its images are those called samples")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": IMAGES, "x_test": IMAGES}, "several arrays of images: x_train, x_test"),
        ({"mu": np.zeros(3), "sigma": np.eye(3)}, "no array of images: mu, sigma"),
        ({f"k{i}": np.zeros(1) for i in range(10)}, "k7 and 2 more"),
    ],
)
def test_the_keys_that_were_found_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "set.npz")


def test_a_layout_that_could_be_either_is_said(tmp_path):
    np.save(tmp_path / "set.npy", np.zeros((4, 3, 8, 3), np.uint8))
    assert "fits both layouts" in read(tmp_path / "set.npy").notes[0]
    assert content(tmp_path / "set.npy").shape == (4, 3, 8, 3)


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.zeros((4, 3, 8, 8), np.float32), r"255 \* x"),
        (np.zeros((4, 3, 8, 8), np.uint16), "257"),
        (np.zeros((4, 3, 8, 8), ">i8"), r"x\.astype"),
        (np.zeros((4, 8, 8, 4), np.uint8), "alpha"),
        (np.zeros((4, 5, 8, 8), np.uint8), "1 or 3 channels"),
        (np.zeros((4, 192), np.uint8), "is needed"),
        (np.zeros((8, 8, 3), np.uint8), "is needed"),
        (np.zeros((0, 3, 8, 8), np.uint8), "no images that can be read"),
        (np.zeros((4, 3, 8, 0), np.uint8), "no images that can be read"),
        (np.array(7, np.uint8), "is needed"),
        (np.zeros(4, [("a", "u1")]), "not a plain array"),
        (np.array(["text"]), r"x\.astype|is needed"),
    ],
)
def test_other_arrays_are_refused_with_what_to_do(tmp_path, array, advice):
    np.save(tmp_path / "set.npy", array)
    with pytest.raises(InputError, match=advice):
        read(tmp_path / "set.npy")


def npy(shape, data=b"", descr="|u1", order=False):
    head = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}"
    head = head.ljust(118) + "\n"
    return b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head.encode() + data


HEADERS = {
    "terabytes": npy("(1000000000, 3, 1024, 1024)"),
    "more than 64 bits": npy("(10**30, 3, 8, 8)".replace("10**30", "1" + 30 * "0")),
    "negative": npy("(-4, 3, 8, 8)", bytes(999)),
    "cut off": npy("(4, 3, 8, 8)", bytes(100)),
    "no numbers": npy("('a', 3, 8, 8)"),
    "deep": npy(90 * "(" + 90 * ")"),
    "expression": npy("__import__('os').getcwd()"),
    "huge items": npy("(1,)", descr="|V9999999999"),
    "version": b"\x93NUMPY\x09\0" + npy("(1,)")[8:],
    "long header": b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(99),
    "odd type": npy("(4, 3, 8, 8)", descr="|qq"),
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_headers_that_lie(tmp_path, case, suffix):
    path = tmp_path / f"set{suffix}"
    path.write_bytes(HEADERS[case])
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", HEADERS[case])
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            content(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_a_small_file_of_many_images_is_never_whole_in_memory(tmp_path):
    """10 kB that unpack to 10 MB."""
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w") as file:
            file.write(npy("(10000, 1, 16, 64)"))
            file.write(bytes(10_240_000))
    tracemalloc.start()
    try:
        assert sum(len(batch) for batch in read(path).batches()) == 10_000
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_fortran_array_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("samplebench.files.archives._FREE", 1 << 20)
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w") as file:
            file.write(npy("(2000, 1, 32, 32)", order=True))
            file.write(bytes(2_048_000))
    with pytest.raises(InputError, match="unpack to 2,048,000"):
        content(path)


def test_other_containers_are_named(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    torch.save({"images": torch.zeros(2)}, tmp_path / "images.pt")
    tar = io.BytesIO(b"0.png".ljust(257, b"\0") + b"ustar\0" + bytes(249))
    (tmp_path / "set.tar").write_bytes(tar.getvalue())
    (tmp_path / "set.tar.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "cifar.pkl").write_bytes(b"\x80\x04.")
    said = {
        "one.png": "a single image; name the folder", "images.pt": "torch.save",
        "set.tar": "a tar archive: unpack", "set.tar.gz": "gzip archive: unpack",
        "cifar.pkl": "a pickle",
    }  # fmt: skip
    for name, message in said.items():
        with pytest.raises(InputError, match=message):
            read(tmp_path / name)

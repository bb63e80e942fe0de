"""Images and their classes: every place where labels may be, and what is refused."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from samplebench.embedded import held_out_digits, load_digits
from samplebench.errors import InputError, UsageError
from samplebench.likelihood.data import Fitting, images_of

SHAPE = (1, 8, 8)
PIXELS = np.random.default_rng(0).integers(256, size=(6, 8, 8), dtype=np.uint8)
LABELS = np.array([2, 0, 1, 1, 0, 2])


def fit(classes=3, optional=False, labels=None, shape=SHAPE):
    return Fitting("toy", shape, classes, optional, labels)


def read(path, count=None, **words):
    return images_of(str(path), fit(**words), count, True)


def save(folder, name, i):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS[i]).save(path)


def zipped(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return target


def npz(folder, images="arr_0", labels="arr_1"):
    path = folder / "data.npz"
    np.savez(path, **{images: PIXELS[:, None], **({labels: LABELS} if labels else {})})
    return path


def by_folder(names):
    def make(folder):
        for i, label in enumerate(LABELS):
            save(folder / "set", f"{names[label]}/{i}.png", i)
        return folder / "set"

    return make


def in_edms_form(labels):
    def make(folder):
        for i in range(6):
            save(folder / "set", f"00000/img{i:08}.png", i)
        pairs = [[f"00000/img{i:08}.png", int(LABELS[i])] for i in range(6)]
        (folder / "set" / "dataset.json").write_text(
            json.dumps({"labels": pairs and labels(pairs)})
        )
        return folder / "set"

    return make


PLACES = {
    "arr_1": npz,
    "labels": lambda folder: npz(folder, "images", "labels"),
    "names": by_folder(["ant", "bee", "cat"]),
    "numbers": by_folder(["0", "1", "2"]),
    "dataset.json": in_edms_form(lambda pairs: pairs[::-1]),
}


def sorted_by_pixels(data):
    return sorted(zip(data.images.reshape(len(data.images), -1).tolist(), data.labels, strict=True))


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("place", PLACES)
def test_classes_are_found(place, form, tmp_path):
    path = PLACES[place](tmp_path)
    if form == "zip" and path.is_dir():
        path = zipped(path, tmp_path / "set.zip")
    data = read(path)
    expected = sorted(zip(PIXELS.reshape(6, -1).tolist(), LABELS, strict=True))
    assert sorted_by_pixels(data) == expected
    assert data.labels.dtype == np.int64 and data.of == data.count == 6
    # Fewer are some of them, under the same hashes, and the first of more.
    for count in (2, 3):
        few = read(path, count)
        assert few.places.tolist() == sorted(data.order[:count].tolist())
        assert few.places[few.order].tolist() == data.order[:count].tolist()
        assert np.array_equal(few.images, data.images[few.places])
        assert np.array_equal(few.labels, data.labels[few.places])
        assert (few.sha256, few.labels_sha256) == (data.sha256, data.labels_sha256)


def npy(folder):
    np.save(folder / "data.npy", PIXELS[:, None])
    return folder / "data.npy"


MISSING = {
    "a single array": (npy, "data.npy is a single array, without labels"),
    "no labels": (lambda f: npz(f, labels=None), "data.npz holds"),
    "labels of another name": (lambda f: npz(f, "images", "classes"), "no labels"),
    "one folder": (
        by_folder(["ant", "ant", "ant"]),
        "in sorted order, name 1 classes, not 3",
    ),
    "shards": (
        by_folder(["00000", "00001", "00002"]),
        "3 folders (00000, 00001, ...), which name",
    ),
    "no folder": (by_folder([".", ".", "."]), "not all images of set are in a folder"),
    "a table without": (in_edms_form(lambda pairs: None), "dataset.json of set has no labels"),
}


@pytest.mark.parametrize("place", MISSING)
def test_classes_are_missing(place, tmp_path, refused):
    make, told = MISSING[place]
    path = make(tmp_path)
    words = ("model toy is class-conditional", told, "arr_0 and arr_1")
    refused(lambda: read(path), UsageError, *words)
    refused(lambda: read(path, labels="data", optional=True), UsageError, told, "--labels none")
    data = read(path, optional=True)
    assert data.labels is None and data.labels_sha256 is None and told in data.classes


@pytest.mark.parametrize("labels", [["a"] * 6, [0.5] * 6, [True] * 6, [10**30] * 6, [1, 2], None])
def test_a_damaged_table_is_told(labels, tmp_path, refused):
    def spoilt(pairs):
        if labels is None:
            return pairs[:3]
        return [[name, label] for (name, _), label in zip(pairs, labels, strict=False)]

    path = in_edms_form(spoilt)(tmp_path)
    refused(lambda: read(path), InputError, "does not say the class of every image")
    (path / "dataset.json").write_text("{")
    refused(lambda: read(path), InputError, "is not JSON")
    refused(lambda: read(zipped(path, tmp_path / "set.zip")), InputError, "cannot be read")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.array([0, 1, 2, 3, 0, 0]), "classes from 0 to 3, and the model has 3"),
        (np.array([0, 1, 2, -1, 0, 0]), "classes from -1 to 2"),
        (np.eye(6), "labels are whole numbers [6]"),
        (np.zeros(5, int), "labels are whole numbers [6]"),
        (np.zeros(6), "labels are whole numbers [6]"),
    ],
)
def test_labels_of_no_class(labels, told, tmp_path, refused):
    np.savez(tmp_path / "data.npz", arr_0=PIXELS[:, None], arr_1=labels)
    refused(lambda: read(tmp_path / "data.npz"), InputError, told)
    # Of no concern to a model without classes.
    assert read(tmp_path / "data.npz", classes=0).labels is None


def test_labels_as_words(tmp_path, refused):
    path = npz(tmp_path)
    refused(lambda: read(path, classes=0, labels="data"), UsageError, "has no classes")
    refused(lambda: read(path, labels="none"), UsageError, "needs labels")
    assert read(path, labels="none", optional=True).labels is None
    assert read(path, labels="data", optional=True).labels is not None


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((1, 32, 32), "are 1x8x8 (channels, height, width), and model toy is of 1x32x32; resize"),
        ((3, 8, 8), "is of 3x8x8; save them in RGB"),
        ((3, 16, 8), "is of 3x16x8"),
    ],
)
def test_images_of_another_shape(shape, told, tmp_path, refused):
    refused(lambda: read(npz(tmp_path), shape=shape), InputError, told)


def test_what_is_no_set_of_images(tmp_path, refused):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    np.save(tmp_path / "floats.npy", np.zeros((2, 1, 8, 8)))
    refused(lambda: read(tmp_path / "empty"), InputError, "holds no images")
    refused(lambda: read(tmp_path / "text.txt"), InputError, "is neither a folder of images")
    for word in (tmp_path / "nowhere", "", " "):
        refused(lambda word=word: read(word), UsageError, f"--data {word}: no such file or folder")
    refused(lambda: read(tmp_path / "floats.npy"), InputError, "save (255 * x)")
    path = npz(tmp_path)
    refused(lambda: read(path, 7), InputError, "--num-samples 7", "holds 6 images")


def test_the_held_out_digits(tmp_path):
    data = images_of("digits", fit(classes=10), None, True)
    assert data.count == 360 and np.bincount(data.labels).tolist() == [36] * 10
    pixels, labels = load_digits()
    index = held_out_digits()
    assert np.array_equal(data.images, pixels[index]) and (np.diff(index) > 0).all()
    assert np.array_equal(data.labels, labels[index])
    assert images_of("digits", fit(classes=0), 5, True).labels is None

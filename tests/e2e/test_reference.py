"""`samplebench reference`: statistics of a folder of images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from samplebench.cli import main


@pytest.fixture
def images(tmp_path):
    """100 random grey images of 8 x 8 pixels, as `pictures/*.png`; the array."""
    array = np.random.default_rng(0).integers(256, size=(100, 1, 8, 8), dtype=np.uint8)
    folder = tmp_path / "pictures"
    for i, image in enumerate(array):
        path = folder / f"part{i % 3}" / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(path)
    return array


def test_made_from_a_folder_of_images(samplebench, images, tmp_path):
    words = ("reference", "make", "--images", "pictures", "--out", "mine.reference.npz")
    done = samplebench(*words, "--quiet")
    assert (done.code, done.err) == (0, "")
    assert "100 images of pictures" in done.out

    described = samplebench("reference", "describe", "mine.reference.npz", "--json")
    assert described.code == 0
    (facts,) = json.loads(described.out)
    assert facts["num_images"] == 100
    assert facts["extractor"] == "digits"
    assert facts["feature_dim"] == 64
    assert len(facts["weights_sha256"]) == len(facts["sha256"]) == 64
    assert facts["trace"] > facts["largest_eigenvalue"] > 0

    # The same moments as those of the features computed here.
    from samplebench.metrics.moments import Moments
    from samplebench.references.reference import load
    from samplebench.registry import extractors

    torch = pytest.importorskip("torch")
    features = extractors.get("digits")(device="cpu")(torch.from_numpy(images)).numpy()
    moments, made = Moments.of(features), load(str(tmp_path / "mine.reference.npz"))
    np.testing.assert_allclose(made.mean, moments.mean, rtol=1e-10)
    np.testing.assert_allclose(made.cov, moments.cov, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(made.cov, np.cov(features.T), rtol=1e-8, atol=1e-10)

    # An array of the same images, here with the channel last, gives the same statistics.
    np.save(tmp_path / "array.npy", images.transpose(0, 2, 3, 1))
    words = ("--images", "array.npy", "--out", "array.reference.npz", "--quiet")
    assert samplebench("reference", "make", *words).code == 0
    same = load(str(tmp_path / "array.reference.npz"))
    np.testing.assert_allclose(same.cov, made.cov, rtol=1e-8, atol=1e-12)


def test_shipped_references(samplebench):
    done = samplebench("reference", "list", "--json")
    assert done.code == 0
    rows = json.loads(done.out)
    assert len(rows) >= 1
    for row in rows:
        shown = samplebench("reference", "describe", row["id"])
        assert shown.code == 0
        assert row["made_from"] in shown.out
        assert f"{row['num_images']}" in shown.out


def _grey(path, size=8):
    Image.new("L", (size, size), 77).save(path)


def _folder(*makers):
    """A maker of a folder, from makers of its files a.png, b.png, ..."""

    def make(path):
        path.mkdir()
        for name, maker in zip("abc", makers, strict=False):
            maker(path / f"{name}.png")

    return make


def test_what_is_left_out_or_converted_is_said(tmp_path, monkeypatch, capsys):
    """On stderr, before the work; the count is that of the images."""
    (tmp_path / "set").mkdir()
    for i in range(3):
        Image.new("L" if i else "RGB", (8, 8), i).save(tmp_path / "set" / f"{i}.png")
    (tmp_path / "set" / "labels.json").write_text("{}")
    (tmp_path / "set" / "._0.png").write_bytes(b"fork")
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["reference", "make", "--images", "~/set", "--extractor", "pixels", "--json"]
    assert main([*words, "--out", "~/made.npz"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["num_images"] == 3 and (tmp_path / "made.npz").is_file()
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 3
    assert "1 hidden" in notes[0] and "1 .json" in notes[0]
    assert "2 of 3 images are grey" in notes[1]
    assert "3 images are few for 192 features" in notes[2]
    assert main([*words, "--out", "~/made.npz", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


SOURCES = {
    "mixed": (_folder(_grey, lambda path: _grey(path, 9)), "b.png has shape"),
    "broken": (_folder(_grey, lambda path: path.write_bytes(b"\x89PNG\r\n cut")), "b.png is not a"),
    "large": (_folder(*[lambda path: _grey(path, 16)] * 2), "takes uint8 images [N, 1, 8, 8]"),
    "single": (_folder(_grey), "at least 2 images"),
    "empty": (_folder(), "holds no images"),
    "text.npy": (lambda path: path.write_text("no array"), "neither a folder of images nor"),
    "float.npy": (lambda path: np.save(path, np.zeros((3, 1, 8, 8))), "uint8"),
    "missing": (lambda path: None, "missing"),
}


@pytest.mark.parametrize(
    "source",
    [pytest.param(s, marks=[pytest.mark.slow] if i > 2 else []) for i, s in enumerate(SOURCES)],
)
def test_what_makes_no_reference(samplebench, tmp_path, source):
    maker, message = SOURCES[source]
    maker(tmp_path / source)
    words = ("--images", source, "--out", "made.npz", "--quiet")
    done = samplebench("reference", "make", *words)
    assert done.code == 2
    assert done.err.startswith("samplebench: error: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "made.npz").exists()

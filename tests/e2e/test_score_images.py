"""`samplebench score --images`: images made elsewhere, against statistics and other images."""

from __future__ import annotations

import json
import os
import re
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samplebench.cli import main
from samplebench.metrics.frechet import frechet_distance

ROOT = Path(__file__).parents[2]
# Real images of others, which are no part of the repository.
DATA = Path(os.environ.get("SAMPLEBENCH_DATA") or ROOT.parent / "shared" / "data")
KEYS = {
    "images", "metric", "value", "stderr", "terms", "deleted", "num_samples", "protocol",
    "reference", "reference_sha256", "extractor",
}  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working folder: 100 and 120 random images, and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for name, count in (("mine.npy", 100), ("real,1.npy", 120)):
        np.save(name, generator.integers(256, size=(count, 1, 8, 8), dtype=np.uint8))
    return tmp_path


@pytest.fixture
def score(place, capsys):
    """`score(*words)`: exit code, stdout and stderr of the command."""

    def call(*words):
        code = main(["score", *map(str, words)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def scores(score):
    """`scores(*words)`: what it prints as JSON."""

    def call(*words):
        code, out, err = score(*words, "--json", "--quiet")
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


def test_the_command_itself(samplebench, place):
    words = ("score", "--images", "mine.npy", "--reference", "digits", "--metric", "fd-digits")
    done = samplebench(*words)
    assert done.code == 0, done.err
    head, row = done.out.splitlines()
    assert head.split() == "metric value stderr N protocol reference extractor".split()
    assert row.startswith("fd-digits  ") and "  100  images as given  digits@" in row
    assert "100 images of mine.npy" in done.err


def test_what_is_printed(scores):
    (row,) = scores("--images", "mine.npy", "--reference", "real,1.npy", "--metric", "fd-pixels")
    assert set(row) == KEYS
    assert (row["metric"], row["num_samples"], row["extractor"]) == ("fd-pixels", 100, "pixels")
    assert (row["images"], row["reference"]) == ("100 images of mine.npy", "real,1.npy")
    assert len(row["reference_sha256"]) == 64 and len(row["deleted"]) == 20
    assert sum(row["terms"].values()) == pytest.approx(row["value"])
    assert row["value"] > row["stderr"] > 0


@pytest.mark.parametrize(
    "words",
    [
        ("--reference", "digits", "real,1.npy"),
        ("--reference", "digits", "--reference", "real,1.npy"),
        ("--reference", "digits,real,1.npy"),
    ],
)
def test_several_references(scores, words):
    found = scores("--images", "mine.npy", "--metric", "fd-digits,fd-pixels", *words)
    assert [(row["metric"], row["reference"]) for row in found] == [
        ("fd-digits", "digits"), ("fd-digits", "real,1.npy"), ("fd-pixels", "real,1.npy"),
    ]  # fmt: skip


def test_a_reference_made_by_hand_is_the_same(scores, place, capsys):
    words = ["--images", "real,1.npy", "--keep", "features", "--out", "hand.reference.npz"]
    assert main(["reference", "make", *words, "--extractor", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["features"] == "kept"
    found = scores(
        *("--images", "mine.npy", "--metric", "fd-digits"),
        *("--reference", "hand.reference.npz", "real,1.npy"),
    )
    assert found[0]["value"] == found[1]["value"] and found[0]["deleted"] == found[1]["deleted"]


def test_images_of_a_sweep_score_as_the_sweep_itself(scores, place, capsys):
    """1,797 digits as PNG files: the same value and error bar."""
    words = "--sampler euler --nfe 5 --save-images --out sweep --device cpu --quiet --json"
    assert main(["run", *words.split()]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    (folder,) = (place / "sweep" / "images").iterdir()
    words = ("--reference", "digits-kde", "--metric", "fd-digits", "--device", "cpu")
    (found,) = scores("--images", folder, *words)
    assert found["num_samples"] == row["num_samples"] == 1797
    assert found["value"] == pytest.approx(row["fd-digits"], rel=1e-9)
    assert found["stderr"] == pytest.approx(row["fd-digits_stderr"], rel=1e-9)


def test_notes_before_the_work(score):
    words = ("--images", "mine.npy", "--reference", "real,1.npy", "--metric", "fd-pixels")
    code, _, err = score(*words)
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert code == 0 and len(notes) == 2
    assert "100 images are few for 192 features" in notes[0]
    assert "reference real,1.npy: 120 images are few for 192 features" in notes[1]


def _png(path, size=8):
    Image.new("L", (size, size), 77).save(path, "PNG")


HOSTILE = {
    "nothing": (lambda path: None, "nothing"),
    "empty": (lambda path: path.mkdir(), "empty holds no images"),
    "text": (lambda path: path.write_text("no images"), "text is "),
    "pipe": (os.mkfifo, "pipe is a pipe, not a file"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "dangling"),
    "photo": (_png, "photo is neither .*a single image; name the folder"),
    "floats": (lambda path: np.save(path.open("wb"), np.zeros((3, 1, 8, 8))), "uint8 .* is needed"),
    "one": (lambda path: np.save(path.open("wb"), np.zeros((1, 8, 8), np.uint8)), "at least 2 im"),
    "wide": (
        lambda path: np.save(path.open("wb"), np.zeros((3, 1, 9, 9), np.uint8)),
        "3 images of wide: the 'digits' extractor takes uint8 images",
    ),
    "cut": (lambda path: path.write_bytes(b"PK\x03\x04 a damaged archive"), "cut is "),
    "broken": (
        lambda path: (path.mkdir(), (path / "a.png").write_bytes(b"\x89PNG\r\n cut")),
        "a.png is not a readable image",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("role", ["--images", "--reference"])
def test_hostile_inputs_end_in_one_line(score, place, name, role):
    make, message = HOSTILE[name]
    make(place / name)
    given = {"--images": "mine.npy", "--reference": "digits"} | {role: name}
    words = chain.from_iterable(given.items())
    code, out, err = score(*words, "--metric", "fd-digits", "--quiet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("samplebench: error: ")
    assert re.search(message, err), err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "score needs either a results folder or --images PATH"),
        ("--images mine.npy", "needs --metric NAME and --reference R"),
        ("--images mine.npy --metric fd-digits", "needs --metric NAME and --reference R"),
        ("--images mine.npy --metric fd-digit --reference digits", "did you mean 'fd-digits'?"),
        ("--images mine.npy --metric fd-digits --reference digit", "did you mean 'digits'?"),
        ("--images mine.npy --metric fd-pixels --reference digits", "digits holds digits features"),
        (
            "--images mine.npy --metric fd-digits --reference digits --device gpu",
            "unknown device 'gpu'",
        ),
        (
            "--images mine.npy --metric fd-digits --reference digits edm-cifar10-32x32",
            "edm-cifar10-32x32 holds inception features, which no metric here compares",
        ),
    ],
)
def test_mistakes_end_in_one_line(score, words, message):
    code, out, err = score(*words.split(), "--quiet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("samplebench: error: ") and message in err


def test_a_damaged_cache_is_made_anew(scores, place, monkeypatch):
    words = ("--images", "mine.npy", "--reference", "real,1.npy", "--metric", "fd-pixels")
    first = scores(*words)
    (path,) = (place / "cache" / "references").iterdir()
    path.write_bytes(path.read_bytes()[:500])
    monkeypatch.setattr("samplebench.scoring.made._made", {})
    assert scores(*words) == first


# real images


@pytest.fixture(scope="module")
def cifar():
    """4,000 real images, uint8 [4000, 32, 32, 3], cut from their sheets."""
    sheets = sorted((DATA / "cifar10").glob("batch_*.png"))
    if not sheets:
        pytest.skip(f"no images in {DATA}; SAMPLEBENCH_DATA names another folder")
    rows = [np.asarray(Image.open(path).convert("RGB")) for path in sheets]
    return np.concatenate(rows).reshape(-1, 32, 32, 3)


def test_half_of_cifar10_against_the_other_half(cifar, scores, place):
    first, second = cifar[: len(cifar) // 2], cifar[len(cifar) // 2 :]
    np.save("first.npy", first)
    np.savez("second.npz", images=second)
    words = ("--metric", "fd-pixels", "--reference", "second.npz")
    (row,) = scores("--images", "first.npy", *words)

    def moments(images):
        fields = images.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4)) / 127.5 - 1
        features = fields.transpose(0, 3, 1, 2).reshape(len(images), -1)
        return features.mean(0), np.cov(features.T)

    expected = frechet_distance(*moments(first), *moments(second))
    assert row["value"] == pytest.approx(expected, rel=1e-9)
    assert row["num_samples"] == len(first) and 0 < row["stderr"] < row["value"]
    # Images that were made darker are further away than any half from another.
    np.save("dark.npy", first // 2)
    (dark,) = scores("--images", "dark.npy", *words)
    assert dark["value"] > 100 * row["value"]


@pytest.mark.slow
def test_a_folder_of_cifar10(cifar, scores, place):
    """2,000 PNGs, and the zip of the others: the same as their arrays to the last digit."""
    halves = {"first": cifar[: len(cifar) // 2], "second": cifar[len(cifar) // 2 :]}
    for name, images in halves.items():
        (place / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(place / name / f"{i:05}.png")
        np.save(place / f"{name}.npy", images)
    shutil.make_archive("second", "zip", "second")
    words = ("--metric", "fd-pixels", "--reference")
    (files,) = scores("--images", "first", *words, "second.zip")
    (arrays,) = scores("--images", "first.npy", *words, "second.npy")
    assert files["reference_sha256"] == arrays["reference_sha256"]
    assert (files["value"], files["deleted"]) == (arrays["value"], arrays["deleted"])

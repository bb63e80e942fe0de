"""A released checkpoint at its real size, from a server that breaks off, through the whole command.

The file is made here, in the genuine container and with random weights.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samplebench.checkpoints.catalog import catalog
from samplebench.features.inception_weights import WEIGHTS
from samplebench.references import reference as references

MADE = Path(__file__).parents[1] / "unit" / "checkpoints"
_spec = importlib.util.spec_from_file_location("server", MADE.parent / "download" / "server.py")
_server = importlib.util.module_from_spec(_spec)
sys.modules["server"] = _server
_spec.loader.exec_module(_server)

MODEL = "vp-cifar10"
ARGUMENTS = {"model_type": "SongUNet", "img_resolution": 32, "img_channels": 3}
OTHER_HASHES = """
from dataclasses import replace
from samplebench.features import inception_weights as own
from samplebench.references import reference as references
own.WEIGHTS = replace(own.WEIGHTS, sha256="{digest}", size={size})
references._released()["edm-cifar10-32x32"].pop("sha256")
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the checkpoint's file, and 300 images to compare with."""
    folder = tmp_path_factory.mktemp("released")
    written = folder / "network.pkl"
    words = [sys.executable, MADE / "genuine.py", "VPPrecond", json.dumps(ARGUMENTS), written]
    subprocess.run([str(word) for word in words], check=True, timeout=300)
    # 61.8 million float32 numbers.
    assert 247_000_000 < written.stat().st_size < 249_000_000
    draw = np.random.default_rng(0)
    np.savez(
        folder / "images.npz", images=draw.integers(256, size=(300, 32, 32, 3), dtype=np.uint8)
    )
    made = Path(__file__).parents[2] / "benchmarks" / "containers" / "inception.py"
    words = [sys.executable, made, folder / "inception.pth"]
    subprocess.run([str(word) for word in words], check=True, timeout=300)
    np.savez(folder / "statistics.npz", mu=draw.random(2048), sigma=np.diag(draw.random(2048)))
    # Nothing made here has a hash that is published: Python imports this before the command.
    digest = hashlib.sha256((folder / "inception.pth").read_bytes()).hexdigest()
    size = (folder / "inception.pth").stat().st_size
    (folder / "sitecustomize.py").write_text(OTHER_HASHES.format(digest=digest, size=size))
    return folder


def path_at(url):
    return "/" + url.split("/", 3)[3]


@pytest.fixture(scope="module")
def server(place):
    """Serves the files at their released paths, and breaks off twice in the checkpoint."""
    content = (place / "network.pkl").read_bytes()
    path = path_at(catalog()[MODEL].location)
    statistics = references.load(catalog()[MODEL].reference).artefact
    with _server.serving() as server:
        server.put(path, content, cuts=2, cut_after=90_000_000)
        server.put(path_at(WEIGHTS.url), (place / "inception.pth").read_bytes())
        server.put(path_at(statistics.url), (place / "statistics.npz").read_bytes())
        yield server


@pytest.fixture(scope="module")
def released(command, place, server):
    """`released("run", ...)`: a command that sees the mirror and an empty cache."""
    kept = dict(os.environ)
    os.environ |= {
        "SAMPLEBENCH_CACHE": str(place / "cache"),
        "SAMPLEBENCH_MIRROR": server.address,
    }
    yield lambda *words: command(*words, cwd=place, path=place)
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="module")
def fetched(released):
    return released("fetch", MODEL)


def test_fetch_goes_on_after_each_cut(fetched, server, place):
    assert fetched.code == 0, fetched.err
    assert "trusted on first use" in fetched.err and "CC-BY-NC-SA-4.0" in fetched.err
    assert server.ranges[0] is None
    assert all(asked.startswith("bytes=") for asked in server.ranges[1:3])
    assert len(server.ranges) == 5
    path = place / "cache" / MODEL / "baseline-cifar10-32x32-uncond-vp.pkl"
    assert path.read_bytes() == (place / "network.pkl").read_bytes()
    assert str(path) in fetched.out and "as released" in fetched.out


def test_doctor_says_that_random_weights_do_not_denoise(fetched, released):
    done = released("doctor", MODEL, "--offline", "--json", "--quiet")
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)
    assert found["parameters"] == 61_804_419 and found["denoises"] is False
    assert found["structure"] == catalog()[MODEL].structure
    assert found["sigma"] == [2**-10, 152.16697692871094]
    assert all(one["noise_left"] > 0.9 for one in found["findings"])
    print(f"peak memory while loading: {found['memory_bytes'] / 1e6:.0f} MB for 247 MB")
    assert 200_000_000 < found["memory_bytes"] <= 2 * 247_000_000


def test_a_run_ends_with_a_report(fetched, released, place):
    words = ("--images", "images.npz", "--extractor", "pixels", "--out", "mine.reference.npz")
    assert released("reference", "make", *words, "--quiet").code == 0
    words = ("--model", MODEL, "--nfe", "5,9", "--num-samples", "8", "--offline", "--out", "out")
    words += (
        "--sampler",
        "heun",
        "--metric",
        "fd-pixels",
        "--reference",
        "mine.reference.npz",
        "--batch-size",
        "8",
    )
    done = released("run", *words, "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [(row["sampler"], row["nfe"]) for row in rows] == [
        ("heun", 5),
        ("heun", 9),
    ]
    for row in rows:
        assert row["fd-pixels"] > 0 and row["protocol"].startswith("custom:")
    page = (place / "out" / "report.html").read_text(encoding="utf-8")
    assert "vp-cifar10: fd-pixels" in page and "N = 8 is not above the 192 features" in page
    cells = [json.loads(path.read_text()) for path in (place / "out" / "cells").glob("*.json")]
    assert {cell["conditions"]["checkpoint_sha256"] for cell in cells} == {
        cells[0]["provenance"]["checkpoint"]["sha256"]
    }
    assert all(cell["gflop_per_evaluation"] > 10 for cell in cells)
    assert released("cite", "out").out.count("@") >= 4


def test_fetch_brings_reference_and_extractor_too(fetched, place):
    for name, made in (("inception", "inception.pth"), ("edm-cifar10-32x32", "statistics.npz")):
        (path,) = (p for p in (place / "cache" / name).iterdir() if not p.name.startswith("."))
        assert path.read_bytes() == (place / made).read_bytes()
        assert str(path) in fetched.out and f"{name}: {path.name}" in fetched.err


def test_fid_with_everything_in_the_cache(fetched, released, place):
    words = ("--model", MODEL, "--nfe", "5,9", "--num-samples", "4", "--batch-size", "4")
    done = released("run", *words, "--sampler", "heun", "--offline", "--out", "fid", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [row["nfe"] for row in rows] == [5, 9] and all(row["fid"] > 0 for row in rows)
    assert "N = 4 is not above the 2048 features" in (place / "fid" / "report.html").read_text()
    cells = [json.loads(path.read_text()) for path in (place / "fid" / "cells").glob("*.json")]
    digests = {
        name: hashlib.sha256((place / name).read_bytes()).hexdigest()
        for name in ("network.pkl", "inception.pth", "statistics.npz")
    }
    for conditions in (cell["conditions"] for cell in cells):
        assert conditions["checkpoint_sha256"] == digests["network.pkl"]
        assert conditions["quantization"] == "edm"
    scores = [json.loads(path.read_text()) for path in (place / "fid" / "scores").glob("*.json")]
    assert len(scores) == 2
    for conditions in (score["conditions"] for score in scores):
        assert conditions["extractor"]["weights_sha256"] == digests["inception.pth"]
        assert conditions["reference"] == {
            "id": "edm-cifar10-32x32", "sha256": digests["statistics.npz"]
        }  # fmt: skip
    assert "heusel2017gans" in released("cite", "fid").out

"""gDDIM's released CLD checkpoint at its real size, from a server that breaks off, through a run.

The file is made here, in the genuine container and with random weights; one number stands for each
tensor of the optimizer, which would make it four times as large.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samplebench.checkpoints.catalog import catalog

MADE = Path(__file__).parents[1] / "unit" / "checkpoints"
_spec = importlib.util.spec_from_file_location("server", MADE.parent / "download" / "server.py")
_server = importlib.util.module_from_spec(_spec)
sys.modules["server"] = _server
_spec.loader.exec_module(_server)

MODEL = "cld-cifar10"
WEIGHTS = 4 * 107_597_446  # bytes
LOADED = """
import json, sys
import torch
import samplebench as sb
import samplebench.adapters.gddim
from samplebench.doctor.memory import peak_bytes
before = peak_bytes()
model = sb.load(sys.argv[1], device="cpu", offline=True)
taken = peak_bytes() - before
parameters = sum(p.numel() for p in model.network.parameters())
found = [taken, parameters, model.process.name, model.shape, model.provenance["step"]]
print(json.dumps([*found, model.provenance["structure"]]))
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the checkpoint's file, and 300 images to compare with."""
    folder = tmp_path_factory.mktemp("released")
    config = json.dumps(catalog()[MODEL].config["model_config"])
    words = [sys.executable, MADE / "flax_writer.py", config, folder / "checkpoint_15"]
    subprocess.run([str(word) for word in words], check=True, timeout=300)
    assert WEIGHTS < (folder / "checkpoint_15").stat().st_size < WEIGHTS + 1_000_000
    draw = np.random.default_rng(0)
    images = draw.integers(256, size=(300, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images)
    return folder


@pytest.fixture(scope="module")
def released(command, place):
    """`released("run", ...)`: a command that sees an empty cache and the mirror, the server."""
    kept, entry = dict(os.environ), catalog()[MODEL]
    with _server.serving() as server:
        content = (place / "checkpoint_15").read_bytes()
        server.put(f"/{MODEL}/{entry.file_name}", content, cuts=2, cut_after=150_000_000)
        os.environ["SAMPLEBENCH_CACHE"] = str(place / "cache")
        os.environ["SAMPLEBENCH_MIRROR"] = server.address
        yield lambda *words: command(*words, cwd=place, threads=2)
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="module")
def run(released, place):
    words = ("--images", "images.npz", "--extractor", "pixels", "--out", "mine.reference.npz")
    assert released("reference", "make", *words, "--quiet").code == 0
    words = ("--model", MODEL, "--sampler", "gddim", "--nfe", "20", "--num-samples", "2")
    words += ("--metric", "fd-pixels", "--reference", "mine.reference.npz", "--batch-size", "2")
    return released("run", *words, "--out", "out", "--json")


def test_a_run_from_a_server_that_breaks_off_ends_with_a_report(run, place):
    assert run.code == 0, run.err
    assert "trusted on first use" in run.err and "Apache-2.0" in run.err
    (fetched,) = (place / "cache" / MODEL).glob("*.msgpack")
    assert fetched.read_bytes() == (place / "checkpoint_15").read_bytes()
    (row,) = json.loads(run.out)
    assert (row["sampler"], row["nfe"], row["num_samples"]) == ("gddim", 20, 2)
    assert row["fd-pixels"] > 0
    assert f"{MODEL}: fd-pixels" in (place / "out" / "report.html").read_text(encoding="utf-8")


def test_loading_takes_the_weights_one_and_a_half_times_at_most(run):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, MODEL],
        capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    taken, parameters, process, shape, step, structure = json.loads(done.stdout)
    print(f"peak memory while loading: {taken / 1e6:.0f} MB for {WEIGHTS / 1e6:.0f} MB of weights")
    assert 0.9 * WEIGHTS < taken <= 1.5 * WEIGHTS
    assert parameters == 107_597_318
    assert (process, shape, step) == ("cld", [3, 32, 32], 750_000)
    assert structure == catalog()[MODEL].structure

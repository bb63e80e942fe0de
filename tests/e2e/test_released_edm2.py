"""EDM2-S at its real size, through a local server and the whole command; all weights random."""

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

MODEL = "edm2-img64-s-fid"
ARGUMENTS = {"model_channels": 192, "dropout": 0.0, "use_fp16": True, "label_dim": 1000}
ARGUMENTS |= {"img_resolution": 64, "img_channels": 3}
WEIGHTS = 2 * 280_209_381  # bytes
# Beside what loading a file of the package and a first evaluation have taken.
MEASURE = """
import re, sys
from pathlib import Path
import torch
import samplebench as sb

def memory(field):
    status = Path("/proc/self/status").read_text()
    return int(re.search(field + r":\\s+(\\d+) kB", status)[1]) * 1024

sb.load("digits-edm")(torch.zeros(1, 1, 8, 8), 1.0)
before = memory("VmRSS")
model = sb.load(sys.argv[1], device="cpu")
held = sum(t.numel() * t.element_size() for t in model.network.state_dict().values())
print(held, memory("VmHWM") - before, model.provenance["structure"])
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the checkpoint's file, and 8 images to compare with."""
    folder = tmp_path_factory.mktemp("released")
    words = [sys.executable, MADE / "edm2_writer.py", json.dumps(ARGUMENTS), folder / "network.pkl"]
    subprocess.run([str(word) for word in words], check=True, timeout=300)
    assert WEIGHTS < (folder / "network.pkl").stat().st_size < 1.01 * WEIGHTS
    images = np.random.default_rng(0).integers(256, size=(300, 64, 64, 3), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images)
    return folder


@pytest.fixture(scope="module")
def mirrored(place):
    """The environment of a command that sees the mirror and its own cache."""
    with _server.serving() as server:
        path = "/" + catalog()[MODEL].location.split("/", 3)[3]
        server.put(path, (place / "network.pkl").read_bytes())
        kept = dict(os.environ)
        os.environ |= {
            "SAMPLEBENCH_CACHE": str(place / "cache"),
            "SAMPLEBENCH_MIRROR": server.address,
        }
        yield
        os.environ.clear()
        os.environ.update(kept)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own figures")
def test_loading_takes_little_more_memory_than_the_weights(mirrored, place):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, MODEL], check=True, capture_output=True, text=True
    )
    held, peak, structure = done.stdout.split()
    assert int(held) > WEIGHTS and structure == catalog()[MODEL].structure
    print(f"{held} bytes of weights, peak {int(peak) / int(held):.2f} of them")
    assert int(peak) <= 1.5 * int(held)
    assert (place / "cache" / MODEL / "edm2-img64-s-1073741-0.075.pkl").is_file()


def test_a_run_ends_with_a_report(mirrored, command, place):
    def run(*words):
        return command(*words, cwd=place, threads=2)

    words = ("--images", "images.npz", "--extractor", "pixels", "--out", "mine.reference.npz")
    assert run("reference", "make", *words, "--quiet").code == 0
    words = ("--model", MODEL, "--nfe", "3", "--num-samples", "2", "--batch-size", "2")
    words += ("--metric", "fd-pixels", "--reference", "mine.reference.npz", "--out", "out")
    done = run("run", *words, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["sampler"], row["nfe"], row["dtype"]) == ("heun", 3, "float32")
    assert row["fd-pixels"] > 0
    page = (place / "out" / "report.html").read_text(encoding="utf-8")
    assert f"{MODEL}: fd-pixels" in page
    (cell,) = (json.loads(path.read_text()) for path in (place / "out" / "cells").glob("*.json"))
    assert cell["conditions"]["state_dtype"] == "float32"
    # Of multiplications and additions each, as the published ones count pairs: 102.
    assert 190 < cell["gflop_per_evaluation"] < 220

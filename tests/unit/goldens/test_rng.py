"""The per-sample streams of NVlabs' generate.py, complete runs on them, and the uint8 rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.images import to_uint8
from samplebench.noise.streams import stream

SHAPES = {
    "cifar.cond": ((3, 32, 32), 10),
    "cifar.uncond": ((3, 32, 32), 0),
    "imagenet64.cond": ((3, 64, 64), 1000),
    "small.cond": ((3, 4, 4), 10),
}
CHURN = {"S_churn": 40, "S_min": 0.05, "S_max": 50, "S_noise": 1.003}
RULES = {"edm": "edm", "openai": "guided_diffusion", "score-sde": "score_sde"}


@pytest.mark.parametrize("name", SHAPES)
def test_streams(golden, agrees, name):
    rng, (shape, num_classes) = golden("rng.npz"), SHAPES[name]
    noise = stream("nvlabs", rng["seeds"].tolist(), "cpu", torch.float64)
    latents, labels = noise.start(shape, num_classes)
    first, second = noise(latents), noise(latents)
    assert latents.dtype == first.dtype == torch.float64
    # The stored corner is the first 2 x 2 x 4 of an image, all of it where the image is small.
    c, h, w = rng[f"{name}.latents"].shape[1:]
    for key, found in {"latents": latents, "step0_noise": first, "step1_noise": second}.items():
        agrees("rng", found[:, :c, :h, :w], rng[f"{name}.{key}"], 0.0)
        if f"{name}.{key}_mean" in rng:
            mean = found.flatten(1).mean(1)
            agrees("rng", mean, rng[f"{name}.{key}_mean"], 1e-12)
    if num_classes:
        assert labels.dtype == torch.int64
        agrees("rng", labels, rng[f"{name}.labels"], 0.0)
    else:
        assert labels is None


@pytest.mark.parametrize("conditional", [False, True], ids=["unconditional", "conditional"])
def test_complete_run(golden, mixture, agrees, conditional):
    rng, model = golden("rng.npz"), mixture("smooth5")
    model.num_classes = 10 if conditional else 0
    seen = []

    def denoise(x, sigma, labels):
        seen.append(labels)
        return model(x, sigma)

    for attribute in ("shape", "num_classes", "device", "state_dtype", "sigma_min", "sigma_max"):
        setattr(denoise, attribute, getattr(model, attribute))
    denoise.round_sigma = float
    x = sb.sample(denoise, "edm", steps=18, seeds=range(4), noise="nvlabs", **CHURN)
    key = "conditional" if conditional else "unconditional"
    agrees("rng", x, rng[f"run.x_{key}"], 1e-9)
    if conditional:
        agrees("rng", seen[0], rng["run.labels10"], 0.0)
        pixels = to_uint8(x, "edm").permute(0, 2, 3, 1)
        agrees("rng", pixels, rng["run.uint8_conditional_nhwc"], 0.0)
    else:
        assert seen[0] is None


def test_a_seed_beyond_32_bits_wraps(golden):
    rng = golden("rng.npz")
    wrapped = rng["seeds"] % 2**32
    assert (wrapped != rng["seeds"]).any()
    drawn = [stream("nvlabs", s.tolist(), "cpu", torch.float64) for s in (rng["seeds"], wrapped)]
    latents = [noise.start((3, 4, 4), 0)[0] for noise in drawn]
    assert torch.equal(*latents)


@pytest.mark.parametrize(("rule", "key"), RULES.items())
def test_uint8(golden, agrees, rule, key):
    rng = golden("rng.npz")
    found = to_uint8(torch.tensor(rng["uint8.in"]), rule)
    assert found.dtype == torch.uint8
    agrees("uint8", found, rng[f"uint8.{key}"], 0.0)


def test_uint8_in_float32(golden, agrees):
    rng = golden("rng.npz")
    found = to_uint8(torch.tensor(rng["uint8.in"].astype(np.float32)), "edm")
    agrees("uint8", found, rng["uint8.f32_edm"], 0.0)

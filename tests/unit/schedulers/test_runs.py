"""Whole runs of diffusers' schedulers by name: stored ones, and against our own samplers."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
import torch

import samplebench as sb
from tests.unit.goldens.test_diffusers import RELATIVE, RUNS

diffusers = pytest.importorskip("diffusers")


@pytest.fixture
def replayed(monkeypatch, golden):
    """Schedulers that draw the noise of a case, row after row."""

    def replay(case):
        if not case["noise"]:
            return
        stored = torch.tensor(golden("inputs.npz")[case["noise"]])
        rows, home = iter(stored), getattr(diffusers, case["sampler"]).__module__

        def randn_tensor(shape, **given):
            # One pixel is the course that is found before the run.
            return next(rows) if shape == stored.shape[1:] else torch.zeros(shape)

        monkeypatch.setattr(importlib.import_module(home), "randn_tensor", randn_tensor)

    return replay


@pytest.mark.parametrize("case", RUNS, ids=[case["id"] for case in RUNS])
def test_stored_runs(golden, mixture, agrees, replayed, case):
    arrays, keys, params = golden(case["file"]), case["keys"], dict(case["params"])
    steps, config = params.pop("num_inference_steps"), params.pop("config")
    told = {name: params[name] for name in ("eta",) if params.get(name)}
    model, taken = mixture(case["mixture"]), []
    replayed(case)
    x = sb.sample(
        model,
        f"diffusers:{case['sampler']}",
        steps=steps,
        latents=torch.tensor(golden("inputs.npz")[case["latents"]]),
        callback=taken.append,
        **config,
        **told,
    )
    vp = not case["sampler"].startswith("EDM")
    scale = [1 / math.sqrt(1 + step.sigma**2) if vp else 1.0 for step in taken]
    states = torch.stack([step.x * one for step, one in zip(taken, scale, strict=True)])
    expected, evaluated = arrays[keys["traj"]][1:], arrays[keys["eval_sigmas"]]
    agrees("diffusers", states, expected, RELATIVE * max(1.0, np.abs(expected).max()))
    agrees("diffusers", x * scale[-1], arrays[keys["x"]], RELATIVE)
    agrees("diffusers", model.calls, evaluated, 1e-6 * max(1.0, evaluated.max()))

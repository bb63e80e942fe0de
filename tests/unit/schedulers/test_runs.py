"""Whole runs of diffusers' schedulers by name: stored ones, and against our own samplers."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.sampling.setting import prepare
from tests.unit.goldens.test_diffusers import RELATIVE, RUNS

diffusers = pytest.importorskip("diffusers")


def constant(shape, **given):
    """In place of a draw."""
    return torch.full(tuple(shape), 0.5, dtype=torch.float64)


@pytest.fixture
def replayed(monkeypatch, golden):
    """Schedulers that draw the noise of a case, row after row."""

    def replay(case):
        if not case["noise"]:
            return
        stored = torch.tensor(golden("inputs.npz")[case["noise"]])
        rows, home = iter(stored), getattr(diffusers, case["sampler"]).__module__

        def randn_tensor(shape, **given):
            # One pixel is the loop that finds the schedule before the run.
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


# One algorithm under two names: a scheduler and its configuration, ours and its parameters.
SAME = [
    ("DDIMScheduler", {"clip_sample": False}, "ddim", {}),
    ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}, "ddim", {}),
    ("EDMEulerScheduler", {}, "euler", {}),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, "euler", {}),
    ("HeunDiscreteScheduler", {}, "heun", {}),
    ("LMSDiscreteScheduler", {}, "lms", {}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, "dpmpp-2m", {}),
    (
        "DPMSolverMultistepScheduler",
        {"final_sigmas_type": "sigma_min", "lower_order_final": False},
        "dpmpp-2m",
        {"lower_order_final": False},
    ),
    ("EDMDPMSolverMultistepScheduler", {}, "dpmpp-2m", {}),
    ("UniPCMultistepScheduler", {}, "unipc", {"order": 2, "variant": "bh2"}),
    (
        "UniPCMultistepScheduler",
        {"solver_order": 3, "solver_type": "bh1", "final_sigmas_type": "sigma_min"},
        "unipc",
        {"order": 3, "variant": "bh1"},
    ),
    (
        "DEISMultistepScheduler",
        {"lower_order_final": False},
        "dpmpp-2m",
        {"predicts": "eps", "solver_type": "heun", "lower_order_final": False},
    ),
]


def both(model, scheduler, config, ours, params, steps):
    """What a scheduler and our sampler make of the same latents on the scheduler's levels."""
    latents = torch.randn(
        (4, *model.shape), generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    name = f"diffusers:{scheduler}"
    where = prepare(model, name, steps=steps, params=config).timeline
    levels = list(where.own)
    end = {} if levels[-1] == 0 else {"final": "sigma_min"}
    started = latents * where.factor / levels[0]
    x = sb.sample(model, name, steps=steps, latents=latents, **config)
    return x, sb.sample(model, ours, latents=started, discretization=levels, **end, **params)


# DDIM's next level is the next of its times only where their number divides 1,000.
@pytest.mark.parametrize("steps", (pytest.param(5, marks=pytest.mark.slow), 20))
@pytest.mark.parametrize(("scheduler", "config", "ours", "params"), SAME)
def test_one_algorithm_under_two_names(mixture, scheduler, config, ours, params, steps):
    x, y = both(mixture("smooth5"), scheduler, config, ours, params, steps)
    torch.testing.assert_close(x, y, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("scheduler", "config", "ours"),
    [
        ("DDPMScheduler", {"clip_sample": False}, "ddim"),
        ("EulerAncestralDiscreteScheduler", {}, "euler-ancestral"),
    ],
)
def test_the_same_with_the_same_noise(monkeypatch, mixture, scheduler, config, ours):
    home = importlib.import_module(getattr(diffusers, scheduler).__module__)
    monkeypatch.setattr(home, "randn_tensor", constant)
    params = {"eta": 1.0, "noise": lambda x: constant(x.shape)}
    x, y = both(mixture("smooth5"), scheduler, config, ours, params, 10)
    torch.testing.assert_close(x, y, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({"timestep_spacing": "linspace"}, 10),
        ({"timestep_spacing": "trailing"}, 7),
    ],
)
def test_ddim_goes_to_levels_that_are_not_on_its_list(mixture, config, steps):
    config = {"clip_sample": False, **config}
    x, y = both(mixture("smooth5"), "DDIMScheduler", config, "ddim", {}, steps)
    assert (x - y).abs().max() > 1e-2


def test_a_run_from_no_image_makes_digits_of_a_model_whose_table_ends_far_up():
    """The cosine table of digits-adm ends at sigma = 2e4, where an error of eps is 300 images."""
    name = "diffusers:FlowMatchEulerDiscreteScheduler"
    made = sb.sample(sb.load("digits-adm"), name, steps=10, seeds=range(4))
    assert made.abs().max() < 2

"""Samplers against k-diffusion, on closed-form denoisers."""

from __future__ import annotations

from itertools import chain, repeat

import numpy as np
import torch

import samplebench as sb

# Function of a case -> our sampler, and its parameters as ours are called.
NAMES = {
    "sample_euler": "euler",
    "sample_heun": "heun",
    "sample_dpm_2": "dpm-2",
    "sample_lms": "lms",
    "sample_dpm_fast": "dpm-solver-fast",
    "sample_dpmpp_2m": "dpmpp-2m",
    "sample_euler_ancestral": "euler-ancestral",
    "sample_dpm_2_ancestral": "dpm-2-ancestral",
    "sample_dpmpp_2s_ancestral": "dpmpp-2s-ancestral",
    "sample_dpmpp_sde": "dpmpp-sde",
    "sample_dpmpp_2m_sde": "dpmpp-2m-sde",
    "sample_dpmpp_3m_sde": "dpmpp-3m-sde",
}
WORDS = {"s_churn": "S_churn", "s_tmin": "S_min", "s_tmax": "S_max", "s_noise": "S_noise"}


def replayed(golden, case):
    """Stored noise row by row; zeros after it, as the step into 0 draws nothing there."""
    if case["noise"] is None:
        return None
    rows = torch.tensor(golden("inputs.npz")[case["noise"]])
    source = chain(rows[: case["noise_rows"]], repeat(torch.zeros_like(rows[0])))
    return lambda x: next(source)


def test_kdiffusion(golden, mixture, agrees, kdiffusion_case):
    case = kdiffusion_case
    taken, given = [], []

    class Watched(mixture):
        def __call__(self, x, sigma, labels=None):
            # The state of the first evaluation of each step.
            if len(given) == len(taken):
                given.append(x)
            return super().__call__(x, sigma, labels)

    model, arrays, keys = Watched(case["mixture"]), golden(case["file"]), case["keys"]
    words = {WORDS.get(k, k): v for k, v in case["params"].items() if k != "n"}
    if "sigmas" in keys:
        words["discretization"] = arrays[keys["sigmas"]].tolist()
    else:
        words["steps"] = case["params"]["n"]
    x = sb.sample(
        model,
        NAMES[case["sampler"]],
        latents=torch.tensor(golden("inputs.npz")[case["latents"]]),
        noise=replayed(golden, case),
        callback=taken.append,
        **words,
    )
    found = {"x": x, "eval_sigmas": model.calls, "callback_x": torch.stack(given)}
    for key, value in found.items():
        if key in keys:
            expected = arrays[keys[key]]
            tolerance = 1e-9 * max(1.0, np.abs(expected).max())
            agrees(f"k-diffusion {case['sampler']}", value, expected, tolerance)
    assert taken[-1].nfe == len(model.calls) == case["nfe"]

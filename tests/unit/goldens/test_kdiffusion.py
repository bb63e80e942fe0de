"""Samplers against k-diffusion, on closed-form denoisers."""

from __future__ import annotations

from itertools import chain, repeat

import numpy as np
import torch

import samplebench as sb

# Function of a case -> our sampler; cases of others are not run.
NAMES = {
    "sample_lms": "lms",
    "sample_dpmpp_2m": "dpmpp-2m",
    "sample_dpmpp_2m_sde": "dpmpp-2m-sde",
    "sample_dpmpp_3m_sde": "dpmpp-3m-sde",
}


class Recorded:
    """A model that keeps the state of the first evaluation in each step."""

    def __init__(self, model, taken: list) -> None:
        self.model, self.taken, self.states = model, taken, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __call__(self, x, sigma, labels=None):
        if len(self.states) == len(self.taken):
            self.states.append(x)
        return self.model(x, sigma)


def test_kdiffusion(golden, mixture, agrees, kdiffusion_case):
    case = kdiffusion_case
    arrays, keys, inputs = golden(case["file"]), case["keys"], golden("inputs.npz")
    latents, taken = torch.tensor(inputs[case["latents"]]), []
    model = Recorded(mixture(case["mixture"]), taken)
    drawn = torch.tensor(inputs[case["noise"]][: case["noise_rows"]]) if case["noise"] else ()
    # The release draws nothing in the step into 0, where ours has no effect.
    rows = chain(drawn, repeat(torch.zeros_like(latents)))
    x = sb.sample(
        model,
        NAMES[case["sampler"]],
        latents=latents,
        discretization=arrays[keys["sigmas"]].tolist(),
        noise=lambda x: next(rows),
        callback=taken.append,
        **case["params"],
    )
    found = {
        "x": x,
        "callback_x": torch.stack(model.states),
        "eval_sigmas": model.calls,
    }
    for key, value in found.items():
        expected = arrays[keys[key]]
        tolerance = 1e-9 * max(1.0, np.abs(expected).max())
        agrees(f"kdiffusion {case['sampler']}", value, expected, tolerance)
    assert taken[-1].nfe == len(model.calls) == case["nfe"]

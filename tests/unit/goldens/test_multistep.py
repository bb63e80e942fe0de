"""The multistep family and its kin against diff-sampler, on closed-form denoisers."""

from __future__ import annotations

import numpy as np
import torch

import samplebench as sb

# Sampler of a case -> ours, and its parameters as ours are called; None: not in ours.
NAMES = {
    "euler": "euler",
    "heun": "heun",
    "dpm_2": "dpm-2",
    "ipndm": "ipndm",
    "ipndm_v": "ipndm-v",
    "deis": "deis",
    "dpm_pp": "dpmpp-3m",
    "unipc": "unipc",
}
WORDS = {
    "max_order": "order",
    "deis_mode": "mode",
    "dynamic_thresholding": "thresholding",
}
_DROPPED = {"num_steps", "schedule_type", "schedule_rho", "coeff_max_order", "predict_x0"}


def ours(case) -> tuple[str, dict]:
    """Our sampler and its parameters."""
    params = case["params"]
    words = {WORDS.get(k, k): v for k, v in params.items() if k not in _DROPPED}
    if "predict_x0" in params:
        words["predicts"] = "x0" if params["predict_x0"] else "eps"
    return NAMES[case["sampler"]], {"final": "sigma_min", **words}


def run_case(golden, mixture, case, levels=None, **changes):
    model, taken = mixture(case["mixture"]), []
    name, params = ours(case)
    arrays, keys = golden(case["file"]), case["keys"]
    x = sb.sample(
        model,
        name,
        latents=torch.tensor(golden("inputs.npz")[case["latents"]]),
        discretization=arrays[keys["sigmas"]].tolist() if levels is None else levels,
        callback=taken.append,
        **{**params, **changes},
    )
    return model, taken, x


def test_multistep(golden, mixture, agrees, multistep_case):
    case = multistep_case
    model, taken, x = run_case(golden, mixture, case)
    arrays, keys = golden(case["file"]), case["keys"]
    # The reference sums 10,000 points where our quadrature is exact.
    tab = case["params"].get("deis_mode") == "tab"
    found = {
        "x": x,
        "traj": torch.stack([step.x for step in taken]),
        "eval_sigmas": model.calls,
    }
    for key, value in found.items():
        expected = arrays[keys[key]]
        expected = expected[1:] if key == "traj" else expected
        tolerance = 1e-3 if tab and key != "eval_sigmas" else 1e-9
        agrees(
            f"multistep {case['sampler']}",
            value,
            expected,
            tolerance * max(1.0, np.abs(expected).max()),
        )
    assert taken[-1].nfe == len(model.calls) == case["nfe"]

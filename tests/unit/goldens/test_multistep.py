"""The multistep family and its kin against diff-sampler, on closed-form denoisers."""

from __future__ import annotations

import numpy as np
import torch

import samplebench as sb
from samplebench.models.bound import Bound
from samplebench.samplers.deis import RULES
from samplebench.samplers.multistep import Method, Weights, multistep

# Sampler of a case -> ours, and its parameters as ours are called.
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


def test_the_loop_on_the_coefficients_of_deis(golden, mixture, agrees, deis_case):
    """What is left of its difference to ours when the quadrature is the reference's own."""
    arrays, keys = golden("multistep.npz"), deis_case["keys"]
    coefficients, states = arrays[keys["coeffs"]], []

    def stored(levels, i, points):
        past = coefficients[i] if i else [levels[1] - levels[0]]
        return Weights(1.0, tuple(past[:points]))

    grid = torch.tensor(arrays[keys["sigmas"]])
    latents = torch.tensor(golden("inputs.npz")[deis_case["latents"]])
    x = multistep(
        Bound(mixture(deis_case["mixture"]), None, len(latents)),
        latents * grid[0],
        grid,
        Method(stored, deis_case["params"]["max_order"]),
        callback=lambda step: states.append(step.x),
    )
    expected = arrays[keys["x"]]
    agrees("deis, its coefficients", x, expected, 1e-9 * max(1.0, np.abs(expected).max()))
    expected = arrays[keys["traj"]][1:]
    found = torch.stack(states)
    agrees("deis, its coefficients", found, expected, 1e-9 * max(1.0, np.abs(expected).max()))


def test_coefficients_of_deis(golden, agrees, deis_case):
    arrays, keys, params = golden("multistep.npz"), deis_case["keys"], deis_case["params"]
    levels, expected = arrays[keys["sigmas"]].tolist(), arrays[keys["coeffs"]]
    for i in range(1, len(expected)):
        points = min(i + 1, params["max_order"])
        found = RULES[params["deis_mode"]](levels, i, points).past
        tolerance = 1e-9 if params["deis_mode"] == "rhoab" else 1e-4
        scale = np.abs(expected[i]).max()
        agrees("deis coefficients", found, expected[i][:points], tolerance * scale)
        assert not expected[i][points:].any()

"""Score-SDE's predictor-corrector and RK45 against its own code, on closed-form denoisers."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import solve_ivp

import samplebench as sb
from samplebench.sampling.setting import prepare

_PREDICTORS = {
    "reverse_diffusion": "reverse-diffusion",
    "euler_maruyama": "euler-maruyama",
    "ancestral_sampling": "ancestral",
    "none": "none",
}
# The goldens' ve is that of images in [0, 1], its range and its data not scaled to [-1, 1].
_RANGES = {"ve": {"sigma_min": 0.01, "sigma_max": 50.0}}


class Replay:
    """Stored draws, one after the other."""

    def __init__(self, rows):
        self.rows, self.drawn = torch.tensor(rows), 0

    def __call__(self, x):
        self.drawn += 1
        return self.rows[self.drawn - 1]


def words_of(case):
    params = case["params"]
    words = {"process": params["sde"], "denoise": params["denoise"]}
    return {**words, **_RANGES.get(params["sde"], {})}


def test_predictor_corrector(golden, mixture, agrees, pc_case):
    case, model = pc_case, mixture(pc_case["mixture"])
    params, arrays, keys = case["params"], golden(case["file"]), case["keys"]
    if not params["continuous"]:
        pytest.skip("a network on discrete steps: its noise levels are those of a table of N")
    noise, seen = Replay(golden("inputs.npz")[case["noise"]]), []
    words = {
        **words_of(case),
        "predictor": _PREDICTORS[params["predictor"]],
        "corrector": params["corrector"],
        "snr": params["snr"],
        "corrector_steps": params["n_steps"],
        "probability_flow": params["probability_flow"],
    }
    x = sb.sample(
        model,
        "pc-batch",
        steps=params["N"],
        latents=torch.tensor(golden("inputs.npz")[case["latents"]]),
        noise=noise,
        callback=seen.append,
        **words,
    )
    agrees("score-sde pc", x, arrays[keys["x"]], 1e-9)
    assert len(model.calls) == seen[-1].nfe == case["nfe"]
    planned = prepare(model, "pc-batch", steps=params["N"], params=words)
    assert planned.evaluations == case["nfe"]
    # Of the probability flow the reference draws what it does not use.
    assert noise.drawn == (0 if params["probability_flow"] else case["noise_rows"])
    assert planned.solver.noises(params["N"], planned.params) == noise.drawn


def test_rk45(golden, mixture, agrees, rk45_case):
    case, model = rk45_case, mixture(rk45_case["mixture"])
    arrays, keys = golden(case["file"]), case["keys"]
    latents = torch.tensor(golden("inputs.npz")[case["latents"]])
    x = sb.sample(model, "rk45", latents=latents, rtol=case["params"]["rtol"], **words_of(case))
    agrees("score-sde rk45", x, arrays[keys["x"]], 1e-3)
    if "x_f64" in keys:
        agrees("score-sde rk45, float64", x, arrays[keys["x_f64"]], 1e-3)
        agrees("score-sde rk45, exact", x, exact(model, latents, case["params"]["sde"]), 5e-4)


def exact(model, latents, process):
    """The flow in noise levels to eleven digits, from the prior at t = 1 to x_t at its end."""
    if process == "vp":
        start, end = (math.sqrt(math.expm1(19.9 * t * t / 2 + 0.1 * t)) for t in (1, 1e-3))
        x, scale = latents * math.sqrt(1 + start**2), 1 / math.sqrt(1 + end**2)
    else:
        start, end, scale = 50.0, 0.01 * 5000**1e-5, 1.0
        x = latents * start

    def slope(sigma, flat):
        x = torch.from_numpy(flat).reshape(latents.shape)
        return ((x - model(x, torch.tensor(sigma, dtype=torch.float64))) / sigma).numpy().ravel()

    span, state = (start, end), x.numpy().ravel()
    found = solve_ivp(slope, span, state, method="DOP853", rtol=1e-11, atol=1e-11)
    return scale * found.y[:, -1].reshape(latents.shape)

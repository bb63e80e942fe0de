"""DPM-Solver and DPM-Solver++ against dpm-solver, on closed-form denoisers.

Its states are those of the VP process, alpha (x0 + sigma n), and start with unit variance.
"""

from __future__ import annotations

import math

import numpy as np
import torch

import samplebench as sb
from samplebench.models.bound import Bound
from samplebench.samplers.singlestep import singlestep

T_END = 1e-3


def linear(t: float) -> float:
    """ln alpha of the continuous process, beta from 0.1 to 20."""
    return -(20 - 0.1) * t**2 / 4 - 0.1 * t / 2


def tabled(abar: np.ndarray, t: float) -> float:
    """ln alpha of a discrete process: linear in t between its steps, and beyond the first."""
    log_alpha = np.log(abar) / 2
    # lambda below -5.1 is dropped at the noisy end.
    log_alpha = log_alpha[log_alpha - np.log(1 - abar) / 2 >= -5.1]
    step = 1 / len(log_alpha)
    return float(log_alpha[0] + (t / step - 1) * (log_alpha[1] - log_alpha[0]))


def end_of(case) -> float:
    """The noise level at the last time."""
    schedule = case["params"]["noise_schedule"]
    if schedule == "linear":
        log_alpha = linear(T_END)
    else:
        process = sb.process("discrete", noise_schedule=schedule.split("-")[1])
        log_alpha = tabled(process.alpha_bar, T_END)
    return math.sqrt(math.expm1(-2 * log_alpha))


def alpha(sigma):
    return 1 / np.sqrt(1 + np.square(sigma))


def words_of(case) -> tuple[str, dict]:
    """Our sampler and its parameters."""
    params, (algorithm, order) = (
        case["params"],
        (case["params"][k] for k in ("algorithm_type", "order")),
    )
    words = {"predicts": "x0" if algorithm == "dpmsolver++" else "eps"}
    if params["method"] == "singlestep":
        return "dpm-solver-fast", {**words, "order": order, "steps": params["steps"]}
    if order == 1:
        return "euler", {"final": "sigma_min"}
    # Its default lowers the order of the last steps where there are fewer than 10.
    words["lower_order_final"] = params.get("lower_order_final", True) and params["steps"] < 10
    words |= {"final": "sigma_min", "denoise_to_zero": params.get("denoise_to_zero", False)}
    if order == 3:
        return "dpmpp-3m", {**words, "order": 3}
    return "dpmpp-2m", {**words, "solver_type": "heun" if "solver_type" in params else "midpoint"}


def run_case(golden, case, model):
    """The callback's steps and the result, from levels of the golden."""
    arrays, end = golden(case["file"]), end_of(case)
    evaluated = arrays[case["keys"]["eval_sigmas"]].tolist()
    levels = [*(level for level in evaluated if level > end * (1 + 1e-9)), end]
    x = torch.tensor(golden("inputs.npz")[case["latents"]]) / alpha(levels[0])
    taken = []
    if case["params"]["method"] == "singlestep_fixed":
        order, predicts = case["params"]["order"], words_of(case)[1]["predicts"]
        orders = [order] * (case["params"]["steps"] // order)
        return taken, singlestep(
            Bound(model, None, len(x)), x, levels, orders, predicts, taken.append
        )
    name, words = words_of(case)
    if name == "dpm-solver-fast":
        words |= {"sigma_max": levels[0], "sigma_min": end}
    else:
        words["discretization"] = levels
    x = sb.sample(model, name, latents=x / levels[0], callback=taken.append, **words)
    return taken, x


def test_dpmsolver(golden, mixture, agrees, dpmsolver_case):
    case = dpmsolver_case
    model = mixture(case["mixture"])
    taken, x = run_case(golden, case, model)
    arrays, keys = golden(case["file"]), case["keys"]
    states = [step.x * alpha(step.sigma) for step in taken]
    found = {
        "x": x * alpha(taken[-1].sigma),
        "inter": torch.stack(states),
        "eval_sigmas": model.calls,
    }
    for key, value in found.items():
        expected = arrays[keys[key]]
        if key == "inter" and case["params"]["method"] == "multistep":
            expected = expected[1:]
        tolerance = 1e-9 * max(1.0, np.abs(expected).max())
        agrees(f"dpm-solver {case['params']['method']}", value, expected, tolerance)
    assert len(model.calls) == case["nfe"]

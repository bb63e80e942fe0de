"""diffusers' schedulers where the algorithm is one of ours: its own tests' numbers, and whole runs.

Its loops are expressed as a denoiser D(x; sigma) here, so that ours run on them as on any model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.models.bound import Bound
from samplebench.samplers.adams_bashforth import in_sigma
from samplebench.samplers.multistep import Method, Weights, multistep
from tests.conftest import GOLDENS, read

RELATIVE = 1e-5
CASES = json.loads((GOLDENS / "external" / "diffusers_expected.json").read_text())["cases"]
RUNS = [case for case in read("index.json")["cases"] if case["file"] == "diffusers.npz"]
# So near that a step there changes nothing: where diffusers' last two levels are equal.
NEXT_TO = 1 - 1e-9

# What is another algorithm, by class or by (class, test): why. Cases that draw noise in their tests
# take it from torch's generator in the scheduler's own order and are not here.
DIFFERENT = {
    "DDIMInverseScheduler": "goes up; our ddim-reverse does so on a process's own kept steps",
    "DPMSolverMultistepInverseScheduler": "goes up; our grids go down",
    "IPNDMScheduler": "two loops on one object, the second with the history of the first, betas "
    "of its own",
    "PNDMScheduler": "Runge-Kutta steps of PNDM (prk) before its multistep ones (plms)",
    ("DDIMParallelScheduler", "batch_step_no_noise"): "one step of images at different times",
    ("LMSDiscreteScheduler", "with_noise"): "weights of 4 points from its first step, where a loop "
    "begins in the middle",
}


class Dummy:
    """D(x; sigma) of the tests' m(x, t) = x t / (t + 1), called at these times in turn."""

    num_classes, sigma_min, sigma_max = 0, 0.0, math.inf
    device, state_dtype = torch.device("cpu"), torch.float64

    def __init__(self, times: list[float], form: Callable[..., torch.Tensor]) -> None:
        self.factors = iter([t / (t + 1) for t in times])
        self.form = form

    def round_sigma(self, sigma):
        return sigma

    def __call__(self, x, sigma, labels=None):
        return self.form(x, float(sigma.max()), next(self.factors))


# D from x and the factor of m, in each of the loops. alpha = 1 / sqrt(1 + sigma^2).
def in_vp(x, sigma, factor):
    return x * (1 - sigma * factor / math.sqrt(1 + sigma**2))


def in_vp_from_v(x, sigma, factor):
    return x / (1 + sigma**2) - sigma * factor * x / (1 + sigma**2)


def in_edm(x, sigma, factor, data=0.5, scale=None):
    total = math.sqrt(sigma**2 + data**2)
    scale = 1 / total if scale is None else scale
    return data**2 / total**2 * x + sigma * data / total * factor * scale * x


def clipped(form, most):
    """diffusers' dynamic thresholding where its sample_max_value is below 1: a fixed clip."""
    return lambda x, sigma, factor: form(x, sigma, factor).clamp(-most, most) / most


def dummy(case):
    """Start and noise of the tests, [4, 3, 8, 8], or [4, 3, 8, 1] for those in one dimension."""
    channels, *rest = case["final_shape"][1:]
    count = channels * math.prod(rest)
    x = torch.arange(4 * count, dtype=torch.float64).reshape(count, 4).T
    shape = (4, channels, *rest, *[1] * (2 - len(rest)))
    return (x / (4 * count)).reshape(shape), ((4 * count - 1 - x) / (4 * count)).reshape(shape)


def rest_of(case):
    """Times and levels of the calls that are made, and the first time's place."""
    skipped = case.get("start", {}).get("t_start", 0) * case["order"]
    skipped += 3 * ("three timesteps are left out" in case.get("note", ""))
    return case["timesteps"][skipped:], case["sigmas"][skipped:]


def levels_of(sigmas):
    """Where the last two are equal but for rounding, the last a hair lower."""
    again = sigmas[-1] / sigmas[-2] > 1 - 1e-6
    return [*sigmas[:-1], sigmas[-2] * NEXT_TO] if again else list(sigmas)


def sampled(name, model, start, levels, **params):
    """Our sampler from the unscaled state at the first level to that at the last."""
    end = {} if levels[-1] == 0 else {"final": "sigma_min"}
    latents = start / levels[0]
    return sb.sample(model, name, latents=latents, discretization=levels, **end, **params)


def started(case, sigma):
    """The state that the loop begins with."""
    x, noise = dummy(case)
    x = x * (case["init_noise_sigma"] if case["loop"] != "plain" else 1)
    if "start" not in case:
        return x
    if case["scheduler_class"] in IN_VP:
        return (x + sigma * noise) / math.sqrt(1 + sigma**2)
    return x + sigma * noise


SCALED = {
    "EulerDiscreteScheduler": "euler",
    "HeunDiscreteScheduler": "heun",
    "KDPM2DiscreteScheduler": "dpm-2",
}


def scaled(case):
    """Each call replaces the state by c x, c = 1 / sqrt(sigma^2 + 1): with a linear m the steps
    are ours but for one factor. A second stage is scaled once more."""
    times, sigmas = rest_of(case)
    levels = [*(level for level in dict.fromkeys(sigmas) if level > 0), 0.0]
    name = SCALED[case["scheduler_class"]]
    second = iter([name != "euler" and i % 2 == 1 for i in range(len(times))])

    def form(x, sigma, factor):
        shrunk = 1 / math.sqrt(sigma**2 + 1) if next(second) else 1.0
        return x - sigma * factor * shrunk * x

    x = sampled(name, Dummy(times, form), started(case, levels[0]), levels)
    return x * math.prod(1 / math.sqrt(level**2 + 1) for level in levels[:-1])


def scaled_lms(case):
    """The same with memory: our weights, with a state that shrinks before every step."""
    times, levels = rest_of(case)

    def shrunk(levels, i):
        return 1 / math.sqrt(levels[i] ** 2 + 1)

    def rule(levels, i, points):
        weights = in_sigma(levels, i, points)
        return Weights(shrunk(levels, i), weights.past)

    def form(x, sigma, factor):
        return x - sigma * factor * x / math.sqrt(sigma**2 + 1)

    x = started(case, levels[0])
    grid = torch.tensor(levels, dtype=torch.float64)
    return multistep(Bound(Dummy(times, form), None, len(x)), x, grid, Method(rule, 4))


def edm_euler(case):
    levels = rest_of(case)[1]
    x = started(case, levels[0])
    return sampled("euler", Dummy(case["timesteps"], in_edm), x, levels)


def edm_multistep(case):
    """The loop does not scale what m is given, whatever the level."""
    times, sigmas = rest_of(case)
    levels = levels_of(sigmas)

    def form(x, sigma, factor):
        return in_edm(x, sigma, factor, scale=1.0)

    model = Dummy(times, form)
    return sampled("dpmpp-2m", model, started(case, levels[0]), levels, lower_order_final=False)


def form_of(config):
    form = in_vp_from_v if config["prediction_type"] == "v_prediction" else in_vp
    return clipped(form, config["sample_max_value"]) if config["thresholding"] else form


def multistep_in_vp(case):
    """x0, v or eps in the variable alpha (x0 + sigma n)."""
    config, (times, sigmas) = case["config"], rest_of(case)
    levels = levels_of(sigmas)
    name, params = {
        "DPMSolverMultistepScheduler": ("dpmpp-2m", {"lower_order_final": False}),
        "UniPCMultistepScheduler": ("unipc", {"order": 2, "variant": "bh2"}),
        # A line in log sigma through two eps: DPM-Solver's with the Taylor weight.
        "DEISMultistepScheduler": (
            "dpmpp-2m", {"predicts": "eps", "solver_type": "heun", "lower_order_final": True},
        ),
    }[case["scheduler_class"]]  # fmt: skip
    x = started(case, levels[0]) * math.sqrt(1 + levels[0] ** 2)
    x = sampled(name, Dummy(times, form_of(config)), x, levels, **params)
    return x / math.sqrt(1 + levels[-1] ** 2)


def singlestep_in_vp(case):
    """Two levels a step; one that is left over at the start is a step of its own."""
    from samplebench.samplers.singlestep import singlestep

    times, levels = rest_of(case)
    orders = [1] * (len(times) % 2) + [2] * (len(times) // 2)
    x = started(case, levels[0]) * math.sqrt(1 + levels[0] ** 2)
    bound = Bound(Dummy(times, form_of(case["config"])), None, len(x))
    x = singlestep(bound, x, levels, orders, "x0", None)
    return x / math.sqrt(1 + levels[-1] ** 2)


def ddim(case):
    config = case["config"]
    betas = np.linspace(config["beta_start"], config["beta_end"], config["num_train_timesteps"])
    sigmas = np.sqrt(1 / np.cumprod(1 - betas) - 1)
    times = case["timesteps"][case.get("start", {}).get("t_start", 0) :]
    end = [0.0] if config["set_alpha_to_one"] else [sigmas[0] * NEXT_TO]
    levels = [*sigmas[times], *end]
    x = started(case, levels[0]) * math.sqrt(1 + levels[0] ** 2)
    # The clip of x0 to [-1, 1] never binds here; it would not re-derive eps, as ours does.
    x = sampled("ddim", Dummy(times, form_of({**config, "thresholding": False})), x, levels)
    return x / math.sqrt(1 + levels[-1] ** 2)


IN_VP = {
    "DDIMScheduler": ddim,
    "DDIMParallelScheduler": ddim,
    "DPMSolverMultistepScheduler": multistep_in_vp,
    "DPMSolverSinglestepScheduler": singlestep_in_vp,
    "UniPCMultistepScheduler": multistep_in_vp,
    "DEISMultistepScheduler": multistep_in_vp,
}
OURS = {
    **IN_VP,
    **dict.fromkeys(SCALED, scaled),
    "LMSDiscreteScheduler": scaled_lms,
    "EDMEulerScheduler": edm_euler,
    "EDMDPMSolverMultistepScheduler": edm_multistep,
}


def reason_for(case) -> str | tuple[str, str] | None:
    """The key of DIFFERENT that names a case, by its test before its class."""
    name, test = case["scheduler_class"], case["id"].split("/")[-1].removeprefix("full_loop_")
    return next((key for key in ((name, test), name) if key in DIFFERENT), None)


TOLD = [case for case in CASES if not (case["stochastic"] or case["weak"])]
OWN = [case for case in TOLD if reason_for(case) is None]


@pytest.mark.parametrize("case", OWN, ids=[case["id"] for case in OWN])
def test_the_numbers_of_its_own_tests(case, agrees):
    x = OURS[case["scheduler_class"]](case)
    found = x.abs().sum().item()
    total = case["final_abs_sum_float64"]
    agrees("diffusers' tests", found, total, RELATIVE * total)
    head = np.array(case["final_contiguous_head"])
    agrees("diffusers' tests", x.flatten()[: len(head)], head, RELATIVE * total / x.numel() * 10)


def test_every_deterministic_case_is_ours_or_has_a_reason():
    assert {reason_for(case) for case in TOLD} == {None, *DIFFERENT}
    # A class is ours, where a reason names one test of it, or not ours at all.
    assert {case["scheduler_class"] for case in OWN} == OURS.keys()
    assert not OURS.keys() & DIFFERENT.keys()
    assert {case["scheduler_class"] for case in CASES if not case["stochastic"]} == {
        *OURS,
        *(name for name in DIFFERENT if isinstance(name, str)),
    }


# whole runs on a closed-form denoiser


def run_of(case) -> tuple[str, dict]:
    """Our sampler and its parameters for a run of diffusers.npz."""
    config, eta = case["params"]["config"], case["params"].get("eta")
    if case["sampler"] == "EDMEulerScheduler":
        return "euler", {}
    if case["sampler"] == "DDIMScheduler":
        return "ddim", {"eta": eta}
    order, solver = config["solver_order"], config["solver_type"]
    if case["sampler"] == "UniPCMultistepScheduler":
        return "unipc", {"order": order, "variant": solver}
    if config["algorithm_type"].startswith("sde"):
        return "dpmpp-2m-sde", {"eta": 1.0, "solver_type": solver}
    # Fewer than 15 steps: the last of order 1, the one before of order 2 at most.
    lower = config["lower_order_final"] and case["params"]["num_inference_steps"] < 15
    if order == 2:
        return "dpmpp-2m", {"solver_type": solver, "lower_order_final": lower}
    return "dpmpp-3m", {"order": order, "lower_order_final": lower}


# DDIM's next level is t - T // n; only where n divides T it is the next time of the list.
SAME = [case for case in RUNS if ".linspace." not in case["id"]]


@pytest.mark.parametrize("case", SAME, ids=[case["id"] for case in SAME])
def test_whole_runs(golden, mixture, agrees, case):
    arrays, keys = golden(case["file"]), case["keys"]
    evaluated = arrays[keys["eval_sigmas"]]
    vp = not case["sampler"].startswith("EDM")
    if "sigmas" in keys:
        levels = levels_of(arrays[keys["sigmas"]].tolist())
    else:
        one = case["params"]["config"]["set_alpha_to_one"]
        levels = [*evaluated.tolist(), 0.0 if one else first_level(case)]
    name, params = run_of(case)
    model, taken = mixture(case["mixture"]), []
    latents = torch.tensor(golden("inputs.npz")[case["latents"]])
    rows = iter(torch.tensor(golden("inputs.npz")[case["noise"]])) if case["noise"] else iter(())
    end = {} if levels[-1] == 0 else {"final": "sigma_min"}
    x = sb.sample(
        model,
        name,
        # Unit variance at the first level, in either variable.
        latents=latents * math.sqrt(1 + levels[0] ** -2),
        discretization=levels,
        noise=lambda x: next(rows),
        callback=taken.append,
        **end,
        **params,
    )
    scale = [1 / math.sqrt(1 + step.sigma**2) if vp else 1.0 for step in taken]
    states = torch.stack([step.x * one for step, one in zip(taken, scale, strict=True)])
    expected = arrays[keys["traj"]][1:]
    # diffusers corrects a state at the start of the next step: between them stand predictions.
    if name != "unipc":
        agrees("diffusers", states, expected, RELATIVE * max(1.0, np.abs(expected).max()))
    agrees("diffusers", x * scale[-1], arrays[keys["x"]], RELATIVE)
    agrees("diffusers", model.calls, evaluated, 1e-6 * max(1.0, evaluated.max()))


def first_level(case):
    """The least noise of the process, where a run ends that does not end in 0."""
    config = case["params"]["config"]
    beta = np.float32(config["beta_start"])
    return math.sqrt(1 / (1 - float(beta)) - 1)

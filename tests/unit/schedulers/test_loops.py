"""The numbers of diffusers' own tests, through the loop that its schedulers run in here."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samplebench.extras import hushed
from samplebench.schedulers.classes import named_arguments
from samplebench.schedulers.loop import run_loop
from tests.unit.goldens.test_diffusers import CASES, dummy

diffusers = pytest.importorskip("diffusers")

# Of float32: what their own tests allow is far more.
RELATIVE = 2e-5


class Unscaled:
    """A scheduler whose input is not scaled, as in the plain loops."""

    def __init__(self, scheduler):
        self.inner = scheduler

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def scale_model_input(self, x, t):
        return x


class Scaled:
    """A scheduler whose scaled input replaces the state, as in the loops of its tests."""

    def __init__(self, scheduler):
        self.inner = scheduler

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def scale_model_input(self, x, t):
        self.scaled = self.inner.scale_model_input(x, t)
        return self.scaled

    def step(self, output, t, x, **told):
        return self.inner.step(output, t, self.scaled, **told)


class Pndm:
    """PNDM by its two methods of a step, one after the other."""

    def __init__(self, scheduler):
        self.inner, self.order = scheduler, len(scheduler.prk_timesteps)
        self.timesteps = torch.tensor([*scheduler.prk_timesteps, *scheduler.plms_timesteps])
        self.calls = 0

    def step(self, output, t, x, **told):
        self.calls += 1
        method = self.inner.step_prk if self.calls <= self.order else self.inner.step_plms
        return method(output, t, x, **told)


class Corrected:
    """Score-SDE's: each level once to correct the state, and once to predict the next."""

    def __init__(self, scheduler):
        self.inner = scheduler
        self.timesteps = scheduler.timesteps.repeat_interleave(2)
        self.level = scheduler.sigmas[: len(scheduler.timesteps)].repeat_interleave(2)
        self.calls = 0

    def step(self, output, t, x, generator, return_dict):
        self.calls += 1
        if self.calls % 2:
            return self.inner.step_correct(output, x, generator=generator, return_dict=False)
        return self.inner.step_pred(output, t, x, generator=generator, return_dict=False)


WRAPPED = {"plain": Unscaled, "scaled": Scaled, "prk_then_plms": Pndm, "score_sde_pc": Corrected}


def made(case):
    """The scheduler of a case with its steps set."""
    scheduler = getattr(diffusers, case["scheduler_class"])
    known = {p.name for p in named_arguments(scheduler.__init__)}
    config = {name: v for name, v in case["config"].items() if name in known}
    found = scheduler(**{name: [] if v == "[]" else v for name, v in config.items()})
    listed = case["timesteps"]
    count = listed["length"] if isinstance(listed, dict) else len(listed)
    steps = (count + case["order"] - 1) // case["order"]
    if case["loop"] == "prk_then_plms":
        steps = 10
    if case["loop"] == "score_sde_pc":
        found.set_sigmas(steps)
    if case["id"].endswith("multistep") and "consistency" in case["id"]:
        found.set_timesteps(timesteps=[106, 0])
    else:
        found.set_timesteps(steps)
    return found


def started(case, scheduler):
    """The first state [4, 3, 8, 8], and the first time's place."""
    x, noise = (part.to(torch.float32) for part in dummy(case))
    if len(case["final_shape"]) == 3:
        x, noise = x[..., 0], noise[..., 0]
    if case["loop"] in ("scaled", "edm"):
        x = x * scheduler.init_noise_sigma
    if "start" not in case:
        return x, 3 * ("three timesteps are left out" in case.get("note", ""))
    begin = case["start"]["t_start"] * case["order"]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    return scheduler.add_noise(x, noise, scheduler.timesteps[begin : begin + 1]), begin


def batch_step(case, scheduler):
    """One step of samples at different times."""
    x = dummy({"final_shape": [4, 3, 8, 8]})[0].to(torch.float32)
    x = torch.stack([x, x + 0.1, x - 0.1])
    times = torch.arange(3)[:, None].repeat(1, 4)
    factors = (times / (times + 1)).flatten()[:, None, None, None]
    flat = x.flatten(0, 1)
    told = {"eta": 0.0} if case["scheduler_class"].startswith("DDIM") else {}
    return scheduler.batch_step_no_noise(flat * factors, times.flatten(), flat, **told)


def run(case):
    with hushed():
        scheduler = made(case)
        if case["loop"] == "batch_step_no_noise":
            return batch_step(case, scheduler)
        x, begin = started(case, scheduler)
        wrapped = WRAPPED.get(case["loop"], lambda inner: inner)
        takes = [p.name for p in named_arguments(getattr(scheduler, "step", Corrected.step))]
        told = {"generator": torch.manual_seed(0)} if "generator" in takes else {}
        if case["id"].startswith("tcd/") and case["id"].endswith("_deter"):
            told["eta"] = 0.0

        def model(scaled, state, t, call):
            t = loop.level[call] if case["loop"] == "score_sde_pc" else t
            return scaled * t / (t + 1)

        for _ in range(2 if case["loop"] == "plain_twice" else 1):
            if case["loop"] == "plain_twice":
                scheduler._step_index = None
            loop = wrapped(scheduler)
            x = run_loop(loop, model, x, begin=begin, told=told)
        return x


def expected(case):
    """The sum of sizes and how far a correct run may be from it."""
    if "final_abs_sum_float64" in case:
        total = case["final_abs_sum_float64"]
        return total, RELATIVE * total
    said = case["expected"]["result_sum"]
    return said["value"], said["tolerance"]


# Their tables alone take a third of a second.
LONG = ("KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler")
PARAMS = [
    pytest.param(case, id=case["id"], marks=[pytest.mark.slow] * (case["scheduler_class"] in LONG))
    for case in CASES
]


@pytest.mark.parametrize("case", PARAMS)
def test_the_numbers_of_its_own_tests(case):
    """Those of the stochastic and the weak cases, too, where the goldens have them."""
    if case["scheduler_class"] == "DPMSolverSDEScheduler":
        pytest.importorskip("torchsde")
    x = run(case).double()
    total, near = expected(case)
    assert abs(x.abs().sum().item() - total) <= near
    if "final_contiguous_head" in case:
        head = np.array(case["final_contiguous_head"])
        found = x.flatten()[: len(head)].numpy()
        np.testing.assert_allclose(found, head, atol=10 * RELATIVE * total / x.numel(), rtol=0)

"""What each step adds, on a Gaussian whose solution is known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from samplebench.errors import UsageError
from samplebench.registry import samplers
from samplebench.tune.flow import flow_of
from samplebench.tune.problem import distances
from samplebench.tune.steps import step_errors, steps_alone
from tests.unit.trajectory.gauss import STD
from tests.unit.tune.problems import problem

ONE_STEP = ("euler", "heun", "dpm-2")
MULTISTEP = ("ipndm", "dpmpp-2m", "dpmpp-3m", "lms", "deis", "unipc")


@pytest.mark.parametrize("sampler", ONE_STEP)
def test_steps_of_one_step_methods_stand_alone(sampler):
    own = problem(sampler=sampler, nfe=9)
    assert steps_alone(own, own.baseline) is not None


@pytest.mark.parametrize("sampler", MULTISTEP)
def test_those_of_multistep_methods_do_not(sampler):
    own = problem(sampler=sampler, nfe=6)
    assert steps_alone(own, own.baseline) is None


def test_whatever_stands_alone_is_the_run():
    """Of every sampler, on a model that it was not tried on."""
    alone = []
    for name in samplers.names():
        try:
            own = problem(sampler=name, nfe=10)
        except UsageError:
            # It draws noise, or does not step in noise levels.
            continue
        if (parts := steps_alone(own, own.baseline)) is None:
            continue
        state = own.latents * own.baseline.levels[0]
        for part, level in zip(parts, own.baseline.levels, strict=False):
            state = own.end(part, "", state / level)
        whole = own.end(own.setting(own.baseline), "")
        assert distances(state, whole).max() < 1e-9 * float(whole.abs().max()), name
        alone.append(name)
    assert {*ONE_STEP} <= {*alone} and not {*MULTISTEP} & {*alone}


def test_eulers_are_those_of_its_formula():
    own = problem(nfe=6)
    flow = flow_of(own, own.baseline.positive)
    found = step_errors(own, own.baseline, flow, steps_alone(own, own.baseline))
    assert [step.sigma for step in found] == list(own.baseline.positive)
    high = own.baseline.levels[0]
    sizes = own.latents.square().flatten(1).mean(1).sqrt().numpy() * high
    scale = math.sqrt(STD**2 + high**2)
    for step, (level, below) in zip(found, pairwise(own.baseline.levels), strict=True):
        here, there = (math.sqrt(STD**2 + s**2) / scale for s in (level, below))
        made = here * (1 + (below - level) / level * (1 - STD**2 / (STD**2 + level**2)))
        assert step.error == pytest.approx(float(np.mean(sizes * abs(made - there))), abs=1e-4)


@pytest.mark.parametrize("sampler", MULTISTEP[:2])
def test_within_the_run_they_add_up_to_the_error(sampler):
    own = problem(sampler=sampler, nfe=6)
    flow = flow_of(own, own.baseline.positive)
    found = step_errors(own, own.baseline, flow, None)
    own.truth = flow.end
    assert len(found) == len(own.baseline.levels) - 1
    assert sum(step.error for step in found) == pytest.approx(own.error(own.baseline), rel=1e-9)


def test_a_late_start_is_in_the_first_step_alone():
    """A grid that begins below the full range begins off the solution."""
    own = problem(sampler="ipndm", nfe=5)
    late = own.at_rho(7, sigma_max=2.0)
    flow = flow_of(own, sorted({*own.baseline.positive, *late.positive}, reverse=True))
    own.truth = flow.end
    start = own.latents.double() * late.levels[0]
    off = distances(start, flow.states[late.levels[0]]).mean()
    assert off > 0.01
    total = sum(step.error for step in step_errors(own, late, flow, None))
    assert total == pytest.approx(own.error(late) - off, rel=1e-9)

"""A sampler made ready: parameters, budgets against brute force, probes, sources."""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np
import pytest
import torch

from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.sampling.solver import Solver

NAMES = ("euler", "heun", "edm", "ddim")


def three_per_step(model, x, grid, *, noise=None, callback=None, gain=1.0, mode="a"):
    """Three evaluations per step, one in the last; draws noise."""
    for sigma, sigma_next in pairwise(grid):
        for _ in range(3 if sigma_next > 0 else 1):
            denoised = model(x, sigma)
        x = denoised + sigma_next * noise(x)
    return x


def k_sampler(model, x, sigmas, extra_args=None, callback=None, disable=None, s_churn=0.0):
    """In k-diffusion's signature: two evaluations per step."""
    ones = x.new_ones([len(x)])
    for sigma, sigma_next in pairwise(sigmas):
        denoised = model(x, sigma * ones)
        denoised = model(x, sigma * ones, **(extra_args or {}))
        x = denoised + sigma_next / sigma * (x - denoised)
    return x


@pytest.mark.parametrize("name", NAMES)
def test_steps_for_against_brute_force(name):
    solver = Solver.of(name)
    for nfe in range(1, 201):
        within = [steps for steps in range(2, 202) if solver.evaluations(steps) <= nfe]
        if within:
            assert solver.steps_for(nfe) == max(within)
        else:
            with pytest.raises(UsageError, match=f"nfe={nfe} is too small for sampler {name}"):
                solver.steps_for(nfe)


def test_steps_for_an_undeclared_sampler():
    solver = Solver.of(three_per_step)
    for nfe in (4, 5, 6, 7, 20, 50):
        assert solver.steps_for(nfe) == (nfe - 1) // 3 + 1


@pytest.mark.parametrize("nfe", [65_536, 70_000, 99_999, 100_000])
def test_large_budgets(nfe):
    """Up to the most a request may ask for."""
    assert Solver.of("euler").steps_for(nfe) == nfe
    assert Solver.of("heun").steps_for(nfe) == (nfe + 1) // 2


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("name", NAMES)
def test_declared_evaluations_are_what_is_counted(name, steps, mixture):
    solver, model = Solver.of(name), mixture("tiny3")
    grid = torch.tensor([*np.geomspace(80, 0.01, steps), 0.0])
    bound = Bound(model, None, 2)
    x = torch.zeros(2, 1, 2, 2, dtype=torch.float64)
    solver.function(bound, x, grid)
    assert bound.nfe == len(model.calls) == solver.evaluations(steps)


@pytest.mark.parametrize("steps", [1, 2, 5, 30])
def test_undeclared_evaluations_are_probed(steps):
    before = torch.random.get_rng_state()
    assert Solver.of(three_per_step).evaluations(steps) == 3 * steps - 2
    assert Solver.of(k_sampler).evaluations(steps) == 2 * steps
    assert torch.equal(torch.random.get_rng_state(), before)


class TestParameters:
    def test_defaults_leave_out_what_the_engine_fills_in(self):
        assert Solver.of("euler").defaults == {
            "schedule": "linear",
            "scaling": "none",
            "epsilon_s": 1e-3,
            "S_churn": 0.0,
            "S_min": 0.0,
            "S_max": float("inf"),
            "S_noise": 1.0,
        }
        assert Solver.of(three_per_step).defaults == {"gain": 1.0, "mode": "a"}
        assert Solver.of(k_sampler).defaults == {"s_churn": 0.0}

    def test_effective_merges_and_unifies_numbers(self):
        found = Solver.of("ddim").effective({"eta": 1})
        assert found == {"eta": 1.0} and isinstance(found["eta"], float)
        assert Solver.of(three_per_step).effective({}) == {"gain": 1.0, "mode": "a"}

    @pytest.mark.parametrize(
        ("name", "params", "message"),
        [
            ("edm", {"s_churn": 1}, "unknown parameter 's_churn' of sampler edm; did you mean"),
            ("edm", {"S_churn": "1"}, "edm.S_churn='1' must be a number, e.g. 0.0"),
            ("edm", {"S_churn": True}, "edm.S_churn=True must be a number"),
            ("edm", {"S_churn": None}, "edm.S_churn=None must be a number"),
            ("heun", {"schedule": 1}, "heun.schedule=1 must be a word, e.g. linear"),
        ],
    )
    def test_bad_ones(self, name, params, message):
        with pytest.raises(UsageError, match=message):
            Solver.of(name).effective(params)

    @pytest.mark.parametrize(
        ("name", "params", "expected"),
        [
            ("edm", {}, False),
            ("edm", {"S_churn": 1}, True),
            ("edm", {"S_churn": -1}, False),
            ("euler", {"S_noise": 2}, False),
            ("heun", {"S_churn": 0.5}, True),
            ("ddim", {}, False),
            ("ddim", {"eta": 0.1}, True),
        ],
    )
    def test_stochastic(self, name, params, expected):
        assert Solver.of(name).stochastic(params) is expected

    @pytest.mark.parametrize(
        ("name", "params", "quiet", "noisy"),
        [
            ("euler-ancestral", {}, {"eta": 0}, {}),
            ("euler-ancestral", {"eta": 0.0}, {}, {"eta": 1}),
            ("edm", {"S_noise": 1.1}, {}, {"S_churn": 1}),
            ("edm", {"S_churn": 5}, {"S_churn": 0}, {}),
            ("dpmpp-2m", {}, {}, None),
            ("pc", {}, None, {}),
        ],
    )
    def test_what_turns_noise_off_and_on(self, name, params, quiet, noisy):
        solver = Solver.of(name)
        assert (solver.quiet(params), solver.noisy(params)) == (quiet, noisy)

    @pytest.mark.parametrize(
        ("name", "params", "algorithm", "kept"),
        [
            ("edm", {"S_min": 1.0}, "heun", {}),
            ("edm", {"S_churn": 3, "S_min": 1}, "edm", {"S_churn": 3.0, "S_min": 1.0}),
            ("ddim", {"eta": 0}, "euler", {}),
            ("ddim", {"eta": 0.5}, "ddim", {"eta": 0.5}),
            ("heun", {"alpha": 0.5, "epsilon_s": 0.1, "S_max": 3}, "heun", {"alpha": 0.5}),
            ("gddim", {"degree": 2}, "gddim", {}),
            ("gddim", {"degree": 0}, "gddim", {"degree": 0}),
            ("gddim", {"lam": 1, "degree": 0}, "gddim", {"lam": 1.0}),
            ("gddim", {"lam": 1, "degree": 2}, "gddim", {"lam": 1.0, "degree": 2}),
            (
                "euler",
                {"schedule": "vp", "epsilon_s": 0.1},
                "euler",
                {"schedule": "vp", "epsilon_s": 0.1},
            ),
        ],
    )
    def test_canonical(self, name, params, algorithm, kept):
        found, effective = Solver.of(name).canonical(params)
        assert found == algorithm
        assert effective == Solver.of(algorithm).effective(kept)

    def test_an_unknown_sampler_is_its_own_algorithm(self):
        solver = Solver.of(three_per_step)
        assert solver.canonical({"gain": 2}) == (solver.name, {"gain": 2.0, "mode": "a"})


class NamelessSampler:
    """Callable, but without a name of its own."""

    def __call__(self, model, x, grid, *, noise=None, callback=None, gain=3.0):
        return model(x, grid[0])


@pytest.mark.parametrize(
    "sampler",
    [functools.partial(three_per_step, gain=3.0), NamelessSampler()],
    ids=["partial", "object"],
)
def test_a_nameless_callable_works_or_is_refused_in_words(sampler):
    try:
        solver = Solver.of(sampler)
    except UsageError:
        return
    assert solver.defaults["gain"] == 3.0

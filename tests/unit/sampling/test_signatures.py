"""The forms in which others write samplers: those that run, and what is said of the rest."""

from __future__ import annotations

import functools
from itertools import pairwise

import pytest
import torch

import samplebench as sb
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.sampling.solver import Solver


def walk(model, x, levels):
    levels = levels.tolist()
    for sigma, below in pairwise(levels):
        x = x + (below - sigma) * (x - model(x, sigma)) / sigma
    return x


class Walker:
    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, model, x, grid):
        return walk(model, x, grid)

    def method(self, model, x, grid, callback=None):
        return walk(model, x, grid)

    @classmethod
    def of_class(cls, model, x, grid):
        return walk(model, x, grid)

    @staticmethod
    def alone(model, x, grid):
        return walk(model, x, grid)


class Network(torch.nn.Module):
    def forward(self, model, x, grid, *, noise):
        return walk(model, x, grid)


@functools.wraps(walk)
def wrapped(*args, **kwargs):
    return walk(*args, **kwargs)


def only_noise(model, x, grid, noise):
    return walk(model, x, grid)


def only_callback(model, x, grid, *, callback):
    return walk(model, x, grid)


def defaults(model, x, grid, eta=0.5, order=2):
    return walk(model, x, grid)


def anything(model, x, grid, **kwargs):
    assert {*kwargs} <= {"noise", "callback"}
    return walk(model, x, grid)


def k_diffusion(model, x, sigmas, extra_args=None, callback=None, disable=None, s_noise=1.0):
    assert extra_args == {} and disable is True
    return walk(model, x, sigmas)


def named_otherwise(denoiser, state, timesteps, /):
    return walk(denoiser, state, timesteps)


def ours_on_sigmas(model, x, sigmas, *, noise=None, callback=None):
    assert sigmas.dtype == torch.float64
    return walk(model, x, sigmas)


FORMS = {
    "three": walk, "object": Walker(), "method": Walker().method, "class method": Walker.of_class,
    "static method": Walker.alone, "module": Network(), "wrapped": wrapped,
    "partial": functools.partial(walk), "noise": only_noise, "callback": only_callback,
    "defaults": defaults, "keywords": anything, "k-diffusion": k_diffusion,
    "other names": named_otherwise, "ours on sigmas": ours_on_sigmas,
    "lambda": lambda model, x, sigmas: walk(model, x, sigmas),
    "bound": functools.partial(lambda model, x, grid, walker: walker(model, x, grid), walker=walk),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_it_runs_and_can_be_planned(form, mixture):
    model = mixture("smooth5")
    words = {"steps": 5, "latents": torch.ones(2, 3, 4, 4, dtype=torch.float64)}
    ours = sb.sample(model, "euler", **words)
    found = sb.sample(model, FORMS[form], callback=lambda step: None, **words)
    assert found.numpy() == pytest.approx(ours.numpy(), abs=1e-12)
    (row,) = make(Request.of(sampler=FORMS[form], nfe=3, num_samples=4)).rows
    assert row.columns["nfe"] == 3 and "sampler_code" in row.cells[0].conditions


def test_what_a_notebook_holds_runs_in_a_sweep(tmp_path):
    """A partial, a lambda in a variable and a callable object, as euler does."""
    held = [functools.partial(defaults, eta=1.0), FORMS["lambda"], Walker()]
    words = {"nfe": 3, "num_samples": 4, "quiet": True, "out": tmp_path}
    frame = sb.run(sampler=[*held, "euler"], **words)
    assert list(frame["nfe"]) == [3] * 4
    assert frame["fd-digits"].to_numpy() == pytest.approx(frame["fd-digits"].iloc[-1], rel=1e-9)


def test_parameters_of_every_kind_are_kept():
    assert Solver.of(defaults).defaults == {"eta": 0.5, "order": 2}
    assert Solver.of(k_diffusion).defaults == {"s_noise": 1.0}
    assert Solver.of(functools.partial(defaults, eta=0.1)).defaults == {"eta": 0.1, "order": 2}


async def later(model, x, grid): ...
def piecemeal(model, x, grid):
    yield x


async def both(model, x, grid):
    yield x


class Later:
    async def __call__(self, model, x, grid): ...


def needs(model, x, grid, sigma_fn, k=1): ...
def needs_keyword(model, x, sigmas, *, schedule): ...
def two(x, sigmas): ...
def likelihood(model, x, sigma_min, sigma_max, extra_args=None, atol=1e-4, rtol=1e-4): ...
def fast(model, x, sigma_min, sigma_max, n, extra_args=None, callback=None, eta=0.0): ...
def adaptive(model, x, sigma_min, sigma_max, extra_args=None, callback=None, rtol=0.05): ...
def timesteps(model, x, timesteps, extra_args=None): ...
def swallowed(model, x, callback): ...


REFUSED = {
    later: "is async; write a plain function", both: "is async", Later(): "is async",
    functools.partial(piecemeal): "is a generator", Walker: "is a class; pass an instance",
    Network: "is a class; pass an instance",
    needs: r"needs sigma_fn, which has no default.*write f\(model, x, grid, \*, noise=None, "
           r"callback=None, sigma_fn=..., k=1\)",
    needs_keyword: "needs schedule, which has no default", two: "takes 2 inputs, not the three",
    likelihood: "computes a likelihood and draws no images",
    fast: r"calls it with sigmas\[-2\], sigmas\[0\] and len\(sigmas\) - 1 steps",
    adaptive: "timeline='adaptive'", timesteps: "has timesteps where k-diffusion's",
    swallowed: "has callback where model, x and grid are given",
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED, ids=lambda f: getattr(f, "__name__", type(f).__name__))
def test_it_is_refused_by_what_is_wrong(form, mixture):
    with pytest.raises(UsageError, match=REFUSED[form]) as caught:
        Solver.of(form)
    assert "\n" not in str(caught.value)


def test_what_is_said_of_fast_is_true(mixture):
    """The function that the message asks for runs, at the steps and between the levels it says."""
    seen = []

    def levels_of(model, x, sigma_min, sigma_max, n):
        seen.append((sigma_min, sigma_max, n))
        return walk(model, x, torch.cat([torch.linspace(sigma_max, sigma_min, n), torch.zeros(1)]))

    def mine(model, x, sigmas):
        return levels_of(model, x, sigmas[-2], sigmas[0], len(sigmas) - 1)

    sb.sample(mixture("smooth5"), mine, steps=6, seeds=[0], sigma_min=0.1, sigma_max=9)
    ((low, high, steps),) = seen
    assert (float(low), float(high), steps) == (pytest.approx(0.1), pytest.approx(9), 6)


def heun(model, x, grid):
    """Asks at its prediction on the next level before it is there."""
    levels = grid.tolist()
    for sigma, below in pairwise(levels):
        slope = (x - model(x, sigma)) / sigma
        ahead = x + (below - sigma) * slope
        if below:
            slope = (slope + (ahead - model(ahead, below)) / below) / 2
        x = x + (below - sigma) * slope
    return x


@pytest.mark.parametrize(("mine", "ours"), [(walk, "euler"), (heun, "heun")])
def test_states_are_seen_through_the_model_where_none_is_reported(mine, ours, mixture):
    told: dict[str, list] = {"mine": [], "ours": []}
    for name, sampler in (("mine", mine), ("ours", ours)):
        sb.sample(mixture("smooth5"), sampler, steps=6, seeds=range(3), callback=told[name].append)
    assert [s.index for s in told["mine"]] == [s.index for s in told["ours"]] == list(range(6))
    for a, b in zip(told["mine"], told["ours"], strict=True):
        assert a.sigma == b.sigma and b.nfe <= a.nfe <= b.nfe + 2
        if a.sigma:
            assert a.denoised.numpy() == pytest.approx(b.denoised.numpy(), abs=1e-11)
        assert a.x.numpy() == pytest.approx(b.x.numpy(), abs=1e-11)


def test_levels_that_a_sampler_passes_by_are_not_told(mixture):
    def every_other(model, x, grid):
        return walk(model, x, torch.cat([grid[:-1:2], grid[-1:]]))

    told: list = []
    sb.sample(mixture("smooth5"), every_other, steps=6, seeds=[0], callback=told.append)
    assert all(step.sigma == 0 for step in told)


@pytest.mark.parametrize(
    ("function", "form"),
    [
        (
            lambda model, x, grid, q, r=2: x,
            "f(model, x, grid, *, noise=None, callback=None, q=..., r=2)",
        ),
        (
            lambda model, x, sigmas, eta, extra_args=None: x,
            "f(model, x, sigmas, eta=..., extra_args=None)",
        ),
    ],
)
def test_the_right_signature_keeps_what_has_no_default_and_its_form(function, form):
    with pytest.raises(UsageError) as told:
        Solver.of(function)
    assert str(told.value).endswith(f"write {form}")

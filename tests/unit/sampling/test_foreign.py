"""Samplers in k-diffusion's signature run unmodified."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

import samplebench as sb
from samplebench.noise.streams import stream
from samplebench.sampling.foreign import as_sampler
from samplebench.sampling.signatures import is_k_diffusion
from samplebench.sampling.solver import Solver


@torch.no_grad()
def sample_euler(
    model,
    x,
    sigmas,
    extra_args=None,
    callback=None,
    disable=None,
    s_churn=0.0,
    s_tmin=0.0,
    s_tmax=float("inf"),
    s_noise=1.0,
    noise_sampler=None,
):
    """Euler's method as a k-diffusion user would write it."""
    extra_args = {} if extra_args is None else extra_args
    ones = x.new_ones([x.shape[0]])
    steps = len(sigmas) - 1
    for i in range(steps):
        inside = s_tmin <= sigmas[i] <= s_tmax
        gamma = min(s_churn / steps, math.sqrt(2) - 1) if inside else 0.0
        sigma_hat = sigmas[i] * (gamma + 1)
        if s_churn > 0:
            eps = noise_sampler(sigmas[i], sigmas[i + 1]) * s_noise
            x = x + eps * (sigma_hat**2 - sigmas[i] ** 2).sqrt()
        denoised = model(x, sigma_hat * ones, **extra_args)
        d = (x - denoised) / sigma_hat
        if callback is not None:
            callback(
                {"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigma_hat, "denoised": denoised}
            )
        x = x + d * (sigmas[i + 1] - sigma_hat)
    return x


def sample_global(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """Draws from torch's global generator, as functions without noise_sampler do."""
    for sigma, sigma_next in pairwise(sigmas):
        denoised = model(x, sigma * x.new_ones([len(x)]))
        x = denoised + sigma_next * torch.randn_like(x)
    return x


@pytest.fixture
def run(mixture):
    """`run(sampler, **words)`: the result, the steps and the model."""

    def run(sampler, **words):
        model, taken = mixture("smooth5"), []
        words = {"steps": 9, "seeds": range(5), "callback": taken.append, **words}
        return sb.sample(model, sampler, **words), taken, model

    return run


def test_the_signature_is_recognised():
    assert is_k_diffusion(sample_euler) and is_k_diffusion(sample_global)
    assert not is_k_diffusion(Solver.of("euler").function)
    assert not is_k_diffusion(print)
    assert not is_k_diffusion(lambda sigmas: sigmas)


def test_its_own_parameters_are_kept():
    assert Solver.of(sample_euler).defaults == {
        "s_churn": 0.0,
        "s_tmin": 0.0,
        "s_tmax": float("inf"),
        "s_noise": 1.0,
    }
    adapted = as_sampler(sample_euler)
    assert (adapted.__name__, adapted.__doc__) == ("sample_euler", sample_euler.__doc__)
    assert adapted.__module__ == __name__


def test_it_gives_what_our_euler_gives(run):
    theirs, their_steps, their_model = run(sample_euler)
    ours, our_steps, our_model = run("euler")
    assert theirs.numpy() == pytest.approx(ours.numpy(), abs=1e-12)
    assert their_model.calls == pytest.approx(our_model.calls, rel=1e-15)
    assert len(their_steps) == len(our_steps) == 9
    for mine, other in zip(our_steps, their_steps, strict=True):
        assert other.index == mine.index
        assert other.sigma == pytest.approx(mine.sigma, rel=1e-15)
        assert other.nfe in (mine.nfe, mine.nfe + 1)
        assert other.x.numpy() == pytest.approx(mine.x.numpy(), abs=1e-11)
        assert other.denoised.numpy() == pytest.approx(mine.denoised.numpy(), abs=1e-11)


def test_steps_come_in_order_and_end_at_the_result(run):
    x, taken, _ = run(sample_euler)
    assert [step.index for step in taken] == list(range(9))
    sigmas = [step.sigma for step in taken]
    assert sigmas == sorted(sigmas, reverse=True) and sigmas[-1] == 0
    assert torch.equal(taken[-1].x, x)


def test_the_last_step_is_told_on_the_level_where_the_grid_ends(run):
    _, taken, _ = run(sample_euler, final="sigma_min", sigma_min=0.1)
    assert taken[-1].sigma == pytest.approx(0.1) and len(taken) == 9


def test_without_a_callback(run):
    with_callback, _, _ = run(sample_euler)
    without, _, _ = run(sample_euler, callback=None)
    assert torch.equal(with_callback, without)


def test_churn_is_our_eulers_too(run):
    window = {"steps": 12, "callback": None}
    theirs, _, _ = run(sample_euler, s_churn=5, s_tmin=0.05, s_tmax=50, s_noise=1.003, **window)
    ours, _, _ = run("euler", S_churn=5, S_min=0.05, S_max=50, S_noise=1.003, **window)
    assert theirs.numpy() == pytest.approx(ours.numpy(), abs=1e-12)


def test_noise_sampler_gives_the_per_sample_streams(run):
    drawn = []

    def spy(model, x, sigmas, noise_sampler=None, callback=None):
        for sigma, sigma_next in pairwise(sigmas):
            drawn.append(noise_sampler(sigma, sigma_next))
        return x

    run(spy, steps=3, seeds=[7, 3])
    noise = stream("portable", [7, 3], "cpu", torch.float64)
    latents, _ = noise.start((3, 4, 4), 0)
    assert len(drawn) == 3
    assert all(torch.equal(each, noise(latents)) for each in drawn)


def test_a_sample_does_not_depend_on_its_batch(run):
    together, _, _ = run(sample_euler, s_churn=3)
    alone, _, _ = run(sample_euler, s_churn=3, seeds=[3])
    assert alone[0].numpy() == pytest.approx(together[3].numpy(), abs=1e-12)


def test_the_global_generator_still_works(run):
    torch.manual_seed(0)
    first, _, _ = run(sample_global, callback=None)
    second, _, _ = run(sample_global, callback=None)
    assert torch.isfinite(first).all() and not torch.equal(first, second)


def test_float32_states_get_float32_sigmas(mixture):
    seen = []

    def spy(model, x, sigmas):
        seen.append(sigmas.dtype)
        return x

    sb.sample(mixture("smooth5"), spy, steps=3, latents=torch.zeros(1, 3, 4, 4))
    assert seen == [torch.float32]

"""What networks and samplers of others answer in `sb.sample`, wrapped or not."""

from __future__ import annotations

import random
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch

import samplebench as sb
import samplebench.report
from samplebench.errors import InputError, UsageError

SHAPE = (3, 4, 4)
X = torch.randn(5, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
N = 24


class Output(dict):
    def __init__(self, sample):
        super().__init__(sample=sample)
        self.sample = sample


# answer -> what the line says of it.
WRONG = {
    "one row": (lambda a: a[:1], r"\[1, \d, 4, 4\] float"),
    "another batch": (lambda a: torch.cat([a, a]), r"\[10, "),
    "one channel": (lambda a: a[:, :1], r"\[5, 1, 4, 4\]|1 channels"),
    "more channels": (lambda a: torch.cat([a, a], 1), r"\[5, \d+, 4, 4\]|\d+ channels"),
    "another size": (lambda a: a[..., :2], r"\[5, \d, 4, 2\]"),
    "one number": (lambda a: a.sum(), r"\[\] float"),
    "flat": (lambda a: a.flatten(1), r"\[5, \d+\]"),
    "whole numbers": (lambda a: a.to(torch.int32), "int32"),
    "truths": (lambda a: a > 0, "bool"),
    "complex": (lambda a: a + 0j, "complex"),
    "numpy": (lambda a: a.numpy(), "a numpy array"),
    "a tuple": (lambda a: (a,), "a tuple of 1 .*return its first entry"),
    "a list": (lambda a: list(a), "a list of 5"),
    "an output": (lambda a: Output(a), "an Output of 1 .*return its .sample"),
    "None": (lambda a: None, "None"),
    "sparse": (lambda a: a.to_sparse(), "sparse"),
    "elsewhere": (lambda a: a.to("meta"), "meta"),
}


def denoised(x, sigma):
    return x / (1 + torch.as_tensor(sigma).to(x).reshape(-1, 1, 1, 1) ** 2)


def euler(model, x, grid, *, noise=None, callback=None):
    for sigma, after in pairwise(grid.tolist()):
        d = model(x, sigma)
        x = d + after / sigma * (x - d)
    return x


def plain(change):
    return lambda x, sigma, labels: change(denoised(x, sigma))


def wrapped(change, family, **flags):
    """A network of a family; of a discrete one the noise prediction is the state itself."""
    config = {"noise_schedule": "cosine", "diffusion_steps": 50, **flags}
    learned = flags.get("learn_sigma", False)
    network = {
        "edm": lambda x, sigma, y: change(denoised(x, sigma)),
        "alpha_bar": lambda x, sigma: change(denoised(x, sigma)),
        "ddpm-ip": lambda x, t, y: change(torch.cat([x, 0 * x], 1) if learned else x),
    }[family]
    return sb.wrap(network, family=family, config=config, shape=SHAPE)


KINDS = {
    "a callable": (plain, "euler"),
    "edm": (lambda change: wrapped(change, "edm"), "heun"),
    "alpha_bar": (lambda change: wrapped(change, "alpha_bar"), "ddim"),
    "alpha_bar on levels": (lambda change: wrapped(change, "alpha_bar"), "heun"),
    "ddpm-ip": (lambda change: wrapped(change, "ddpm-ip"), "respaced"),
    "ddpm-ip with variances": (lambda change: wrapped(change, "ddpm-ip", learn_sigma=True), "ddim"),
    "in its process's time": (plain, "gddim"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_network_returns_is_never_broadcast(kind):
    make, sampler = KINDS[kind]
    right = sb.sample(make(lambda a: a), sampler, steps=3, latents=X)
    for change in (lambda a: a.clone().requires_grad_(), lambda a: a.to(torch.float64)):
        assert torch.equal(sb.sample(make(change), sampler, steps=3, latents=X), right)
    half = sb.sample(make(lambda a: a.to(torch.bfloat16)), sampler, steps=3, latents=X)
    assert half.dtype == torch.float64 and half.isfinite().all() and not torch.equal(half, right)
    for name, (change, words) in WRONG.items():
        with pytest.raises((UsageError, InputError), match=f"the network return.*({words})") as e:
            sb.sample(make(change), sampler, steps=3, latents=X)
        assert "\n" not in str(e.value), name


def test_what_a_sampler_returns_is_never_broadcast():
    model = plain(lambda a: a)
    for name, (change, words) in WRONG.items():

        def sampler(model, x, grid, *, noise=None, callback=None, change=change):
            return change(euler(model, x, grid))

        sampler.__qualname__ = f"returns {name}"
        with pytest.raises(UsageError, match=f"returns {name} returned .*({words})"):
            sb.sample(model, sampler, steps=3, latents=X)


def test_what_is_no_pair_of_mean_and_variance():
    model = wrapped(lambda a: a, "ddpm-ip")
    for answer in (None, X, (X, X, X)):
        model.predict_x0 = lambda *given, answer=answer: answer
        with pytest.raises(UsageError, match=r"returned .* where a pair was expected"):
            sb.sample(model, "ddim", steps=3, latents=X)


def test_guidance_is_like_the_state():
    model = wrapped(lambda a: a, "ddpm-ip")
    with pytest.raises(UsageError, match=r"the guidance returned \[5, 1, 1, 1\]"):
        sb.sample(
            model, "ddim", steps=3, latents=X, guidance=lambda x, t, y: x.mean((1, 2, 3), True)
        )


@pytest.mark.parametrize("write", [lambda x: x.mul_(2), lambda x: x.data.numpy().fill(3)])
def test_a_network_may_write_on_what_it_gets(write):
    def careless(x, sigma, labels):
        answer = denoised(x, sigma)
        for given in (x, torch.as_tensor(sigma)):
            write(given)
        return answer

    for sampler in ("heun", "gddim", "ddim"):
        right = sb.sample(plain(lambda a: a), sampler, steps=4, latents=X)
        assert torch.equal(sb.sample(careless, sampler, steps=4, latents=X.clone()), right)


def test_a_network_may_return_the_same_memory_again():
    kept = torch.empty_like(X)
    again = plain(lambda a: kept.copy_(a))
    right = sb.sample(plain(lambda a: a), "heun", steps=4, latents=X)
    assert torch.equal(sb.sample(again, "heun", steps=4, latents=X), right)


def overflow(after, sample=1):
    """Changes one number of a sample to inf at one evaluation."""
    calls = []

    def change(a):
        calls.append(a)
        if len(calls) == after:
            a = a.clone()
            a[sample, 0, 0, 0] = torch.inf
        return a

    return change


@pytest.mark.parametrize(("sampler", "place"), [("ddim", r"step \d+"), ("respaced", r"step \d+")])
def test_what_overflows_and_is_clipped_is_told(sampler, place):
    model = wrapped(overflow(2), "ddpm-ip", learn_sigma=True)
    words = rf"1 of 5 samples: the network of \S+ was not finite from evaluation 2 on \({place}\)"
    with pytest.warns(UserWarning, match=words):
        x = sb.sample(model, sampler, steps=4, latents=X)
    assert x.isfinite().all()


@pytest.mark.parametrize(("sampler", "place"), [("euler", "sigma"), ("gddim", "sigma")])
def test_what_is_not_finite_is_told(sampler, place):
    with pytest.warns(UserWarning, match=rf"1 of 5 samples: .*evaluation 3 on \({place} [\d.]+\)"):
        sb.sample(plain(overflow(3)), sampler, steps=4, latents=X)


def test_many_evaluations_are_read_in_between():
    with pytest.warns(UserWarning, match="from evaluation 700 on"):
        sb.sample(plain(overflow(700)), "euler", steps=1500, latents=X[:2])


def test_a_part_of_the_batch_may_be_evaluated():
    def pairs(model, x, grid, *, noise=None, callback=None):
        twice = torch.cat([model(torch.cat([x, x]), 2.0), model(x[:2], 2.0)])
        return twice[:5]

    with pytest.warns(UserWarning, match="1 of 5 samples"):
        sb.sample(plain(overflow(1, sample=7)), pairs, steps=3, latents=X)
    with pytest.warns(UserWarning, match="5 of 5 samples"):
        sb.sample(plain(overflow(2)), pairs, steps=3, latents=X)


def test_what_others_raise_comes_through():
    def stop(step):
        raise StopIteration

    def fails(x, sigma, labels):
        raise FileNotFoundError("mine.pt")

    with pytest.raises(FileNotFoundError, match="mine"):
        sb.sample(fails, "euler", steps=3, latents=X)
    with pytest.raises(StopIteration):
        sb.sample(plain(lambda a: a), "euler", steps=3, latents=X, callback=stop)


def state_of_all():
    python, (name, keys, *rest) = random.getstate(), np.random.get_state()
    return torch.random.get_rng_state().tolist(), python, name, keys.tolist(), rest


def test_global_generators_are_left_alone():
    before = state_of_all()
    sb.sample(plain(lambda a: a), "edm", steps=3, latents=X, S_churn=5)
    sb.sample(wrapped(lambda a: a, "ddpm-ip"), "respaced", steps=3, latents=X)
    assert state_of_all() == before


def test_a_network_that_draws_is_told():
    dropout = plain(lambda a: torch.dropout(a, 0.5, True))
    with pytest.warns(UserWarning, match="the network draws from torch's global generator"):
        sb.sample(dropout, "euler", steps=3, latents=X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb.sample(plain(lambda a: a), "edm", steps=3, latents=X, S_churn=5, noise=torch.randn_like)


def test_training_mode_is_told():
    class Module(torch.nn.Module):
        def forward(self, x, sigma, labels=None):
            return denoised(x, sigma)

    module = Module()
    with pytest.warns(UserWarning, match=r"the network is in training mode.*\.eval\(\)"):
        sb.sample(module, "euler", steps=3, latents=X)
    model = sb.wrap(module, family="edm", config={}, shape=SHAPE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb.sample(model, "euler", steps=3, latents=X)
    module.train()
    with pytest.warns(UserWarning, match="training mode"):
        sb.sample(model, "euler", steps=3, latents=X)

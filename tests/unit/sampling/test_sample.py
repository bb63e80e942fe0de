"""`sb.sample`: what it takes, what it refuses, and when noise is drawn."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.noise.streams import stream
from samplebench.registry import timelines
from samplebench.sampling.setting import prepare


@pytest.fixture
def model(mixture):
    return mixture("tiny3")


@pytest.fixture(scope="module")
def digits():
    return sb.load("digits-exact", device="cpu")


def _words(value):
    """An id without addresses, which differ between the workers."""
    if not isinstance(value, dict):
        return str(value)
    return " ".join(f"{k}={getattr(v, '__name__', v)}" for k, v in value.items())


def _without_rho(steps, *, sigma_min=0.01, sigma_max=10.0):
    return np.geomspace(sigma_max, sigma_min, steps)


LATENTS = torch.randn(3, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_seeds_draw_the_latents(model):
    latents, _ = stream("portable", [4, 9], "cpu", torch.float64).start((1, 2, 2), 0)
    by_seed = sb.sample(model, "euler", steps=5, seeds=[4, 9])
    assert torch.equal(by_seed, sb.sample(model, "euler", steps=5, latents=latents))


@pytest.mark.parametrize("mode", ["portable", "nvlabs"])
def test_a_sample_depends_on_its_seed_alone(model, mode):
    words = {"steps": 4, "noise": mode, "S_churn": 2}
    together = sb.sample(model, "edm", seeds=range(6), **words)
    assert sb.sample(model, "edm", seeds=[4], **words).numpy() == pytest.approx(
        together[4:5].numpy(), abs=1e-12
    )


@pytest.mark.parametrize(
    ("sampler", "params", "expected"),
    [
        ("euler", {}, 0),
        ("heun", {"S_noise": 2.0}, 0),
        ("edm", {}, 0),
        ("ddim", {}, 0),
        ("ddim", {"eta": 0.5}, 6),
        ("ddim", {"eta": 1}, 6),
        ("edm", {"S_churn": 3}, 6),
        ("edm", {"S_churn": 3, "S_min": 1.0, "S_max": 2.0}, 6),
        ("euler", {"S_churn": 3, "S_max": 0.0}, 6),
        ("heun", {"S_churn": 3, "schedule": "vp", "scaling": "vp"}, 6),
    ],
)
def test_the_draw_rule(model, sampler, params, expected):
    """Never where the parameters make it deterministic, else once per step, whatever the window."""
    drawn = []

    def noise(x):
        drawn.append(x.shape)
        return torch.zeros_like(x)

    sb.sample(model, sampler, steps=6, latents=LATENTS, noise=noise, **params)
    assert drawn == [(3, 1, 2, 2)] * expected


@pytest.mark.parametrize("sampler", ["euler", "heun", "edm", "ddim"])
def test_callback(model, sampler):
    taken = []
    x = sb.sample(model, sampler, steps=5, latents=LATENTS, callback=taken.append)
    grid = prepare(model, sampler, steps=5).timeline.levels
    assert [step.index for step in taken] == list(range(5))
    assert [step.sigma for step in taken] == grid[1:].tolist()
    assert torch.equal(taken[-1].x, x)
    assert all(step.denoised.shape == x.shape for step in taken)
    per_step = 1 if sampler in ("euler", "ddim") else 2
    assert [step.nfe for step in taken] == [per_step * i for i in range(1, 5)] + [len(model.calls)]
    assert len(model.calls) == per_step * 5 - (per_step - 1)


def test_the_last_step_lands_on_the_denoised_image(model):
    taken = []
    x = sb.sample(model, "heun", steps=5, latents=LATENTS, callback=taken.append)
    assert x.numpy() == pytest.approx(taken[-1].denoised.numpy(), abs=1e-14)


def test_nfe_is_a_budget(model):
    sb.sample(model, "heun", nfe=10, latents=LATENTS)
    assert len(model.calls) == 9
    by_steps = sb.sample(model, "heun", steps=5, latents=LATENTS)
    assert torch.equal(by_steps, sb.sample(model, "heun", nfe=10, latents=LATENTS))


def test_explicit_levels(model):
    sb.sample(model, "euler", discretization=[9.0, 3.0, 1.0], latents=LATENTS)
    assert model.calls == [9.0, 3.0, 1.0]


def test_a_parameter_of_both_goes_to_both(model):
    """epsilon_s is the discretization's constant and the schedule's."""
    setting = prepare(
        model, "euler", steps=4, discretization="vp", params={"epsilon_s": 1e-2, "schedule": "vp"}
    )
    default = prepare(model, "euler", steps=4, discretization="vp")
    assert setting.params["epsilon_s"] == 1e-2
    assert not np.array_equal(setting.timeline.levels, default.timeline.levels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_latents_keep_their_dtype(dtype):
    def denoise(x, sigma, labels):
        return x / (1 + sigma.to(x).reshape(-1, 1, 1, 1) ** 2)

    denoise.sigma_min, denoise.sigma_max, denoise.round_sigma = 0.0, float("inf"), float
    assert sb.sample(denoise, "edm", steps=3, latents=LATENTS.to(dtype), S_churn=1).dtype == dtype


def test_no_gradient_is_kept(model):
    assert not sb.sample(model, "euler", steps=3, latents=LATENTS.requires_grad_()).requires_grad
    LATENTS.requires_grad_(False)


class TestLabels:
    def test_drawn_from_the_seeds_unless_given(self, digits):
        _, drawn = stream("portable", range(4), "cpu", torch.float64).start((1, 8, 8), 10)
        implicit = sb.sample(digits, "euler", steps=3, seeds=range(4))
        explicit = sb.sample(digits, "euler", steps=3, seeds=range(4), labels=drawn)
        assert torch.equal(implicit, explicit)
        with_latents = sb.sample(
            digits, "euler", steps=3, latents=torch.zeros(4, 1, 8, 8, dtype=torch.float64)
        )
        assert not torch.equal(with_latents[0], with_latents[1])

    def test_one_for_all(self, digits):
        one = sb.sample(digits, "euler", steps=3, seeds=range(3), labels=7)
        each = sb.sample(digits, "euler", steps=3, seeds=range(3), labels=[7, 7, 7])
        assert torch.equal(one, each)

    @pytest.mark.parametrize("labels", [10, [0, -1, 3], [1, 2]], ids=str)
    def test_wrong_ones(self, digits, labels):
        with pytest.raises(UsageError, match="label"):
            sb.sample(digits, "euler", steps=3, seeds=range(3), labels=labels)

    def test_an_unconditional_model_takes_none(self, model):
        with pytest.raises(UsageError, match="labels given, but the model is unconditional"):
            sb.sample(model, "euler", steps=3, latents=LATENTS, labels=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "give exactly one of steps and nfe"),
        ({"steps": 5, "nfe": 5}, "give exactly one of steps and nfe"),
        ({"steps": 0}, "steps=0 must be a positive whole number"),
        ({"steps": 2.5}, "steps=2.5 must be a positive whole number"),
        ({"steps": True}, "steps=True must be a positive whole number"),
        ({"steps": float("nan")}, "steps=nan must be a positive whole number"),
        ({"steps": "ten"}, "steps=ten must be a positive whole number"),
        ({"steps": 1}, "steps=1: a time discretization needs at least 2"),
        ({"nfe": -3}, "nfe=-3 must be a positive whole number"),
        ({"nfe": 1}, "nfe=1 is too small for sampler euler"),
        ({"discretization": [5, 1], "nfe": 2}, "explicit noise levels fix the steps to 2"),
        ({"discretization": [5, 1], "steps": 3}, "explicit noise levels fix the steps to 2"),
        ({"steps": 5, "rho": 0}, "rho=0 must be a positive number"),
        ({"steps": 5, "seeds": [1]}, "give exactly one of seeds and latents"),
        ({"steps": 5, "latents": None}, "give exactly one of seeds and latents"),
        ({"steps": 5, "latents": None, "seeds": []}, "no seeds given"),
        ({"steps": 5, "noise": "gaussian"}, "unknown noise mode 'gaussian'"),
        ({"steps": 5, "eta": 1}, "unknown parameter 'eta' of sampler euler"),
        ({"steps": 5, "S_chrun": 1}, "did you mean 'S_churn'"),
        ({"steps": 5, "schedule": "lineal"}, "unknown schedule 'lineal'; did you mean 'linear'"),
        ({"steps": 5, "scaling": "v"}, "unknown scaling 'v'"),
        ({"steps": 5, "discretization": "edn"}, "unknown discretization 'edn'"),
        ({"steps": 5, "sampler": "eulr"}, "unknown sampler 'eulr'; did you mean 'euler'"),
        ({"steps": 5, "sampler": "heun", "alpha": 0}, "alpha=0.0: the second stage lies in (0, 1]"),
        ({"steps": 5, "sampler": "ddim", "eta": 1.5}, "eta=1.5: DDIM's share"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_refused(model, words, message):
    words = {"latents": LATENTS, "sampler": "euler", **words}
    with pytest.raises(UsageError, match=re.escape(message)):
        sb.sample(model, **words)


class TestWordsThatDoNotApply:
    """Refused in one line, never dropped."""

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ({"rho": 7, "discretization": "logsnr"}, "rho=7: discretization logsnr has no rho"),
            ({"rho": 3, "discretization": "vp"}, "discretization vp has no rho"),
            ({"rho": 3, "discretization": _without_rho}, "discretization _without_rho has no rho"),
            ({"rho": 7, "discretization": [5, 1]}, "explicit noise levels are the whole grid; l"),
            ({"sigma_max": 5, "discretization": [5, 1]}, "whole grid; leave out sigma_max"),
            ({"sigma_min": 1, "rho": 7, "discretization": [5, 1]}, "leave out rho, sigma_min"),
            ({"respacing": "5"}, "respacing is for a discrete model's own steps"),
            ({"respacing": ""}, "respacing is for a discrete model's own steps"),
            ({"guidance": lambda x, t, y: x}, "sampler euler does not support this guidance"),
            ({"noise": 3}, "noise=3 is neither a kind of noise nor a function"),
            ({"sampler": "gddim", "rho": 7}, "steps in its process's own time; leave out rho"),
            ({"sampler": "gddim", "discretization": "edm"}, "leave out discretization"),
            ({"sampler": "gddim", "sigma_max": 80, "rho": 3}, "leave out rho, sigma_max"),
            ({"sampler": "gddim", "S_churn": 3}, "unknown parameter 'S_churn' of sampler gddim"),
            ({"process": "vp"}, "unknown parameter 'process' of sampler euler"),
            ({"discretization": "edm", "M": 9}, "unknown parameter 'M' of sampler euler"),
        ],
        ids=_words,
    )
    def test_on_noise_levels_and_in_time(self, model, words, message):
        steps = {} if isinstance(words.get("discretization"), list) else {"steps": 5}
        with pytest.raises(UsageError, match=re.escape(message)) as caught:
            sb.sample(model, **{"sampler": "euler", "latents": LATENTS, **steps, **words})
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "words", [{"rho": 7}, {"discretization": "edm"}, {"sigma_min": 0.1}, {"sigma_max": 9}],
        ids=_words,
    )  # fmt: skip
    @pytest.mark.parametrize("sampler", ["ddim", "respaced"])
    def test_on_a_models_own_steps(self, sampler, words):
        model = timelines.get("discrete").toy(10).toy_model()
        with pytest.raises(UsageError, match=f"own process; leave out {next(iter(words))}"):
            sb.sample(model, sampler, steps=5, latents=torch.ones(1, 1, 1, 1), **words)

    @pytest.mark.parametrize(
        "words",
        [
            {"discretization": "edm", "rho": 7},
            {"noise": "nvlabs", "seeds": [0, 1]},
            {"noise": "nvlabs", "latents": LATENTS, "S_churn": 1, "sampler": "edm"},
            {"discretization": [5.0, 1.0], "steps": 2},
            {"discretization": "logsnr", "sigma_max": 9, "sigma_min": 0.1},
        ],
        ids=lambda words: ", ".join(words),
    )
    def test_what_applies_is_taken(self, model, words):
        steps = {"steps": 4} if "steps" not in words else {}
        start = {} if "seeds" in words else {"latents": LATENTS}
        sb.sample(model, **{"sampler": "euler", **start, **steps, **words})


def test_seeds_need_a_shape():
    def denoise(x, sigma, labels):
        return x

    denoise.sigma_min, denoise.sigma_max, denoise.round_sigma = 0.0, float("inf"), float
    with pytest.raises(UsageError, match="no attribute shape; pass latents"):
        sb.sample(denoise, "euler", steps=3, seeds=[0])


def test_a_sampler_that_needs_another_model_is_refused(model, monkeypatch):
    from samplebench.registry import samplers

    entry = replace(samplers.entry("euler"), timeline="discrete")
    monkeypatch.setitem(samplers._entries, "euler", entry)
    with pytest.raises(UsageError, match="sampler euler needs a discrete model"):
        sb.sample(model, "euler", steps=3, latents=LATENTS)

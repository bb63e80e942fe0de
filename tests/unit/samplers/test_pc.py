"""Predictor-corrector: what its parts leave out, and what depends on the batch."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver


@pytest.fixture(scope="module")
def model(mixture):
    return mixture("smooth5")


def one_by_one(model, name, **words):
    together = sb.sample(model, name, steps=25, seeds=range(5), **words)
    alone = [sb.sample(model, name, steps=25, seeds=[i], **words) for i in range(5)]
    return (torch.cat(alone) - together).abs().max()


@pytest.mark.parametrize("process", ["vp", "ve"])
def test_a_sample_depends_on_its_batch_in_one_of_them(model, process):
    assert one_by_one(model, "pc", process=process) < 1e-9
    assert one_by_one(model, "pc-batch", process=process) > 1e-3


@pytest.mark.parametrize("name", ["pc", "pc-batch"])
def test_without_langevins_norms_both_are_one_algorithm(model, name):
    solver = Solver.of(name)
    assert solver.canonical({"corrector": "ald"})[0] == "pc"
    found, kept = solver.canonical({"corrector": "none", "snr": 0.3, "corrector_steps": 2})
    assert (found, kept["snr"], kept["corrector_steps"]) == ("pc", 0.16, 1)


@pytest.mark.parametrize(
    ("words", "nfe"),
    [
        ({}, 60),
        ({"corrector_steps": 3}, 120),
        ({"corrector": "none"}, 30),
        ({"predictor": "none"}, 30),
        ({"predictor": "none", "corrector": "ald", "corrector_steps": 2}, 60),
    ],
    ids=str,
)
def test_a_part_that_is_none_costs_nothing(model, words, nfe):
    seen = []
    sb.sample(model, "pc", steps=30, seeds=[0], callback=seen.append, **words)
    assert seen[-1].nfe == prepare(model, "pc", steps=30, params=words).evaluations == nfe
    assert prepare(model, "pc", nfe=nfe, params=words).steps == 30


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"steps": 20}, "steps=20: sampler pc needs at least 21"),
        ({"nfe": 40}, "nfe=40 is too small for sampler pc: 21 steps need 42 evaluations"),
        ({"predictor": "reverse"}, "unknown predictor 'reverse'; did you mean 'reverse-diffusion'"),
        ({"corrector": "mcmc"}, "unknown corrector 'mcmc'; known: ald, langevin, none"),
        (
            {"corrector": "none", "predictor": "none"},
            "predictor=none and corrector=none: say one of them",
        ),
        ({"corrector_steps": 0}, "corrector_steps=0 must be 1, 2, ..."),
        ({"corrector_steps": 1.5}, "corrector_steps=1.5 must be 1, 2, ..."),
        ({"snr": 0}, "snr=0.0 must be a positive number"),
        ({"process": "subvp"}, "process=subvp takes predictor=euler-maruyama and corrector=none"),
        ({"process": "cld"}, "unknown process 'cld'"),
        ({"probability_flow": True, "predictor": "ancestral"}, "reverse-diffusion alone"),
        ({"sigma_max": 20_000}, "steps=25: sampler pc needs more on process vp"),
        ({"denoise_to_zero": True}, "denoise_to_zero: its grid ends in 0 already"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_a_line(model, words, line):
    words = {"seeds": [0], **({} if "nfe" in words else {"steps": 25}), **words}
    with pytest.raises(UsageError) as refused:
        sb.sample(model, "pc", **words)
    assert line in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [{"process": "ve"}, {"predictor": "euler-maruyama", "corrector": "none"}],
    ids=str,
)
def test_few_steps_are_possible_without_betas(model, words):
    assert sb.sample(model, "pc", steps=2, seeds=[0], **words).isfinite().all()


def test_the_probability_flow_alone_draws_nothing(model):
    def refuses(x):
        raise AssertionError

    words = {"steps": 25, "probability_flow": True, "corrector": "none"}
    sb.sample(model, "pc", latents=torch.ones(1, *model.shape).double(), noise=refuses, **words)


def test_it_draws_from_the_data(mixture):
    """The one Gaussian has known moments, of which a long run misses little."""
    model = mixture("gauss1")
    for words in ({}, {"process": "ve"}, {"predictor": "ancestral", "corrector": "ald"}):
        x = sb.sample(model, "pc", steps=100, seeds=range(200), **words).flatten(1)
        assert (x.mean(0) - model.means[0]).abs().max() < 0.25 * model.stds[0] + 0.02, words
        assert x.std(0).mean() == pytest.approx(float(model.stds[0]), rel=0.15, abs=0.02), words


def test_a_plan_says_what_a_block_decides():
    words = {"model": "digits-exact", "nfe": 50, "num_samples": 64}
    plan = make(Request.of(sampler=["pc", "pc-batch"], **words))
    (note,) = (note for note in plan.notes if "--batch-size" in note)
    assert note.startswith("pc-batch: samples depend on their block of 64")


def test_a_budget_that_is_too_small_leaves_out_a_point():
    plan = make(Request.of(model="digits-exact", sampler="pc", nfe=[10, 50], num_samples=64))
    assert [row.columns["steps"] for row in plan.rows] == [25]
    assert "pc: NFE 10 is too small (21 steps need 42 evaluations); left out" in plan.notes

"""Noise levels that end at the last positive one, and where a timeline's words come back from."""

from __future__ import annotations

import math

import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.bench.conditions import setting_of
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.sampling.setting import prepare

LATENTS = torch.randn(3, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(mixture):
    return mixture("tiny3")


@pytest.mark.parametrize("sampler", ["euler", "heun", "edm", "ddim"])
def test_it_is_the_run_to_zero_without_its_last_step(model, sampler):
    seen, words = [], {"latents": LATENTS, "sigma_min": 0.02, "sigma_max": 30}
    sb.sample(model, sampler, steps=7, callback=seen.append, **words)
    end = sb.sample(model, sampler, steps=6, final="sigma_min", **words)
    assert torch.equal(end, seen[5].x)
    assert seen[5].sigma == pytest.approx(0.02)


def test_a_scaled_state_is_given_back_unscaled(model):
    words = {"latents": LATENTS, "steps": 300, "final": "sigma_min", "sigma_min": 0.5}
    plain = sb.sample(model, "heun", **words)
    scaled = sb.sample(model, "heun", schedule="vp", scaling="vp", **words)
    assert (plain - scaled).abs().max() < 0.01 * plain.abs().max()


def test_listed_levels_are_then_the_whole_grid(model):
    words = {"latents": LATENTS, "discretization": [10.0, 3.0, 1.0]}
    seen = []
    sb.sample(model, "euler", callback=seen.append, **words)
    end = sb.sample(model, "euler", final="sigma_min", **words)
    assert torch.equal(end, seen[1].x)
    assert (
        prepare(model, "euler", discretization=[10, 3, 1], params={"final": "sigma_min"}).steps == 2
    )


@pytest.mark.parametrize(("sampler", "nfe", "steps"), [("euler", 6, 6), ("heun", 6, 3)])
def test_a_budget_counts_its_steps(model, sampler, nfe, steps):
    """Without the step into 0 Heun's last one has its second stage, too."""
    setting = prepare(model, sampler, nfe=nfe, params={"final": "sigma_min"})
    assert (setting.steps, setting.evaluations) == (steps, nfe)


def test_another_word_is_refused(model):
    with pytest.raises(UsageError, match="unknown final 'end'; known: sigma_min, zero"):
        sb.sample(model, "euler", steps=3, latents=LATENTS, final="end")


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        ({"discretization": "logsnr"}, {"name": "logsnr"}),
        ({"rho": 3}, {"name": "edm", "rho": 3.0}),
        ({"discretization": "9/3/1"}, [9.0, 3.0, 1.0]),
        ({"param": "euler.sigma_min=0.1"}, {"name": "edm", "rho": 7.0, "sigma_min": 0.1}),
        (
            {"param": "euler.final=sigma_min"},
            {"name": "edm", "rho": 7.0, "final": "sigma_min"},
        ),
        (
            {"discretization": "9/3/1", "param": "euler.final=sigma_min"},
            {"name": "list", "levels": [9.0, 3.0, 1.0], "final": "sigma_min"},
        ),
    ],
    ids=str,
)
def test_a_cell_runs_on_the_steps_that_were_planned(words, condition):
    budget = {} if "/" in words.get("discretization", "") else {"nfe": 5}
    (row,) = make(Request.of(model="digits-exact", sampler="euler", **budget, **words)).rows
    (cell,) = row.cells
    assert cell.conditions["discretization"] == condition
    setting = setting_of(sb.load("digits-exact"), cell.conditions)
    assert setting.timeline.condition == condition
    assert setting.steps == row.columns["steps"] and setting.evaluations == row.columns["nfe"]
    last = float(setting.timeline.grid[-1])
    assert (last > 0) is ("final" in condition)
    assert math.isfinite(last)


@pytest.mark.parametrize("label", [e.obj.label for e in registry.timelines if e.obj.label])
def test_no_discretization_has_the_name_of_other_steps(model, label, monkeypatch):
    monkeypatch.setattr(registry.discretizations, "_entries", {**registry.discretizations._entries})

    @registry.discretizations.register(label)
    def mine(steps, *, sigma_min=0.01, sigma_max=10.0):
        return [sigma_max / 2**i for i in range(steps)]

    with pytest.raises(UsageError, match=f"discretization '{label}' has the name of the steps of"):
        prepare(model, "euler", steps=3, discretization=label)


@pytest.mark.parametrize(("sampler", "without"), [("deis", 3), ("lms", 4)])
def test_a_written_zero_is_the_end(model, sampler, without):
    """Wherever it is written: a sampler that would stop at the last level goes to 0 then."""
    grids = ["10/3/1/0.1/0", "10/3/1/0.1"]
    rows = make(Request.of(model="digits-exact", sampler=sampler, discretization=grids)).rows
    steps = {row.columns["discretization"]: row.columns["steps"] for row in rows}
    assert steps == {"10/3/1/0.1/0": 4, "10/3/1/0.1": 3} if without == 3 else {"10/3/1/0.1": 4}
    for row in rows:
        (cell,) = row.cells
        setting = setting_of(model, cell.conditions)
        ended = row.columns["steps"] == 4
        assert setting.timeline.levels[-1] == (0 if ended else 0.1)
        listed = [10, 3, 1, 0.1, *[0] * ended]
        assert setting.timeline.levels.tolist() == listed
        assert prepare(model, sampler, discretization=listed).steps == setting.steps


@pytest.mark.parametrize("sampler", ["deis", "euler"])
def test_one_level_that_is_the_end_makes_no_step(model, sampler):
    with pytest.raises(UsageError, match="a single level gives no step"):
        prepare(model, sampler, discretization=[10.0], params={"final": "sigma_min"})
    assert prepare(model, sampler, discretization=[10.0, 0]).steps == 1


def test_thresholding_in_half_precision(model):
    latents = torch.randn(3, *model.shape, dtype=torch.float16)
    x = sb.sample(model, "euler", steps=3, latents=latents, thresholding=True)
    assert x.dtype == torch.float16 and x.abs().max() <= 1

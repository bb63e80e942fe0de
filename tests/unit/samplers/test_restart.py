"""Restart: its evaluations, its path, how intervals are written, and which are refused."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import torch

import samplebench as sb
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver

TWO = [[4, 3, 1.0, 2.0], [3, 1, 0.06, 0.3]]


@pytest.fixture
def model(mixture):
    return mixture("tiny3")


LATENTS = torch.randn(3, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class Drawn:
    """Noise that is kept."""

    def __init__(self) -> None:
        self.rows, self.rng = [], torch.Generator().manual_seed(1)

    def __call__(self, x):
        self.rows.append(torch.randn(x.shape, generator=self.rng, dtype=torch.float64).to(x))
        return self.rows[-1]


def run(model, *, steps, **words):
    noise, taken = Drawn(), []
    x = sb.sample(
        model, "restart", steps=steps, latents=LATENTS, noise=noise, callback=taken.append, **words
    )
    return x, taken, noise.rows


def test_evaluations_are_the_papers_rule(model):
    # Xu et al. 2023: 2 N_main - 1 + sum of 2 K (N_R - 1).
    assert Solver.of("restart").evaluations(18) == 43
    for steps in (18, 36):
        planned = prepare(model, "restart", steps=steps, params={"intervals": TWO}).evaluations
        assert planned == 2 * steps - 1 + 2 * 3 * 3 + 2 * 2
        model.calls.clear()
        run(model, steps=steps, intervals=TWO)
        assert len(model.calls) == planned


@pytest.mark.parametrize("nfe", [519, 115, 75, 55, 43, 623, 535, 385, 203, 165, 99, 67, 39])
def test_published_budgets_are_used_up(nfe):
    """The settings behind them are not known; the rule makes all of them odd, and so are these."""
    solver = Solver.of("restart")
    assert solver.evaluations(solver.steps_for(nfe)) == nfe


@pytest.mark.parametrize("words", [{"K": 0}, {"intervals": []}, {"intervals": "3:0:0.06:0.3"}])
@pytest.mark.parametrize("steps", [2, 3, 18])
def test_without_jumps_it_is_heun(model, words, steps):
    x, taken, drawn = run(model, steps=steps, **words)
    assert len(taken) == steps and not drawn
    # EDM's sampler without churn makes the same steps, heun others of the same value.
    assert torch.equal(x, sb.sample(model, "edm", steps=steps, latents=LATENTS))
    heun = sb.sample(model, "heun", steps=steps, latents=LATENTS)
    assert (x - heun).abs().max() < 1e-11


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_few_steps(model, steps):
    x, taken, drawn = run(model, steps=steps)
    assert x.isfinite().all() and taken[-1].nfe == len(model.calls) == 2 * steps + 7
    assert len(drawn) == steps + 2 * 3
    with pytest.raises(UsageError, match="restart needs at least 2"):
        run(model, steps=1)


def test_the_path(model):
    """Down to the level next to t_min, K times up to t_max and down again, then on."""
    _, taken, drawn = run(model, steps=8, intervals=TWO)
    levels = prepare(model, "restart", steps=8, params={"K": 0}).timeline.levels.tolist()
    found, expected = [step.sigma for step in taken], []
    for level in levels[1:]:
        expected.append(level)
        for N_R, K, t_min, t_max in TWO:
            if level == min(levels, key=lambda near, t=t_min: abs(near - t)):
                low, high = level ** (1 / 7), t_max ** (1 / 7)
                once = [(high + m / (N_R - 1) * (low - high)) ** 7 for m in range(1, N_R)]
                expected += once * K
    assert found == pytest.approx(expected, rel=1e-12, abs=0)
    assert [step.index for step in taken] == list(range(len(expected)))
    assert len(drawn) == Solver.of("restart").noises(8, {"intervals": TWO}) == len(taken) + 3 + 1


def test_a_jump_adds_the_noise_between_the_two_levels(model):
    inputs = []

    class Watched(type(model)):
        def __call__(self, x, sigma, labels=None):
            inputs.append((float(sigma.max()), x))
            return super().__call__(x, sigma)

    watched = Watched("tiny3")
    _, taken, drawn = run(watched, steps=8, intervals="2:1:1:2", S_noise=1.5)
    after = next(i for i, (sigma, _) in enumerate(inputs) if sigma == 2.0)
    arrived = next(i for i, (a, b) in enumerate(pairwise(taken)) if a.sigma == b.sigma)
    added = (4 - taken[arrived].sigma ** 2) ** 0.5 * 1.5 * drawn[arrived + 1]
    assert torch.allclose(inputs[after][1], taken[arrived].x + added, rtol=0, atol=1e-12)


def test_one_word_or_a_list_in_any_order(model):
    x, *_ = run(model, steps=12, intervals=TWO)
    for same in (TWO[::-1], "4:3:1:2/3:1:0.06:0.3", "3:1:.06:.3/4:3:1:2", "3:1:.06:.3/4:1:2"):
        other, *_ = run(model, steps=12, intervals=same, K=3)
        assert torch.equal(other, x)
        solver = Solver.of("restart")
        assert solver.canonical({"intervals": same, "K": 3}) == solver.canonical({"intervals": TWO})


def test_parameters_without_effect_are_one_algorithm():
    solver = Solver.of("restart")
    assert solver.canonical({"intervals": "3:2:0.06:0.3"}) == solver.canonical({})
    assert solver.canonical({"K": 0, "S_noise": 1.1}) == solver.canonical({"intervals": ""})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"intervals": "4:1:0.5:2/3:1:1:3"}, "restart.intervals: 3:1:1.0:3.0 and 4:1:0.5:2.0 over"),
        ({"intervals": "4:1:0.5:90"}, "4:1:0.5:90.0 is not within the levels, 80 to 0.002"),
        ({"intervals": "4:1:1e-4:1"}, "is not within the levels"),
        ({"intervals": "4:1:0.999:1"}, "starts at the level nearest to its t_min, which is"),
        ({"intervals": "4:1:1:1.4/4:1:1.5:9"}, "start at the same of 8 levels; use more steps"),
        ({"intervals": "1:1:1:2"}, "restart.intervals=1:1:1:2: write N_R:K:t_min:t_max"),
        ({"intervals": "3:1.5:1:2"}, "restart.intervals=3:1.5:1:2: write"),
        ({"intervals": "3:-1:1:2"}, "restart.intervals=3:-1:1:2: write"),
        ({"intervals": "3:1:2:1"}, "restart.intervals=3:1:2:1: write"),
        ({"intervals": "3:1:nan:1"}, "restart.intervals=3:1:nan:1: write"),
        ({"intervals": "3:1:1:inf"}, "restart.intervals=3:1:1:inf: write"),
        ({"intervals": "3:1:1:2/"}, "restart.intervals=: write"),
        ({"intervals": "some"}, "restart.intervals=some: write"),
        ({"intervals": [3, 2, 0.06, 0.3]}, "restart.intervals=3: write"),
        ({"intervals": 3}, "restart.intervals=3: write"),
        ({"K": -1}, "restart.intervals=3:-1:0.06:0.3: write"),
        ({"S_noise": -1}, "S_noise cannot be negative"),
    ],
)
def test_refused(model, words, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        run(model, steps=8, **words)


def test_a_sweep_of_intervals():
    words = "restart.intervals=2:1:1:2/3:1:0.06:0.3,3:2:0.06:0.3,3:0.06:0.3"
    rows = make(Request.of(sampler="restart", nfe=21, param=words, num_samples=80)).rows
    columns = [row.columns for row in rows]
    assert [row["nfe"] for row in columns] == [21, 21, 21]
    assert [row["steps"] for row in columns] == [8, 7, 7]
    assert {row["discretization"] for row in columns} == {"own levels"}
    first, second, third = ([cell.hash for cell in row.cells] for row in rows)
    assert second == third != first

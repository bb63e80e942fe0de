"""The singlestep and ancestral samplers where the published numbers do not reach."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.samplers.ancestral import ancestral
from samplebench.samplers.dpm_solver import fast_levels, fast_orders
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver

# Two evaluations per step, but one in the step into 0.
TWO_STAGES = ("dpm-2", "dpm-2-ancestral", "dpmpp-2s-ancestral", "dpmpp-sde", "dpm-solver-2")
ANCESTRAL = ("euler-ancestral", "dpm-2-ancestral", "dpmpp-2s-ancestral", "dpmpp-sde")
LATENTS = torch.randn(3, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(mixture):
    return mixture("tiny3")


def refuses(x):
    raise AssertionError("drew noise")


def seeded():
    rng = torch.Generator().manual_seed(1)
    return lambda x: torch.randn(x.shape, generator=rng, dtype=torch.float64).to(x)


def run(model, sampler, **words):
    words = {"latents": LATENTS, "noise": seeded(), **words}
    return sb.sample(model, sampler, **words)


@pytest.mark.parametrize("sampler", TWO_STAGES)
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_few_steps_down_to_0_and_to_sigma_min(model, sampler, steps):
    levels = np.geomspace(80, 0.002, steps + 1).tolist()
    for grid, end, nfe in (
        ([*levels[:-1], 0.0], "zero", 2 * steps - 1),
        (levels, "sigma_min", 2 * steps),
    ):
        model.calls.clear()
        x = run(model, sampler, discretization=grid, final=end)
        assert x.isfinite().all() and len(model.calls) == nfe
        if end == "zero" and steps == 1:
            # One step into 0 lands on the denoised image.
            assert torch.allclose(x, model(80 * LATENTS, torch.tensor([80.0])), atol=1e-9)


class TestPlaceOfTheSecondStage:
    @pytest.mark.parametrize("final", ["zero", "sigma_min"])
    def test_at_the_end_it_is_heun(self, model, final):
        x = run(model, "dpm-2", r=1, steps=5, final=final)
        assert (x - run(model, "heun", steps=5, final=final)).abs().max() < 1e-11
        assert Solver.of("dpm-2").canonical({"r": 1})[0] == "heun"

    def test_with_churn_it_is_edm(self, model):
        words = {"steps": 5, "S_churn": 3, "S_min": 0.1, "S_noise": 1.01}
        x = run(model, "dpm-2", r=1, **words)
        assert (x - run(model, "edm", **words)).abs().max() < 1e-11

    def test_in_the_middle_it_is_dpm_solver_2(self, model):
        for final in ("zero", "sigma_min"):
            x = run(model, "dpm-2", steps=6, final=final)
            assert (x - run(model, "dpm-solver-2", steps=6, final=final)).abs().max() < 1e-11

    @pytest.mark.parametrize("r", [1e-3, 0.1, 0.9])
    def test_near_its_ends(self, model, r):
        exact = run(model, "heun", steps=200)
        assert (run(model, "dpm-2", steps=200, r=r) - exact).abs().max() < 1e-2

    @pytest.mark.parametrize("r", [0, -0.5, 1.01])
    def test_outside(self, model, r):
        with pytest.raises(UsageError, match=re.escape(f"dpm-2.r={r:.12g}")):
            run(model, "dpm-2", steps=3, r=r)

    def test_like(self, model):
        grid = prepare(model, "dpm-2", steps=3, params={"like": "diff-sampler"}).timeline
        assert grid.levels[-1] == pytest.approx(0.002) and len(grid.levels) == 4
        with pytest.raises(UsageError, match="unknown like 'kdiffusion'; did you mean"):
            run(model, "dpm-2", steps=3, like="kdiffusion")


class TestAncestral:
    @pytest.mark.parametrize("sampler", ANCESTRAL)
    def test_without_noise_it_is_another_sampler(self, model, sampler):
        name, params = Solver.of(sampler).canonical({"eta": 0, "S_noise": 2})
        x = run(model, sampler, steps=7, eta=0, S_noise=2, noise=refuses)
        assert name != sampler
        same = run(model, name, steps=7, final="zero", **params)
        assert (x - same).abs().max() < 1e-11

    @pytest.mark.parametrize("eta", [0.3, 1])
    def test_euler_ancestral_is_ddim(self, model, eta):
        x = run(model, "euler-ancestral", steps=7, eta=eta)
        assert (x - run(model, "ddim", steps=7, eta=eta)).abs().max() < 1e-11
        solver = Solver.of("euler-ancestral")
        assert solver.canonical({"eta": eta})[0] == "ddim"
        for other in ({"eta": eta, "S_noise": 1.1}, {"eta": 1.5}, {"eta": -1}):
            assert solver.canonical(other)[0] == "euler-ancestral"

    @pytest.mark.parametrize("eta", [0, 0.5, 1, 1.2, 30])
    def test_the_split_keeps_the_next_level(self, eta):
        for a, b in ((80.0, 79.9), (80.0, 0.002), (1.0, 0.0)):
            down, up = ancestral(a, b, eta)
            assert math.hypot(down, up) == pytest.approx(b) and down >= 0
        assert ancestral(2.0, 1.0, 1)[0] == pytest.approx(1 / 2)

    @pytest.mark.parametrize("sampler", ANCESTRAL)
    @pytest.mark.parametrize("eta", [1.5, 30])
    def test_more_than_ancestral(self, model, sampler, eta):
        """Refused where a step would have fewer evaluations than are planned, for going to 0."""
        if sampler in ("dpm-2-ancestral", "dpmpp-2s-ancestral"):
            with pytest.raises(UsageError, match="at most 1"):
                run(model, sampler, steps=9, eta=eta)
            return
        taken = []
        x = run(model, sampler, steps=9, eta=eta, callback=taken.append)
        assert x.isfinite().all() and len(taken) == 9
        assert taken[-1].nfe == len(model.calls) == Solver.of(sampler).evaluations(9)

    @pytest.mark.parametrize("sampler", ANCESTRAL)
    def test_negative(self, model, sampler):
        for words in ({"eta": -0.1}, {"S_noise": -1}):
            with pytest.raises(UsageError, match="eta and S_noise cannot be negative"):
                run(model, sampler, steps=3, **words)


class TestFast:
    def test_its_orders(self):
        three = {1: [1], 2: [2], 3: [2, 1], 4: [3, 1], 5: [3, 2], 6: [3, 2, 1], 7: [3, 3, 1]}
        assert {K: fast_orders(K, 3) for K in three} == three
        assert [fast_orders(K, 2) for K in (1, 2, 5)] == [[1], [2], [2, 2, 1]]

    @pytest.mark.parametrize("order", [1, 2, 3])
    @pytest.mark.parametrize("predicts", ["eps", "x0"])
    def test_any_number_of_evaluations(self, model, order, predicts):
        for steps in range(1, 14):
            model.calls.clear()
            words = {"order": order, "predicts": predicts}
            x = run(model, "dpm-solver-fast", steps=steps, noise=refuses, **words)
            levels = fast_levels(steps, 0.002, 80, order)
            assert model.calls == pytest.approx(levels[:-1].tolist(), rel=1e-12)
            assert x.isfinite().all() and len(model.calls) == steps

    def test_one_of_order_1_is_euler_in_log_snr(self, model):
        x = run(model, "dpm-solver-fast", steps=8, order=1)
        euler = run(model, "euler", steps=8, discretization="logsnr", final="sigma_min")
        assert (x - euler).abs().max() < 1e-11

    def test_its_range(self, model):
        model.sigma_min, model.sigma_max = 0.01, 50.0
        run(model, "dpm-solver-fast", steps=4)
        assert max(model.calls) == pytest.approx(50)
        grid = prepare(model, "dpm-solver-fast", steps=4, sigma_min=0.1).timeline
        assert grid.levels[-1] == pytest.approx(0.1)

    def test_denoised_at_the_end(self, model):
        x = run(model, "dpm-solver-fast", nfe=7, denoise_to_zero=True)
        assert len(model.calls) == 7 and model.calls[-1] == pytest.approx(0.002)
        assert x.isfinite().all()

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ({"order": 0}, "dpm-solver-fast.order=0: whole numbers from 1 to 3"),
            ({"order": 4}, "dpm-solver-fast.order=4: whole numbers from 1 to 3"),
            ({"order": 2.5}, "dpm-solver-fast.order=2.5: whole numbers from 1 to 3"),
            ({"predicts": "v"}, "unknown predicts 'v'; known: eps, x0"),
            ({"rho": 3}, "sets its own noise levels; leave out rho"),
        ],
    )
    def test_refused(self, model, words, message):
        with pytest.raises(UsageError, match=re.escape(message)):
            run(model, "dpm-solver-fast", steps=4, **words)

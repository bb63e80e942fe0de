"""Errors of what was found and of its rivals, on a Gaussian whose solution is known."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.tune.flow import flow_of
from samplebench.tune.judge import RHOS, judged
from samplebench.tune.judged import BEST, RHO_7
from samplebench.tune.steps import ALONE, WITHIN
from tests.unit.trajectory.gauss import exact
from tests.unit.tune.problems import Counted, Table, found, problem

SEEDS = range(6)


def judge(model, sampler, asked, **params):
    return list(judged(model, sampler, asked, params=params, seeds=SEEDS))


@pytest.mark.parametrize(("sampler", "local"), [("heun", ALONE), ("ipndm", WITHIN)])
def test_errors_are_distances_to_the_solution(sampler, local):
    model = Counted()
    own = problem(model, sampler, 7)
    levels = [*own.at_rho(3).positive, *([0.0] if own.baseline.to_zero else [])]
    before = model.images
    (budget,) = judge(model, sampler, {7: [found(own, levels)]})
    assert budget.evaluations == model.images - before
    assert (budget.planned, budget.local) == (own.first.evaluations, local)
    last = 0.0 if own.baseline.to_zero else own.baseline.levels[-1]
    truth = exact(own.latents, last, own.baseline.levels[0])
    for grid in budget.grids:
        end = own.end(own.setting(grid.candidate), "")
        away = (end - truth).square().flatten(1).mean(1).sqrt().numpy()
        np.testing.assert_allclose(grid.errors, away, atol=1e-4)
    assert [bool(grid.steps) for grid in budget.grids] == [True, False, True]


def test_the_best_rho_is_the_hardest_of_its_kind():
    own = problem(sampler="dpmpp-2m", nfe=6)
    (budget,) = judge(own.model, "dpmpp-2m", {6: []})
    own.truth = exact(own.latents, 0.0, own.baseline.levels[0])
    errors = {rho: own.error(own.at_rho(rho)) for rho in RHOS}
    best = budget.rival(BEST)
    assert best.rho == min(errors, key=errors.get)
    assert best.error.value == pytest.approx(min(errors.values()), rel=1e-3)
    assert budget.rival(RHO_7).candidate == own.baseline
    assert best.ratio(budget.rival(RHO_7)) <= 1


def test_differences_are_paired():
    own = problem(nfe=5)
    (budget,) = judge(own.model, "euler", {5: [found(own, own.at_rho(3).levels)]})
    rival, grid = budget.rival(RHO_7), budget.found[0]
    each = np.array(grid.errors) - np.array(rival.errors)
    gap = grid.beyond(rival)
    assert gap.value == pytest.approx(each.mean())
    assert gap.stderr == pytest.approx(each.std(ddof=1) / np.sqrt(len(each)))
    assert grid.ratio(rival) == pytest.approx(grid.error.value / rival.error.value)


def test_budgets_share_a_solution():
    model = Counted()
    own = {nfe: problem(model, "euler", nfe) for nfe in (4, 5)}
    first, second = judge(model, "euler", {n: [found(p)] for n, p in own.items()})
    assert first.solution == second.solution
    # Of the second: runs on the 20 exponents, on what was found, and its steps.
    assert second.evaluations <= (len(RHOS) + 4) * 5 * len(SEEDS) < first.evaluations


def test_what_draws_noise_has_no_truncation_error():
    own = problem(sampler="heun", nfe=9)
    churned = found(own, method="churn", S_churn=10.0)
    (budget,) = judge(own.model, "heun", {9: [churned, found(own)]})
    noisy, plain = budget.found
    assert (noisy.errors, noisy.steps, noisy.error) == ((), (), None)
    assert noisy.ratio(budget.rival(RHO_7)) is None and noisy.beyond(budget.rival(RHO_7)) is None
    assert len(plain.errors) == len(SEEDS) and plain.steps


@pytest.mark.parametrize("sampler", ["heun", "dpmpp-2m"])
def test_rhos_whose_levels_a_table_does_not_tell_apart_are_left_out(sampler):
    """A run of many steps on few levels: some exponents have two that are one."""
    model = Table()
    model.levels = model.levels[::6]
    own = problem(model, sampler, 21)
    (budget,) = judge(model, sampler, {21: []})
    assert budget.rival(BEST).rho in RHOS
    assert np.isfinite(budget.rival(BEST).errors).all()
    assert own.baseline.levels[0] == budget.rival(BEST).candidate.levels[0]


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize(
    ("sampler", "params", "last"),
    [
        ("euler", {}, 0.0), ("euler", {"sigma_max": 20.0}, 0.0), ("ipndm", {}, 0.01),
        ("ipndm", {"sigma_min": 0.5}, 0.5), ("ipndm", {"sigma_min": 0.5, "sigma_max": 9.0}, 0.5),
        ("ipndm", {"sigma_min": 0.5, "denoise_to_zero": True, "sigma_max": 9.0}, 0.0),
        ("euler", {"final": "sigma_min", "sigma_min": 0.5}, 0.5),
    ],
)  # fmt: skip
def test_searches_and_judging_follow_the_same_solution(sampler, params, last, table):
    """From the first level of the run to where it ends; a Gaussian's is known."""
    at = problem(Table() if table else Counted(sigma_min=0.01), sampler, 8, params=params)
    low, high = at.solved
    assert low == pytest.approx(at.span[0] if last else 0.01) and high == at.span[1]
    searching, judging = at.truth, flow_of(at, at.baseline.positive).end
    apart = (searching - judging).abs().max()
    wanted = exact(at.latents, last and low, high)
    assert apart < 0.01 * wanted.abs().max()
    assert (judging - wanted).abs().max() < 0.02 * wanted.abs().max()

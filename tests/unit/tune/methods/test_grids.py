"""GITS and DMN as searches: what they find, what they spend, and what they refuse."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.tune.methods import METHODS
from samplebench.tune.methods.gits import COSTS, gits
from samplebench.tune.problem import Problem

# The package has the function by that name.
METHOD = importlib.import_module("samplebench.tune.methods.gits")
FEW = range(10_000_000, 10_000_004)


@pytest.fixture(scope="module")
def model():
    return sb.load("exact-2d")


@pytest.mark.parametrize("final", ["zero", "sigma_min"])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("sampler", ["euler", "heun", "ipndm"])
def test_gits_keeps_the_budget(model, sampler, cost, final, monkeypatch):
    monkeypatch.setattr(METHOD, "_STAMPS", 21)
    monkeypatch.setattr(METHOD, "_STAMPS_OF_PAIRS", 15)
    problem = Problem(model, sampler, 9, seeds=FEW, params={"final": final}, budget=1200)
    before = problem.error(problem.baseline)
    found = gits(problem, cost=cost)
    assert 0 < problem.spent <= 1200
    assert len(found.levels) == len(problem.baseline.levels)
    assert found.levels[0] == problem.span[1] and found.to_zero == (final == "zero")
    assert found in [candidate for candidate, _ in problem.tried.values()]
    # So few stamps and trajectories are enough for Heun alone.
    if (sampler, cost) == ("heun", "own"):
        assert problem.error(found) < before


@pytest.mark.parametrize("name", ["gits", "dmn"])
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_dpmpp_2m_has_a_grid_of_its_budget(model, name, final, monkeypatch):
    monkeypatch.setattr(METHOD, "_STAMPS_OF_PAIRS", 15)
    problem = Problem(model, "dpmpp-2m", 6, seeds=FEW, params={"final": final})
    before = problem.error(problem.baseline)
    found = METHODS[name].search(problem)
    assert problem.setting(found).evaluations == 6
    assert found in [candidate for candidate, _ in problem.tried.values()]
    if final == "zero":
        assert problem.error(found) < before


def test_fewer_stamps_where_the_budget_is_small(model, monkeypatch):
    monkeypatch.setattr(METHOD, "_STAMPS", 25)
    spent = []
    for budget in (1_200, 25_000):
        problem = Problem(model, "heun", 7, seeds=FEW, budget=budget)
        problem.error(problem.baseline)
        gits(problem)
        spent.append(problem.spent)
    assert spent[0] <= 1_200 < spent[1] <= 25_000


def test_a_budget_that_is_too_small_is_told(model):
    problem = Problem(model, "heun", 7, seeds=FEW, budget=550)
    problem.error(problem.baseline)
    with pytest.raises(
        UsageError, match=r"gits has \d+ evaluations left and needs .* 11 time points"
    ):
        gits(problem)


def test_what_has_no_step_by_itself_is_told_of_eulers_cost(model):
    problem = Problem(model, "unipc", 6, seeds=FEW)
    with pytest.raises(UsageError, match=r'sampler unipc has no step.*cost="euler"'):
        gits(problem)
    assert gits(problem, cost="euler").levels[0] == problem.span[1]


def test_another_cost_tells_those_there_are(model):
    with pytest.raises(UsageError, match="unknown cost 'oxn'; did you mean 'own'"):
        gits(Problem(model, "heun", 7, seeds=FEW), cost="oxn")


def test_stamps_are_levels_that_the_model_tells_apart(model):
    class Coarse(type(model)):
        def round_sigma(self, sigma):
            return float(np.exp(np.round(np.log(sigma), 0)))

    coarse = Coarse.__new__(Coarse)
    coarse.__dict__.update(model.__dict__)
    problem = Problem(coarse, "dpmpp-2m", 5, seeds=FEW)
    for stamps in (8, 41):
        levels = METHOD._teacher(problem, stamps).timeline.grid.numpy()
        assert len(levels) <= min(stamps, 13)
        assert (np.diff(levels) < 0).all() and levels[-1] == 0

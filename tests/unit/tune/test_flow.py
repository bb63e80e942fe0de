"""The solution that errors are measured by, against that of a Gaussian in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from samplebench.tune import flow
from samplebench.tune.flow import flow_of
from samplebench.tune.problem import distances
from tests.unit.trajectory.gauss import STD, exact
from tests.unit.tune.problems import Counted, Table, problem


def truth_at(own, level):
    return exact(own.latents, level, own.baseline.levels[0])


def answer(x, level):
    return x * STD**2 / (STD**2 + level**2)


def test_a_smooth_model_is_followed_to_zero():
    own = problem()
    levels = own.baseline.positive
    found = flow_of(own, levels)
    assert found.words.startswith("DOP853, rtol 1e-06, error about ")
    for level in levels:
        assert distances(found.states[level], truth_at(own, level)).max() < 1e-4
    assert distances(found.end, truth_at(own, 0.0)).max() < 1e-4
    assert own.spent == own.model.images > 0


def test_a_run_that_ends_above_zero_is_measured_there():
    own = problem(sampler="ipndm")
    last = own.baseline.levels[-1]
    assert last > 0
    assert distances(flow_of(own, own.baseline.positive).end, truth_at(own, last)).max() < 1e-4


@pytest.mark.parametrize("sampler", ["euler", "ipndm"])
def test_a_table_has_heuns_solution_on_its_levels(sampler):
    own = problem(Table(), sampler, nfe=6)
    others = own.at_rho(2).positive
    found = flow_of(own, sorted({*own.baseline.positive, *others}, reverse=True))
    assert found.words.startswith("Heun's on ") and "a table's levels alone" in found.words
    assert own.spent == own.model.images
    for level in others:
        assert distances(found.states[level], truth_at(own, level)).max() < 0.01
    last = own.baseline.positive[-1]
    end = truth_at(own, last)
    if own.baseline.to_zero:
        end = answer(end, last)
    assert distances(found.end, end).max() < 0.01


def test_a_model_that_takes_too_long_to_follow_has_heuns(monkeypatch):
    monkeypatch.setattr(flow, "_MOST", 20)
    own = problem()
    found = flow_of(own, own.baseline.positive)
    assert "DOP853 cannot follow the model" in found.words
    assert distances(found.end, truth_at(own, 0.0)).max() < 0.01


def test_levels_that_are_one_but_for_rounding_are_one():
    own = [80.0, 10.0, 1.0, 0.01, 0.0]
    near = 10.0 * (1 + 1e-9)
    joined = flow._joined(own, [near, 5.0], (0.01, 80.0))
    assert joined == [80.0, near, 5.0, 1.0, 0.01, 0.0]


def test_a_network_in_single_precision_knows_any_level():
    class Single(Counted):
        def round_sigma(self, sigma):
            return torch.as_tensor(sigma, dtype=torch.float32)

    assert flow._known_anywhere(Single(), 0.002, 80.0)
    assert not flow._known_anywhere(Table(), 0.01, 80.0)
    assert math.isclose(problem(Single()).span[0], 0.002)

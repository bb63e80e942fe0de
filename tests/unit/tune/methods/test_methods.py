"""Every method: within its budget, the same twice, and never worse than what it tried itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.tune.method import TRUNCATION
from samplebench.tune.methods import METHODS
from samplebench.tune.problem import Problem
from tests.unit.tune.mixtures import Counted

SEEDS = range(10_000_000, 10_000_008)
SAMPLERS = ("euler", "heun", "dpmpp-2m", "ipndm")
BY_TRUNCATION = [name for name, method in METHODS.items() if method.kind == TRUNCATION]
# They try rho = 7 among others; GITS and DMN give what they find, also where that is worse.
TRYING = ("rho", "range", "coordinate")
BUDGETS = {"gits": 2500}
# Of the levels of a table: the lowest are further apart than those of large exponents.
STEP = 0.006


def searched(model, sampler, nfe, method, budget, seeds=SEEDS):
    """(problem, what was found, the error of rho = 7), as `search` does it."""
    problem = Problem(model, sampler, nfe, seeds=seeds, budget=budget)
    before = problem.error(problem.baseline)
    problem.budget -= problem.run_cost
    found = METHODS[method].search(problem)
    problem.budget += problem.run_cost
    return problem, found, before


@pytest.mark.parametrize("method", BY_TRUNCATION)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_keeps_to_its_budget_and_does_not_lose_to_what_it_tried(method, sampler):
    model, budget = Counted(3), BUDGETS.get(method, 1300)
    problem, found, before = searched(model, sampler, 5, method, budget)
    assert problem.error(found) <= before or method not in TRYING
    assert model.images == problem.spent <= budget
    assert found.to_zero is problem.baseline.to_zero
    assert len(found.levels) == len(problem.baseline.levels)
    assert found.levels[0] <= problem.span[1] * (1 + 1e-9)
    assert all(a > b for a, b in zip(found.levels, found.levels[1:], strict=False))


@pytest.mark.parametrize("method", BY_TRUNCATION)
def test_a_search_finds_the_same_again(method):
    budget = BUDGETS.get(method, 1300)
    one, other = (searched(Counted(3), "heun", 5, method, budget) for _ in range(2))
    assert one[1:] == other[1:]


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    components=st.integers(1, 5),
    sampler=st.sampled_from(SAMPLERS),
    nfe=st.integers(3, 9),
    budget=st.integers(800, 1600),
    step=st.sampled_from((0.0, STEP)),
)
def test_coordinate_is_never_worse_than_a_grid_that_it_tried(
    seed, components, sampler, nfe, budget, step
):
    """On the search seeds, over mixtures, also where the model knows levels of a table alone."""
    model = Counted(seed, components, step)
    problem, found, before = searched(model, sampler, nfe, "coordinate", budget)
    errors = [float(errors.mean()) for _, errors in problem.tried.values()]
    assert problem.error(found) == min(errors) <= before < math.inf
    assert model.images == problem.spent <= budget


@pytest.mark.parametrize(
    ("method", "sampler", "most"),
    [
        ("coordinate", "euler", 0.7), ("coordinate", "heun", 0.5), ("coordinate", "dpmpp-2m", 0.6),
        ("coordinate", "ipndm", 0.6), ("range", "heun", 0.6), ("range", "euler", 0.9),
    ],
)  # fmt: skip
def test_what_is_found_holds_on_other_seeds(method, sampler, most):
    problem, found, _ = searched(Counted(3), sampler, 5, method, 6000)
    judged = Problem(problem.model, sampler, 5, seeds=range(32), budget=10**6)
    best = min(judged.error(judged.at_rho(float(rho))) for rho in (3, 5, 7, 9, 12, 16, 20))
    assert judged.error(found) <= most * best


def test_levels_that_the_model_does_not_tell_apart_end_no_search():
    """dpmpp-2m divides by the lengths of its steps: such a grid has no error."""
    problem, found, _ = searched(Counted(3, step=STEP), "dpmpp-2m", 14, "rho", 4000)
    errors = [float(errors.mean()) for _, errors in problem.tried.values()]
    assert math.inf in errors
    assert problem.error(found) == min(errors) < math.inf

"""DMN's objective and search against the reference implementation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from samplebench.errors import UsageError
from samplebench.processes.quadrature import gauss
from samplebench.tune.dmn import levels, objective
from samplebench.tune.dmn.objective import coefficients
from samplebench.tune.dmn.search import SHORTEST


def listed(goldens):
    cases = json.loads((goldens / "grids" / "index.json").read_text(encoding="utf-8"))["cases"]
    found = [case for case in cases if case["method"] == "dmn"]
    assert found
    return found


def words(case):
    return {"p": case["exponent"], "truncation": case["trunc"]}


def test_objective(goldens, agrees):
    path = goldens / "grids" / "dmn_objective.json"
    for case in json.loads(path.read_text(encoding="utf-8")):
        found = objective(case["lambdas"], **words(case))
        agrees("dmn objective", found, case["objective"], 1e-10 * case["objective"])


def test_objective_of_the_listed_grids(goldens, agrees):
    """Their lambdas are listed with 12 digits."""
    for case in listed(goldens):
        found = objective(case["lambdas"], **words(case))
        agrees("dmn objective", found, case["objective"], 3.1e-10 * case["objective"])


def test_many_grids_at_once():
    draw = np.random.default_rng(0).uniform(0.1, 1, (4, 5, 9)).cumsum(-1) - 3
    found = objective(draw, p=2, truncation=4)
    assert found.shape == (4, 5)
    assert found[2, 3] == objective(draw[2, 3], p=2, truncation=4)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_coefficients_integrate_interpolated_answers(order):
    at = np.array([-2.0, -1.3, -0.9, 0.4])
    nodes = at[3 - order : 3]
    points, weights = gauss(np.array(at[2]), np.array(at[3]))
    for k, found in enumerate(coefficients(at, np.array([2]), order)[0]):
        others = np.delete(nodes, k)
        shape = np.prod([(points - a) / (nodes[k] - a) for a in others], axis=0)
        assert found == pytest.approx(float(weights @ (np.exp(points) * shape)), rel=1e-10)


def searched(case):
    high, low = np.exp(-np.array(case["lambdas"]))[[0, -1]]
    found = levels(case["steps"], float(low), float(high), **words(case))
    return objective(-np.log(found), **words(case))


def test_the_search_comes_as_low_as_the_listed_grids(goldens):
    few = [case for case in listed(goldens) if (case["steps"], case["trunc"]) == (5, 3)]
    assert few
    for case in few:
        assert searched(case) <= case["objective"] * (1 + 1e-3), case["id"]


@pytest.mark.slow
@pytest.mark.parametrize("truncation", [0, 3])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("span", ["edm", "vp"])
def test_the_search_comes_as_low_as_all_of_them(goldens, span, p, truncation):
    wanted = (span, p, truncation)
    cases = [c for c in listed(goldens) if (c["range"], c["exponent"], c["trunc"]) == wanted]
    assert cases
    high = [c["id"] for c in cases if not searched(c) <= c["objective"] * (1 + 1e-3)]
    assert high == []


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_levels_of_few_steps(steps):
    found = levels(steps, 0.002, 80.0)
    assert found.shape == (steps + 1,) and found[0] == 80 and found[-1] == 0.002
    assert (np.diff(found) < 0).all()
    assert np.array_equal(found, levels(steps, 0.002, 80.0))


def test_a_third_partys_grid_of_the_vp_range():
    """Four steps in the time of VP, p = 2, T = 3, as measured by others."""
    from samplebench.processes.vp import VP

    law = VP()
    found = levels(4, law.sigma(1e-3), law.sigma(1.0), p=2, truncation=3)
    times = [1, 0.62910004, 0.41664592, 0.12023062, 0.001]
    theirs = objective(-np.log([law.sigma(t) for t in times]), p=2, truncation=3)
    assert objective(-np.log(found), p=2, truncation=3) <= theirs * (1 + 1e-3)


def test_steps_keep_their_shortest_length():
    span = 40 * SHORTEST
    found = levels(15, 1.0, float(np.exp(span)), p=1, truncation=0)
    assert (-np.diff(np.log(found))).min() >= SHORTEST * (1 - 1e-9)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((5, 0.0, 80.0), r"noise range \[0, 80\] is empty"),
        ((5, 80.0, 0.002), "is empty"),
        ((5, 0.002, float("inf")), "is empty"),
        ((0, 0.002, 80.0), "steps=0: this noise range has room for 1 to 5298"),
        ((100_000, 0.002, 80.0), "steps=100000"),
    ],
)
def test_what_cannot_be_is_told(given, why):
    with pytest.raises(UsageError, match=why):
        levels(*given)

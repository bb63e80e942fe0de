"""Truncation error: against golden curves and exact solutions, and its order."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.models.bound import Bound
from samplebench.trajectory import Level, Order, Point, Spread, reference, truncation
from samplebench.trajectory.reference import solve, tolerance
from samplebench.trajectory.result import measured_order
from tests.unit.trajectory.gauss import STD, Gauss, exact, latents_of

# Names in the goldens: sampler and params of a curve here.
CURVES = {
    ("euler", ""): "edm.euler",
    ("heun", ""): "edm.heun",
    ("heun", "alpha=0.5"): "edm.midpoint_alpha0.5",
    ("heun", "alpha=0.666666666667"): "edm.ralston_alpha2_3",
}
MIXTURES = [("smooth5", rho) for rho in (1, 3, 5, 7, 10)] + [("image5", 7), ("gauss1", 7)]


def solution(model, latents, levels, rtol=1e-12):
    bound = Bound(model, None, len(latents))
    return solve(bound, latents, max(levels), levels, rtol, lambda sigma: None)


def a_point(steps, error, last=None):
    def spread(value):
        return Spread(value, value, value, value)

    levels = [Level(steps - 2, 0.002, spread(error if last is None else last))]
    return Point(steps, steps, (*levels, Level(steps - 1, 0.0, spread(error))))


def at_end(point):
    return point.levels[-1]


def test_the_names_are_those_of_the_documentation():
    from samplebench import trajectory

    assert all(hasattr(trajectory, name) for name in trajectory.__all__)


@pytest.mark.parametrize(("name", "rho"), MIXTURES)
@pytest.mark.parametrize(
    "steps",
    [(5, 10, 20, 40), pytest.param((5, 10, 20, 40, 80, 160), marks=pytest.mark.slow)],
    ids=len,
)
def test_golden_curves(golden, mixture, agrees, name, rho, steps):
    stored = golden("convergence.json")["curves"]
    result = truncation(
        mixture(name),
        ["euler", "heun"],
        param={"heun.alpha": [1, 1 / 2, 2 / 3]},
        steps=steps,
        rho=rho,
        latents=torch.tensor(golden("convergence.npz")["latents"]),
        quiet=True,
    )
    assert {(c.sampler, c.params) for c in result.curves} == set(CURVES)
    for curve in result.curves:
        key = (name, rho, CURVES[curve.sampler, curve.params])
        (expected,) = (c for c in stored if (c["mixture"], c["rho"], c["sampler"]) == key)
        for point in curve.points:
            rmse = expected["rmse"][str(point.steps)]
            agrees("trajectory", point.end.rmse, rmse, 1e-6 * rmse)
            assert point.nfe == expected["nfe"][str(point.steps)]
        for coarse, fine in pairwise(curve.points):
            order = expected.get(f"order_{coarse.steps}_{fine.steps}")
            if order is not None:
                assert fine.order_end.rmse == pytest.approx(order, abs=1e-5)


@pytest.mark.parametrize("name", ["smooth5", "image5", "gauss1"])
def test_the_reference_is_the_stored_truth(golden, mixture, agrees, name):
    arrays = golden("convergence.npz")
    found = solution(mixture(name), torch.tensor(arrays["latents"]), [80.0, 0.002])
    for sigma, key in ((0.0, "truth_0"), (0.002, "truth_sigma_min")):
        agrees("reference", found.states[sigma], arrays[f"{name}.{key}"], 1e-9)
    assert found.truth.error < 1e-9


def test_the_reference_against_a_solution_in_closed_form():
    latents, levels = latents_of(), [80.0, 33.3, 7.1, 1.0, 0.3, 0.05, 0.002]
    found = solution(Gauss(), latents, levels)
    worst = 0.0
    for sigma in (*levels, 0.0):
        worst = max(worst, float((found.states[sigma] - exact(latents, sigma)).abs().max()))
    # Between the solver's own steps too.
    assert worst < 1e-10
    assert 0 < found.truth.error < 1e-9
    assert (found.truth.sigma_max, found.truth.sigma_end) == (80, 0)


def test_the_error_of_a_loose_reference_is_known():
    latents = latents_of()
    found = solution(Gauss(), latents, [80.0, 1.0, 0.002], rtol=1e-6)
    actual = float((found.states[0.0] - exact(latents, 0.0)).square().mean().sqrt())
    assert 1e-8 < actual < found.truth.error < 1e-4


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [(torch.float64, 1e-12, 1e-12), (torch.float32, 1e-7, 1e-5)]
)
def test_the_tolerance_follows_the_rounding_of_the_model(dtype, low, high):
    latents = latents_of(dtype=dtype)
    found = tolerance(Bound(Gauss(dtype=dtype), None, len(latents)), latents, 0.4)
    assert low <= found <= high


def test_half_precision_inside_the_model_is_noticed():
    class Half(Gauss):
        def __call__(self, x, sigma, labels=None):
            return super().__call__(x, sigma).half().to(x.dtype)

    latents = latents_of()
    assert 1e-4 <= tolerance(Bound(Half(), None, len(latents)), latents, 0.4) <= 1e-2


@pytest.mark.parametrize("count", [8, pytest.param(32, marks=pytest.mark.slow)])
def test_orders_on_the_digits(count):
    model = sb.load("digits-exact", device="cpu")
    result = truncation(
        model,
        ["euler", "ddim", "heun", "edm"],
        param={"edm.S_churn": 0, "ddim.eta": 0},
        steps=[40, 80],
        seeds=range(count),
        quiet=True,
    )
    assert [curve.sampler for curve in result.curves] == ["euler", "ddim", "heun", "edm"]
    for curve, order in zip(result.curves, (1, 1, 2, 2), strict=True):
        assert curve.points[1].order.median == pytest.approx(order, abs=0.15)
        assert curve.points[1].order_end.median == pytest.approx(order, abs=0.15)
        assert curve.points[0].order == Order()
    assert (result.model, result.num_samples, result.seed) == ("digits-exact", count, 0)


def test_spread_and_states_against_the_closed_form():
    latents, taken = latents_of(9), []
    result = truncation(Gauss(), "heun", steps=8, latents=latents, quiet=True)
    x = sb.sample(Gauss(), "heun", steps=8, latents=latents, callback=taken.append)
    (point,) = result.curves[0].points
    assert [level.sigma for level in point.levels] == [step.sigma for step in taken]
    assert torch.equal(x, taken[-1].x)
    for level, step in zip(point.levels, taken, strict=True):
        error = (step.x - exact(latents, step.sigma)).flatten(1).square().mean(1).sqrt()
        expected = [error.square().mean().sqrt(), *np.quantile(error, (0.5, 0.25, 0.75))]
        found = [level.error.rmse, level.error.median, level.error.low, level.error.high]
        assert found == pytest.approx([float(value) for value in expected], rel=1e-6, abs=1e-11)
    assert point.last.sigma == pytest.approx(0.002)
    assert point.end == point.levels[-1].error


def test_states_in_other_coordinates_are_compared_in_the_same():
    """Under scaling vp a state is smaller by sqrt(1 + sigma^2)."""
    params = {"euler.scaling": ["none", "vp"], "euler.schedule": ["linear", "vp", "ve"]}
    result = truncation(Gauss(), "euler", param=params, steps=800, latents=latents_of(), quiet=True)
    assert len(result.curves) == 6
    for curve in result.curves:
        for level in curve.points[0].levels:
            assert level.error.rmse < 0.05 * max(level.sigma, STD), curve.params


def test_one_reference_for_all_samplers_and_step_counts():
    model = Gauss()
    result = truncation(
        model, ["euler", "heun"], steps=[4, 8, 16], rho=[3, 7], latents=latents_of(), quiet=True
    )
    (truth,) = result.truths
    sampled = sum(point.nfe for curve in result.curves for point in curve.points)
    noise = reference._POINTS
    assert model.calls == truth.evaluations + sampled + noise


def test_what_else_is_asked_for_changes_nothing():
    def points(samplers, steps):
        result = truncation(Gauss(), samplers, steps=steps, latents=latents_of(), quiet=True)
        (curve,) = (curve for curve in result.curves if curve.sampler == "heun")
        return {point.steps: point.levels for point in curve.points}

    assert points("heun", [8])[8] == points(["euler", "heun"], [4, 8, 16])[8]


def test_blocks_of_samples_add_up():
    latents = latents_of(70)
    whole, first, rest = (
        truncation(Gauss(), "euler", steps=5, latents=part, quiet=True).curves[0].points[0]
        for part in (latents, latents[:64], latents[64:])
    )
    expected = math.sqrt((64 * first.end.rmse**2 + 6 * rest.end.rmse**2) / 70)
    assert whole.end.rmse == pytest.approx(expected, rel=1e-9)
    assert whole.nfe == 5


def test_a_float32_model_that_ends_above_zero():
    latents = latents_of(dtype=torch.float32)
    model = Gauss(sigma_min=0.01, dtype=torch.float32)
    result = truncation(model, ["euler", "heun"], steps=[10, 20, 40], latents=latents, quiet=True)
    (truth,) = result.truths
    assert truth.sigma_end == pytest.approx(0.01)
    assert 1e-7 <= truth.rtol <= 1e-5
    assert "the end is D at the last positive level" in str(truth)
    assert result.dtype == "float32"
    last = exact(latents, 0.01)
    end = last * STD**2 / (STD**2 + 0.01**2)
    for curve, order in zip(result.curves, (1, 2), strict=True):
        assert curve.points[-1].order.rmse == pytest.approx(order, abs=0.3)
        x = sb.sample(model, curve.sampler, steps=40, latents=latents).double()
        expected = float((x - end).square().mean().sqrt())
        assert curve.points[-1].end.rmse == pytest.approx(expected, abs=2 * truth.error + 1e-7)


@pytest.mark.slow
def test_the_digits_in_float32():
    model = sb.load("digits-exact", device="cpu", dtype="float32")
    result = truncation(model, "heun", steps=[10, 20], seeds=range(4), quiet=True)
    double = truncation(
        sb.load("digits-exact", device="cpu"), "heun", steps=[10, 20], seeds=range(4), quiet=True
    )
    assert result.truths[0].rtol > double.truths[0].rtol == 1e-12
    for single, exactly in zip(result.curves[0].points, double.curves[0].points, strict=True):
        assert single.end.median == pytest.approx(exactly.end.median, rel=1e-3)


def test_the_measured_order():
    coarse, fine = a_point(10, 0.27, last=0.16), a_point(30, 0.01, last=0.04)
    assert measured_order(coarse, fine, at_end, 0.0).rmse == pytest.approx(3)
    last = measured_order(coarse, fine, lambda point: point.last, 0.0)
    assert last.median == pytest.approx(math.log(4) / math.log(3))


@pytest.mark.parametrize("error", [0.0, 9e-9, math.inf, math.nan])
def test_no_order_where_rounding_decides(error):
    clear, doubtful = a_point(10, 1e-3), a_point(20, error)
    assert measured_order(clear, doubtful, at_end, 1e-9) == Order()
    assert measured_order(doubtful, clear, at_end, 1e-9) == Order()
    assert measured_order(clear, a_point(20, 2e-8), at_end, 1e-9) != Order()


def test_no_order_at_the_rounding_error_of_float32():
    latents, model = latents_of(dtype=torch.float32), Gauss(dtype=torch.float32)
    result = truncation(model, "heun", steps=[20, 40, 1000, 2000], latents=latents, quiet=True)
    orders = [point.order.rmse for point in result.curves[0].points]
    assert orders[1] == pytest.approx(2, abs=0.3)
    assert orders[3] is None

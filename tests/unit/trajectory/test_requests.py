"""What a truncation error is asked of: samplers, levels, starts, labels; and what is refused."""

from __future__ import annotations

import csv
import io
import math
from itertools import pairwise

import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.noise.streams import stream
from samplebench.registry import samplers
from samplebench.sampling.solver import Solver
from samplebench.timelines.own import Own
from samplebench.timelines.sigma import Sigma
from samplebench.trajectory import Order, reference, truncation
from tests.unit.trajectory.gauss import Gauss, exact, latents_of


@pytest.mark.parametrize(
    ("sampler", "param", "hint"),
    [
        ("edm", {"edm.S_churn": 10}, "--param edm.S_churn=0 makes it deterministic"),
        ("heun", {"heun.S_churn": 1}, "--param heun.S_churn=0 makes it deterministic"),
        ("ddim", {"ddim.eta": 0.5}, "--param ddim.eta=0 makes it deterministic"),
        ("tests_own_ancestral", {}, "eta=0 makes it deterministic"),
        ("tests_own_noisy", {}, "choose a deterministic one"),
    ],
)
def test_stochastic_samplers_are_refused(sampler, param, hint):
    model = Gauss()
    chosen = {"tests_own_ancestral": ancestral, "tests_own_noisy": noisy}.get(sampler, sampler)
    with pytest.raises(UsageError, match="is stochastic") as caught:
        truncation(model, chosen, param=param, steps=5, latents=latents_of(), quiet=True)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert model.calls == 0


def test_a_sampler_that_breaks_down_is_not_called_stochastic():
    def broken(model, x, sigmas):
        for sigma in sigmas[:-1]:
            x = x + math.nan * model(x, sigma)
        return x

    found = truncation(Gauss(), broken, steps=[5, 10], latents=latents_of(), quiet=True)
    (curve,) = found.curves
    assert all(math.isnan(point.end.median) for point in curve.points)
    assert [point.order_end.median for point in curve.points] == [None, None]
    assert all(row["median"] is None for row in found.rows())


def ancestral(model, x, sigmas, eta=1.0, noise_sampler=None):
    """In the style of k-diffusion, without a callback."""
    for sigma, below in pairwise(sigmas):
        d = (x - model(x, sigma)) / sigma
        up = eta * below / 2
        x = x + d * ((below**2 - up**2) ** 0.5 - sigma) + up * noise_sampler(sigma, below)
    return x


def noisy(model, x, grid, *, noise=None, callback=None):
    return x + torch.randn_like(x)


def idle_draw(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """Euler's method that draws noise and does not use it."""
    for i in range(len(sigmas) - 1):
        torch.randn_like(x)
        denoised = model(x, sigmas[i])
        if callback:
            callback({"i": i, "x": x, "sigma": sigmas[i], "denoised": denoised})
        x = x + (x - denoised) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
    return x


def test_a_sampler_of_others_that_ignores_its_noise():
    own, others = (
        truncation(Gauss(), sampler, steps=[5, 10], latents=latents_of(), quiet=True).curves[0]
        for sampler in ("euler", idle_draw)
    )
    for mine, theirs in zip(own.points, others.points, strict=True):
        assert len(mine.levels) == len(theirs.levels) == mine.steps
        for a, b in zip(mine.levels, theirs.levels, strict=True):
            assert a.error.rmse == pytest.approx(b.error.rmse, rel=1e-9)


def test_a_sampler_that_reports_no_steps_has_an_error_at_the_end():
    result = truncation(Gauss(), silent, steps=[5, 10], latents=latents_of(), quiet=True)
    coarse, fine = result.curves[0].points
    assert [level.sigma for level in fine.levels] == [0.0]
    assert fine.last is None and fine.order == Order()
    assert fine.order_end.rmse > 0
    euler = truncation(Gauss(), "euler", steps=5, latents=latents_of(), quiet=True)
    assert coarse.end.rmse == pytest.approx(euler.curves[0].points[0].end.rmse, rel=1e-9)


def silent(model, x, sigmas, callback=None):
    for sigma, below in pairwise(sigmas):
        x = x + (x - model(x, sigma)) / sigma * (below - sigma)
    return x


def test_explicit_levels_and_budgets():
    explicit = truncation(
        Gauss(), "heun", discretization=[10, 1, 0.1], latents=latents_of(), quiet=True
    )
    assert (explicit.truths[0].sigma_max, explicit.curves[0].discretization) == (10, "10/1/0.1")
    assert [level.sigma for level in explicit.curves[0].points[0].levels] == [1, 0.1, 0]
    single = truncation(Gauss(0.1), "euler", discretization=[10], latents=latents_of(), quiet=True)
    assert single.curves[0].points[0].end.rmse < 1e-14
    budget = truncation(
        Gauss(), "heun", nfe=[10, 9, 20], latents=latents_of(), discretization="edm,ve", quiet=True
    )
    assert [point.nfe for point in budget.curves[0].points] == [9, 19]
    assert [truth.sigma_max for truth in budget.truths] == [80]  # ve starts at 100, the model at 80


def test_other_starts_have_other_references():
    model = Gauss()
    model.sigma_max = math.inf
    result = truncation(
        model, "euler", steps=[5], discretization=["edm", "ve"], latents=latents_of(), quiet=True
    )
    assert [truth.sigma_max for truth in result.truths] == [80, 100]


def test_the_csv_is_the_same_every_time():
    def text():
        return truncation(
            Gauss(), "euler,heun", steps=[4, 8], rho=[3, 7], latents=latents_of(), quiet=True
        ).csv()

    assert text() == text()
    rows = list(csv.DictReader(io.StringIO(text())))
    assert len(rows) == 2 * 2 * (4 + 8)
    assert [row["sigma"] for row in rows if row["steps"] == "4"][3] == "0"
    ends = [row for row in rows if row["sigma"] == "0"]
    assert [bool(row["order"]) for row in ends] == [False, True] * 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"sampler": "eulr"}, "did you mean 'euler'"),
        ({"sampler": "exact"}, "sampler exact makes no steps: measure e.g. euler"),
        ({"steps": 1}, "at least 2 noise levels"),
        ({"steps": 5, "nfe": 5}, "not both"),
        ({"steps": None}, "give one of steps and nfe"),
        ({"rho": -1}, "rho=-1"),
        ({"param": {"heun.alpha": 1}}, "unknown sampler in --param 'heun'"),
        ({"param": {"euler.shcedule": "vp"}}, "did you mean 'schedule'"),
        ({"param": {"euler.rho": 3}}, "unknown parameter 'rho' of sampler euler"),
        ({"param": {"euler.schedule": "fast"}}, "unknown schedule 'fast'"),
        ({"discretization": "emd"}, "did you mean 'edm'"),
        ({"param": {"euler.thresholding": True}}, "euler.thresholding: it changes the denoiser"),
        ({"seeds": range(3)}, "exactly one of seeds and latents"),
    ],
)
def test_bad_requests_cost_no_evaluation(words, message):
    model = Gauss()
    asked = {"sampler": "euler", "steps": 5, "latents": latents_of(), "quiet": True, **words}
    with pytest.raises(UsageError, match=message):
        truncation(model, **asked)
    assert model.calls == 0


@pytest.mark.slow
def test_a_model_without_a_solution_is_named(monkeypatch):
    def nowhere(x, sigma, labels=None):
        return x * math.nan

    def late(x, sigma, labels=None):
        return x / (1 + sigma**2) if sigma > 0.1 else x * math.nan

    def jumpy(x, sigma, labels=None):
        return x / (1 + sigma**2) + torch.sign(torch.sin(300 * sigma))

    for model, message in ((nowhere, "not finite"), (late, "cannot be solved")):
        with pytest.raises(UsageError, match=message):
            truncation(model, "euler", steps=5, latents=latents_of(), quiet=True)
    monkeypatch.setattr(reference, "_MOST", 5000)
    with pytest.raises(UsageError, match="not smooth enough"):
        truncation(jumpy, "euler", steps=5, latents=latents_of(), quiet=True)


def test_labels_are_drawn_or_given():
    class Classes(Gauss):
        num_classes = 3

        def __call__(self, x, sigma, labels=None):
            means = labels.to(x).reshape(-1, 1, 1, 1)
            return means + super().__call__(x - means, sigma)

    words = {"steps": 5, "quiet": True}
    drawn, same = (
        truncation(Classes(), "euler", seeds=range(4), labels=labels, **words)
        for labels in (None, 2)
    )
    assert drawn.curves[0].points[0].end != same.curves[0].points[0].end
    latents, own = stream("portable", range(4), "cpu", torch.float64).start(Classes.shape, 3)
    given = truncation(Classes(), "euler", latents=latents, labels=own, **words)
    assert given.curves == drawn.curves
    assert (given.seed, drawn.seed) == (None, 0)


def test_a_run_that_ends_above_zero_is_compared_with_the_solution_there():
    latents, words = latents_of(), {"steps": [10, 20, 40], "quiet": True}
    model = Gauss()
    result = truncation(
        model,
        ["euler", "heun"],
        param={"euler.final": ["zero", "sigma_min"], "heun.final": "sigma_min"},
        latents=latents,
        **words,
    )
    zero, euler, heun = result.curves
    assert [curve.params for curve in result.curves] == ["", *["final=sigma_min"] * 2]
    assert [curve.points[-1].levels[-1].sigma for curve in result.curves] == pytest.approx(
        [0, 0.002, 0.002]
    )
    for curve, order in ((euler, 1), (heun, 2)):
        point = curve.points[-1]
        assert point.last == point.levels[-1] and len(point.levels) == point.steps == 40
        assert point.order == point.order_end
        assert point.order.median == pytest.approx(order, abs=0.3)
        x = sb.sample(model, curve.sampler, steps=40, latents=latents, final="sigma_min")
        error = (x - exact(latents, 0.002)).square().mean().sqrt()
        assert point.end.rmse == pytest.approx(float(error), rel=1e-6)
    assert zero.points[-1].last.sigma == pytest.approx(0.002)
    assert [row["sigma_end"] for row in result.rows()] == pytest.approx([0] * 3 + [0.002] * 6)


def test_every_deterministic_method_is_measured_at_its_usual_end():
    names = [
        entry.name
        for entry in samplers
        if (solver := Solver.of(entry.name)).timeline is Sigma
        and solver.order() is not None
        and not solver.stochastic({})
    ]
    latents = latents_of()
    result = truncation(Gauss(), names, steps=20, latents=latents, quiet=True)
    for curve in result.curves:
        (point,) = curve.points
        end = point.levels[-1].sigma
        assert (end == 0) == (Solver.of(curve.sampler).final() == "zero"), curve.sampler
        x = sb.sample(Gauss(), curve.sampler, steps=20, latents=latents)
        error = float((x - exact(latents, end)).square().mean().sqrt())
        assert point.end.rmse == pytest.approx(error, rel=1e-6), curve.sampler


def test_an_end_that_is_not_the_samplers_own_is_told():
    words = {"steps": 5, "latents": latents_of(), "quiet": True}
    ends = [None, "sigma_min", "zero"]
    found = [
        truncation(Gauss(), "ipndm", param={"ipndm.final": end} if end else {}, **words).curves
        for end in ends
    ]
    assert [curve.params for (curve,) in found] == ["", "", "final=zero"]
    both = truncation(Gauss(), "ipndm", param={"ipndm.final": ends[1:]}, **words).curves
    assert [curve.params for curve in both] == ["", "final=zero"]
    assert [curve.points[0].levels[-1].sigma for curve in both] == [pytest.approx(0.002), 0]


def test_a_last_evaluation_leads_to_zero():
    """As the step into 0 does: the result is D at the last level."""
    words = {"steps": 20, "latents": latents_of(), "quiet": True}
    param = {"euler.final": "sigma_min", "euler.denoise_to_zero": True}
    (curve,) = truncation(Gauss(), "euler", param=param, **words).curves
    (point,) = curve.points
    assert [level.sigma for level in point.levels[-2:]] == [pytest.approx(0.002), 0]
    assert (point.nfe, point.steps, len(point.levels)) == (21, 20, 21)
    (plain,) = truncation(Gauss(), "euler", steps=21, latents=latents_of(), quiet=True).curves
    assert point.end.rmse == pytest.approx(plain.points[0].end.rmse, rel=1e-9)


def test_budgets_count_with_the_end_that_is_asked_for():
    words = {"nfe": [10, 20], "latents": latents_of(), "quiet": True}
    (curve,) = truncation(Gauss(), "heun", param={"heun.final": "sigma_min"}, **words).curves
    assert [(point.steps, point.nfe) for point in curve.points] == [(5, 10), (10, 20)]
    analytic = {"heun.final": "sigma_min", "heun.afs": True}
    (curve,) = truncation(Gauss(), "heun", param=analytic, **words).curves
    assert [(point.steps, point.nfe) for point in curve.points] == [(5, 9), (10, 19)]


def test_a_sampler_with_levels_of_its_own_is_refused():
    own = [e.name for e in samplers if issubclass(Solver.of(e.name).timeline, Own)]
    assert own
    for name in own:
        with pytest.raises(UsageError, match=f"sampler {name} sets its own noise levels"):
            truncation(Gauss(), name, steps=5, latents=latents_of(), quiet=True)

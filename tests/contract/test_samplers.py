"""What holds for every sampler, on a model of the kind that it needs."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.answers.parameters import accepted
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver
from samplebench.timelines.ends import RULES
from samplebench.timelines.levels import UnitPixel
from tests.contract.registered import (
    adaptive,
    evaluates,
    nearby,
    on_levels,
    orders,
    other_words,
    pace,
    paced,
    refusal,
    runs,
    takes_final,
    usual,
    without_noise,
)

STEPS = (2, 3, 5, 18)


def refuses(x):
    raise AssertionError("a deterministic sampler asked for noise")


def planned(model, solver, params, words):
    """Evaluations of a request, a process's own step to t = 0 among them; None: not planned."""
    return prepare(model, solver.name, params=params, **words).planned


class Counted:
    """Seeded noise that counts its draws."""

    def __init__(self) -> None:
        self.draws, self.rng = 0, torch.Generator().manual_seed(1)

    def __call__(self, x):
        self.draws += 1
        return torch.randn(x.shape, generator=self.rng, dtype=torch.float64).to(x)


# order of convergence

# Of the slope between 80 and 160 steps: short of its limit it lies up to 0.3 beside a method's
# order, and the next whole one is 1 away.
NEAR_ENOUGH = 0.35


def test_order_of_convergence_is_the_declared_one(sigma_solver, mixture, golden):
    """On a smooth denoiser, against the exact state at the level where the grid ends."""
    solver, exact = sigma_solver, golden("convergence.npz")
    model, latents = mixture("smooth5"), torch.tensor(exact["latents"])

    def error(steps, words):
        setting = prepare(model, solver.name, steps=steps, params=words)
        end = "0" if setting.timeline.grid[-1] == 0 else "sigma_min"
        x = sb.sample(model, solver.name, steps=steps, latents=latents, noise=refuses, **words)
        return float((x - torch.tensor(exact[f"smooth5.truth_{end}"])).square().mean().sqrt())

    # What the step into 0 errs from the exact state.
    there = torch.tensor(exact["smooth5.truth_sigma_min"])
    into_zero = model(there, torch.tensor(0.002)) - torch.tensor(exact["smooth5.truth_0"])
    quiet, inevitable = without_noise(solver), float(into_zero.square().mean().sqrt())
    for params in ({**quiet, **each} for each in orders(solver)):
        # The step into 0 is the same in every grid: its error does not shrink with N.
        last = {"final": "sigma_min"} if takes_final(solver) else {}
        errors = [error(steps, {**params, **last}) for steps in (80, 160)]
        slope = math.log2(errors[0] / errors[1])
        assert slope == pytest.approx(solver.order(params), abs=NEAR_ENOUGH), (params, errors)
        if last:
            # One step fewer is left for the way to sigma_min.
            down = error(160, {**params, "final": "zero"})
            assert down < 1.05 * errors[1] + inevitable, params


def test_a_smaller_tolerance_is_a_smaller_error(adaptive_solver, mixture, golden):
    exact = golden("convergence.npz")
    model, latents = mixture("smooth5"), torch.tensor(exact["latents"])
    x = [
        sb.sample(model, adaptive_solver.name, latents=latents, rtol=rtol)
        for rtol in (1e-3, 1e-5, 1e-7, 1e-10)
    ]
    errors = [float((each - x[-1]).square().mean().sqrt()) for each in x[:-1]]
    assert all(fine < coarse / 10 for coarse, fine in pairwise(errors)), errors


def test_order_of_convergence_on_the_steps_of_a_process(discrete_solver, exact):
    """Twice the steps halve the distance to twice the steps, to the power of the order."""
    runs = [
        sb.sample(exact, discrete_solver.name, steps=n, seeds=range(32), clip_x0=False)
        for n in (16, 32, 64, 128)
    ]
    gaps = [(b - a).flatten(1).norm(dim=1).median().item() for a, b in pairwise(runs)]
    slope = -np.polyfit(np.log2([16, 32, 64]), np.log2(gaps), 1)[0]
    assert slope == pytest.approx(discrete_solver.order(), abs=0.15), gaps


def test_order_of_convergence_in_a_processs_time(linear_solver, digits):
    solver = linear_solver
    # Rounding is what is left of a high order's error after fewer steps.
    counts = (8, 16, 32, 64) if solver.order() > 3 else (128, 256, 512)
    runs = [sb.sample(digits, solver.name, steps=n, seeds=range(16), process="vp") for n in counts]
    gaps = [(b - a).flatten(1).norm(dim=1).median().item() for a, b in pairwise(runs)]
    slope = -np.polyfit(np.log2(counts[:-1]), np.log2(gaps), 1)[0]
    assert slope == pytest.approx(solver.order(), abs=0.15), gaps


# evaluations


def counted(model, solver, words, latents):
    """What a run did: its steps, its result, the draws by the end of each step."""
    seen, drawn, noise = [], [], Counted()
    x = sb.sample(
        model,
        solver.name,
        latents=latents,
        noise=noise,
        callback=lambda step: (seen.append(step), drawn.append(noise.draws)),
        **words,
    )
    return seen, x, drawn


@pytest.mark.parametrize("steps", STEPS)
def test_counted_evaluations_are_the_planned_ones(setting, steps, exact, latents):
    solver, params = setting
    words = pace(solver, steps, params, exact)
    seen, *_ = counted(exact, solver, {**words, **params}, latents)
    if adaptive(solver):
        assert seen[-1].nfe > 0
        return
    assert seen[-1].nfe == planned(exact, solver, params, words)
    assert type(seen[-1].nfe) is int


def endings(solver, params):
    """At each end no rule, every one alone, and all of them."""
    finals = ("zero", "sigma_min") if takes_final(solver) else (solver.final(params),)
    taken = solver.timeline.names(SimpleNamespace(discretization=("edm",)))
    for final in finals:
        rules = [name for name in RULES if name in taken and name not in solver.defaults]
        # Neither from 0 nor from where a sampler has denoised is there a way on to it.
        if final == "zero" or "denoise" in solver.defaults:
            rules = [name for name in rules if name != "denoise_to_zero"]
        end = {"final": final} if takes_final(solver) else {}
        for on in ((), *((name,) for name in rules), rules):
            yield {**end, **dict.fromkeys(on, True)}


def test_end_rules_count_as_planned_and_draw_as_ever(setting_in_sigma):
    """At few steps, on unit normal pixels."""
    solver, params = setting_in_sigma
    latents = torch.ones(2, 1, 1, 1, dtype=torch.float64)
    most = pace(solver, 5, params)
    for steps in ({"steps": 1}, {"steps": 2}, most) if most else (most,):
        for ends in endings(solver, params):
            given = {**params, **ends}
            if not runs(solver, steps, given):
                assert steps is not most, (steps, ends)
                continue
            plan = planned(UnitPixel(), solver, given, steps)
            seen, x, drawn = counted(UnitPixel(), solver, {**steps, **given}, latents)
            assert plan in (None, seen[-1].nfe), (steps, ends)
            assert torch.equal(seen[-1].x, x), (steps, ends)
            assert x.isfinite().all(), (steps, ends)
            if steps:
                assert drawn[-1] == solver.noises(steps["steps"], params), (steps, ends)


@pytest.mark.parametrize("steps", STEPS)
def test_a_grid_may_end_at_sigma_min(setting_in_sigma, steps, exact, latents):
    solver, params = setting_in_sigma
    if not takes_final(solver):
        pytest.skip(f"{solver.name} says itself where its levels end")
    words = {**params, "final": "sigma_min", **pace(solver, steps, params, exact)}
    seen, x, _ = counted(exact, solver, words, latents)
    assert len(seen) == words["steps"] and seen[-1].sigma == pytest.approx(0.002)
    assert torch.equal(seen[-1].x, x)


def test_declared_evaluations_are_those_of_a_probe(solver):
    if adaptive(solver):
        pytest.skip(f"{solver.name} plans none")
    probed = replace(solver, entry=replace(solver.entry, evaluations=None))
    ends = ({"final": "zero"}, {"final": "sigma_min"}) if takes_final(solver) else ({},)
    counts = {pace(solver, steps)["steps"] for steps in STEPS} if on_levels(solver) else STEPS
    for steps in counts:
        for end in ends:
            assert probed.evaluations(steps, end) == solver.evaluations(steps, end), (steps, end)


def test_levels_of_its_own_end_as_declared(solver):
    """What `list` tells of them is read off the registration."""
    if not on_levels(solver) or takes_final(solver):
        pytest.skip(f"{solver.name} has none")
    words = pace(solver, 24)
    last = prepare(UnitPixel(), solver.name, **words).timeline.levels[-1]
    assert solver.final() == ("sigma_min" if last > 0 else "zero")


def test_nfe_is_a_budget(solver):
    if not paced(solver):
        with pytest.raises(UsageError, match=solver.name):
            prepare(UnitPixel(), solver.name, nfe=20)
        return
    least = next(nfe for nfe in range(1, 100) if _fits(solver, nfe))
    assert solver.evaluations(solver.steps_for(least)) == least
    for nfe in range(least, least + 40):
        steps = solver.steps_for(nfe)
        assert steps >= solver.timeline.least
        assert solver.evaluations(steps) <= nfe < solver.evaluations(steps + 1)


def _fits(solver, nfe):
    try:
        return solver.steps_for(nfe) > 0
    except UsageError as error:
        assert f"nfe={nfe} is too small for sampler {solver.name}" in str(error)
        return False


def test_nfe_and_steps_mean_the_same_run(setting, exact, latents):
    solver, params = setting
    if not paced(solver):
        pytest.skip(f"{solver.name} takes neither")
    steps = pace(solver, 5, params, exact)
    nfe = planned(exact, solver, params, steps)
    by_nfe = sb.sample(exact, solver.name, nfe=nfe, latents=latents, **params)
    assert torch.equal(by_nfe, sb.sample(exact, solver.name, latents=latents, **steps, **params))


def test_the_smallest_budgets_work_or_are_refused_by_name(setting, exact, latents):
    solver, params = setting
    if not paced(solver):
        pytest.skip(f"{solver.name} has no budget")
    for nfe in (1, 2, 3, 4):
        try:
            x = sb.sample(exact, solver.name, nfe=nfe, latents=latents, **params)
        except UsageError as error:
            assert solver.name in str(error)
        else:
            assert x.isfinite().all(), nfe


# inputs, noise, callback, output


def test_inputs_are_not_changed(setting, exact, latents):
    solver, params = setting
    given, words = latents.clone(), pace(solver, 4, params, exact)
    sb.sample(exact, solver.name, latents=given, **words, **params)
    assert torch.equal(given, latents)

    setting = prepare(exact, solver.name, params=params, **words)
    steps, seen = setting.timeline, []
    x, grid = steps.start(latents), steps.grid
    model = steps.view(Bound(exact, torch.arange(len(x)), len(x)))
    x_then, grid_then = x.clone(), grid.clone()
    supplied = {k: v for k, v in steps.supplies.items() if k in accepted(solver.function)}
    with torch.no_grad():
        solver.function(
            model,
            x,
            grid,
            noise=Counted(),
            callback=lambda s: seen.append((s.x, s.x.clone(), s.denoised, s.denoised.clone())),
            **supplied,
            **setting.params,
        )
    assert torch.equal(x, x_then)
    assert torch.equal(grid, grid_then)
    # What a callback was given stays as it was, so a trajectory needs no copies.
    for state, state_then, denoised, denoised_then in seen:
        assert torch.equal(state, state_then)
        assert torch.equal(denoised, denoised_then)


@pytest.mark.parametrize("steps", STEPS)
def test_noise_is_drawn_as_planned_or_never(setting, steps, exact, latents):
    solver, params = setting
    words = pace(solver, steps, params, exact)
    if not solver.stochastic(params):
        sb.sample(exact, solver.name, latents=latents, noise=refuses, **words, **params)
        return
    _, _, drawn = counted(exact, solver, {**words, **params}, latents)
    steps = prepare(exact, solver.name, params=params, **words).steps
    assert drawn[-1] == solver.noises(steps, params)
    # Streams stay aligned: at least one by the end of every step.
    # A process's own step to t = 0 adds no noise.
    stepped = drawn[:steps] if solver.entry.timeline == "linear" else drawn
    assert all(before < after for before, after in pairwise([0, *stepped]))


def test_stochastic_settings_depend_on_the_noise(setting, exact, latents):
    solver, params = setting
    # The labels come from the same streams as the noise, hence the fixed ones.
    words = {**pace(solver, 5, params, exact), **params}
    first, second = (
        sb.sample(exact, solver.name, latents=latents, labels=3, noise=mode, **words)
        for mode in ("portable", "nvlabs")
    )
    assert torch.equal(first, second) is not solver.stochastic(params)


@pytest.mark.parametrize("steps", STEPS)
def test_callback_follows_the_grid(setting, steps, exact, latents):
    solver, params = setting
    words = pace(solver, steps, params, exact)
    seen, x, _ = counted(exact, solver, {**words, **params}, latents)
    setting = prepare(exact, solver.name, params=params, **words)
    plain = sb.sample(exact, solver.name, latents=latents, noise=Counted(), **words, **params)
    assert torch.equal(plain, x)
    if not evaluates(solver):
        (end,) = seen
        assert torch.equal(end.x, x) and torch.equal(end.denoised, x)
        assert (end.index, end.nfe, end.sigma) == (0, 0, setting.timeline.grid[-1])
        return
    if on_levels(solver) and not takes_final(solver):
        # A step may be several levels, and a method may go up again.
        assert [step.index for step in seen] == list(range(len(seen)))
        assert seen[-1].sigma == pytest.approx(float(setting.timeline.grid[-1]))
        plan = planned(exact, solver, params, words)
        _check_states(seen, x, seen[-1].nfe if plan is None else plan)
        return
    if solver.entry.timeline == "linear":
        grid = setting.timeline.grid
        denoised = setting.params["denoise"]
        assert [step.index for step in seen] == list(range(steps + denoised))
        assert [step.t for step in seen] == [*grid[1:].tolist(), *[0.0] * denoised]
        _check_states(seen, x, setting.evaluations)
        assert all(torch.equal(setting.timeline.process.decode(step.u), step.x) for step in seen)
        return
    assert [step.index for step in seen] == list(range(steps))
    on_steps = solver.entry.timeline == "discrete"
    grid = (
        np.append(setting.timeline.process.sigmas[::-1], 0.0)
        if on_steps
        else setting.timeline.levels
    )
    levels = grid[1:].tolist()
    if solver.name == "ddim-reverse":  # from the least noise up to nothing but noise
        levels = [*grid[-3::-1].tolist(), math.inf]
    assert [step.sigma for step in seen] == pytest.approx(levels, rel=1e-12, abs=0)
    assert seen[-1].sigma == levels[-1]
    _check_states(seen, x, setting.evaluations)


def _check_states(seen, x, evaluations):
    counts = [step.nfe for step in seen]
    assert counts == sorted(counts)
    assert counts[0] >= 1
    assert counts[-1] == evaluations
    assert all(step.x.shape == step.denoised.shape == x.shape for step in seen)
    assert torch.equal(seen[-1].x, x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_output_is_finite_and_of_the_latents_kind(setting, dtype, exact, latents):
    solver, params = setting
    given, words = latents.to(dtype), {**pace(solver, 5, params, exact), **params}
    x = sb.sample(exact, solver.name, latents=given, **words)
    assert x.dtype == dtype
    assert x.shape == (len(given), *exact.shape)
    assert x.isfinite().all()
    full = sb.sample(exact, solver.name, latents=given.double(), **words)
    # The same numbers in another precision, not other ones; single samples may lie where the
    # trajectories part.
    assert (x - full).abs().flatten(1).max(1).values.median() < 1e-3


@pytest.mark.parametrize("mode", ["portable", "nvlabs"])
def test_equal_seeds_give_equal_bits(setting, mode, exact):
    solver, params = setting
    words = {**pace(solver, 5, params, exact), **params}

    def drawn(seeds):
        return sb.sample(exact, solver.name, seeds=seeds, noise=mode, **words)

    first = drawn([3, 5, 8])
    drawn([13, 21])
    assert torch.equal(drawn([3, 5, 8]), first)
    assert not torch.equal(drawn([3, 5, 9])[2], first[2])


# one algorithm, several names


def test_an_alias_is_the_same_algorithm(setting, exact, latents):
    solver, params = setting
    steps = pace(solver, 6, params, exact)
    for given in nearby(solver, params):
        # An alias may have another usual end.
        try:
            end = {"final": solver.final(given)} if takes_final(solver) else {}
            own = sb.sample(exact, solver.name, latents=latents, **steps, **end, **given)
        except UsageError:
            continue
        name, kept = solver.canonical(given)
        alias = sb.sample(exact, name, latents=latents, **steps, **end, **kept)
        assert (own - alias).abs().max() < 1e-10, given
        assert Solver.of(name).canonical(kept) == (name, kept)
        assert Solver.of(name).stochastic(kept) == solver.stochastic(given)
        plan, same = (
            planned(exact, which, {**words, **end}, steps)
            for which, words in ((solver, given), (Solver.of(name), kept))
        )
        assert plan == same, given


# words


def test_a_parameter_of_words_names_them(solver):
    if not on_levels(solver):
        pytest.skip(f"{solver.name}: the words of other kinds have tests of their own")
    for name, default in solver.defaults.items():
        if isinstance(default, str):
            said = refusal(solver, {name: "#"})
            assert "known: " in said or solver.name in said, name


def test_every_word_runs_as_planned(solver, exact, latents):
    for word in other_words(solver):
        params = {**usual(solver), **word}
        words = pace(solver, 5, params, exact)
        seen, x, drawn = counted(exact, solver, {**words, **params}, latents)
        assert x.isfinite().all(), params
        assert planned(exact, solver, params, words) in (None, seen[-1].nfe), params
        if "steps" in words:
            assert drawn[-1] == solver.noises(words["steps"], params), params


def test_parameters_of_others_are_refused(solver, exact, latents):
    words = pace(solver, 2, model=exact)
    with pytest.raises(UsageError, match="unknown parameter"):
        sb.sample(exact, solver.name, latents=latents, no_such_parameter=1, **words)
    # One step is from the first level to the last; down to 0 there would be but one level.
    single = on_levels(solver) and solver.final() == "sigma_min"
    for steps in {0, 1, -3, 2.5} - {1 if single else solver.timeline.least}:
        with pytest.raises(UsageError):
            sb.sample(exact, solver.name, steps=steps, latents=latents)

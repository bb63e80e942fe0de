"""What holds for every sampler, on a model of the kind that it needs."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.answers.parameters import accepted
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.noise.streams import stream
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver

STEPS = (2, 3, 5, 18)


def refuses(x):
    raise AssertionError("a deterministic sampler asked for noise")


class Counted:
    """Seeded noise that counts its draws."""

    def __init__(self) -> None:
        self.draws, self.rng = 0, torch.Generator().manual_seed(1)

    def __call__(self, x):
        self.draws += 1
        return torch.randn(x.shape, generator=self.rng, dtype=torch.float64).to(x)


def planned(model, solver, words):
    """Evaluations of a request, a process's own step to t = 0 among them."""
    steps, params = words["steps"], {k: v for k, v in words.items() if k != "steps"}
    return prepare(model, solver.name, steps=steps, params=params).evaluations


def budgeted(solver):
    if not solver.timeline.budgeted:
        pytest.skip(f"{solver.name} chooses its steps itself")


# order of convergence


@pytest.fixture(scope="session")
def flow(digits):
    """The probability-flow ODE of 48 seeds: (seeds, state at sigma_min, state at 0).

    Solved in log sigma by an eighth-order method to 1e-10. Below the last level nothing happens
    in units of log sigma: the state at 0 is the denoised image at 1e-7.
    """
    from scipy.integrate import solve_ivp

    seeds = range(48)
    grid = prepare(digits, "euler", steps=2).timeline
    noise = stream("portable", seeds, digits.device, torch.float64)
    start, labels = noise.start(digits.shape, digits.num_classes)

    def slope(log_sigma, flat):
        x = torch.from_numpy(flat).reshape(start.shape)
        return (x - digits(x, float(np.exp(log_sigma)), labels)).numpy().ravel()

    state = (start * grid.sigma_max).numpy().ravel()
    levels = np.log([grid.sigma_max, grid.sigma_min, 1e-7])
    states = []
    for span in pairwise(levels):
        state = solve_ivp(slope, span, state, method="DOP853", rtol=1e-10, atol=1e-10).y[:, -1]
        states.append(torch.from_numpy(state.copy()).reshape(start.shape))
    return seeds, states[0], digits(states[1], 1e-7, labels)


def test_order_of_convergence_is_the_declared_one(solver, exact, flow):
    if solver.entry.order is None:
        pytest.skip(f"{solver.name} declares no order")
    if solver.stochastic({}):
        pytest.skip(f"{solver.name} is stochastic by default")
    if solver.entry.timeline != "sigma":
        pytest.skip("its grids end where the model does: measured between successive ones below")
    seeds, at_last_level, at_zero = flow
    counts, errors = (32, 64, 128, 256), []
    for steps in counts:
        states = []
        x = sb.sample(exact, solver.name, steps=steps, seeds=seeds, rho=7, callback=states.append)
        # The step from sigma_min to 0 is the same in every grid: its error does not shrink with N,
        # so the order is measured before it.
        before_last = states[-2]
        assert before_last.sigma == pytest.approx(0.002, rel=1e-12)
        errors.append((before_last.x - at_last_level).flatten(1).norm(dim=1).median().item())
        final = (x - at_zero).flatten(1).norm(dim=1).median().item()
        assert final < errors[-1] + 3e-4
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(solver.entry.order, abs=0.15), errors


def test_order_of_convergence_on_the_steps_of_a_process(solver, exact):
    """Twice the steps halve the distance to twice the steps, to the power of the order."""
    if solver.entry.timeline != "discrete" or solver.entry.order is None:
        pytest.skip(f"{solver.name} declares no order on a discrete process")
    runs = [
        sb.sample(exact, solver.name, steps=n, seeds=range(32), clip_x0=False)
        for n in (16, 32, 64, 128)
    ]
    gaps = [(b - a).flatten(1).norm(dim=1).median().item() for a, b in pairwise(runs)]
    slope = -np.polyfit(np.log2([16, 32, 64]), np.log2(gaps), 1)[0]
    assert slope == pytest.approx(solver.entry.order, abs=0.15), gaps


def test_order_of_convergence_in_a_processs_time(solver, digits):
    if solver.entry.timeline != "linear" or solver.entry.order is None:
        pytest.skip(f"{solver.name} declares no order on a linear process")
    # Rounding is what is left of a high order's error after fewer steps.
    counts = (8, 16, 32, 64) if solver.entry.order > 3 else (128, 256, 512)
    runs = [sb.sample(digits, solver.name, steps=n, seeds=range(16), process="vp") for n in counts]
    gaps = [(b - a).flatten(1).norm(dim=1).median().item() for a, b in pairwise(runs)]
    slope = -np.polyfit(np.log2(counts[:-1]), np.log2(gaps), 1)[0]
    assert slope == pytest.approx(solver.entry.order, abs=0.15), gaps


# evaluations


@pytest.mark.parametrize("steps", STEPS)
def test_counted_evaluations_are_the_planned_ones(setting, steps, exact, latents, how):
    solver, params = setting
    budgeted(solver)
    seen, words = [], how(solver, params, steps)
    sb.sample(exact, solver.name, latents=latents, callback=seen.append, **words)
    assert seen[-1].nfe == planned(exact, solver, words)
    assert type(seen[-1].nfe) is int


@pytest.mark.parametrize("steps", STEPS)
def test_a_grid_may_end_at_sigma_min(setting_in_sigma, steps, exact, latents):
    solver, params = setting_in_sigma
    seen, words = [], {"steps": steps, **params, "final": "sigma_min"}
    x = sb.sample(exact, solver.name, latents=latents, callback=seen.append, **words)
    assert seen[-1].nfe == planned(exact, solver, words)
    assert len(seen) == steps and seen[-1].sigma == pytest.approx(0.002)
    assert torch.equal(seen[-1].x, x)


def test_declared_evaluations_are_those_of_a_probe(solver):
    budgeted(solver)
    probed = replace(solver, entry=replace(solver.entry, evaluations=None))
    for steps in {max(steps, solver.least()) for steps in STEPS}:
        assert probed.evaluations(steps) == solver.evaluations(steps)


def test_nfe_is_a_budget(solver):
    budgeted(solver)
    least = solver.evaluations(solver.least())
    for nfe in range(least, least + 40):
        steps = solver.steps_for(nfe)
        assert steps >= solver.least()
        assert solver.evaluations(steps) <= nfe < solver.evaluations(steps + 1)
    with pytest.raises(UsageError, match=f"nfe={least - 1} is too small"):
        solver.steps_for(least - 1)


def test_nfe_and_steps_mean_the_same_run(setting, exact, latents, how):
    solver, params = setting
    budgeted(solver)
    words = how(solver, params, 5)
    nfe = planned(exact, solver, words)
    by_nfe = sb.sample(exact, solver.name, nfe=nfe, latents=latents, **params)
    assert torch.equal(by_nfe, sb.sample(exact, solver.name, latents=latents, **words))


# inputs, noise, callback, output


def test_inputs_are_not_changed(setting, exact, latents, how):
    solver, params = setting
    given, words = latents.clone(), how(solver, params, 4)
    sb.sample(exact, solver.name, latents=given, **words)
    assert torch.equal(given, latents)

    setting = prepare(exact, solver.name, steps=words.get("steps"), params=params)
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
def test_noise_is_drawn_as_planned_or_never(setting, steps, exact, latents, how):
    solver, params = setting
    words = how(solver, params, steps)
    if not solver.stochastic(params):
        sb.sample(exact, solver.name, latents=latents, noise=refuses, **words)
        return
    noise, drawn = Counted(), []
    sb.sample(
        exact,
        solver.name,
        latents=latents,
        noise=noise,
        callback=lambda step: drawn.append(noise.draws),
        **words,
    )
    steps = words["steps"]
    assert drawn[-1] == solver.noises(steps, params)
    if solver.entry.noises is None:
        # A process's own step to t = 0 adds no noise.
        assert drawn == [*range(1, steps + 1), *[steps] * (len(drawn) - steps)]


def test_stochastic_settings_depend_on_the_noise(setting, exact, latents, how):
    solver, params = setting
    words = how(solver, params, 5)
    # The labels come from the same streams as the noise, hence the fixed ones.
    first, second = (
        sb.sample(exact, solver.name, latents=latents, labels=3, noise=mode, **words)
        for mode in ("portable", "nvlabs")
    )
    assert torch.equal(first, second) is not solver.stochastic(params)


@pytest.mark.parametrize("steps", STEPS)
def test_callback_follows_the_grid(setting, steps, exact, latents, how):
    solver, params = setting
    seen, words = [], how(solver, params, steps)
    x = sb.sample(exact, solver.name, latents=latents, callback=seen.append, **words)
    if not solver.timeline.budgeted:
        # Sample by sample it is another grid.
        levels = [step.sigma for step in seen]
        assert [step.index for step in seen] == list(range(len(seen)))
        assert levels == sorted(levels, reverse=True)
        _check_states(seen, x, seen[-1].nfe)
        return
    steps = words["steps"]
    setting = prepare(exact, solver.name, steps=steps, params=params)
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
    plain = sb.sample(exact, solver.name, latents=latents, **words)
    assert torch.equal(plain, x)


def _check_states(seen, x, evaluations):
    counts = [step.nfe for step in seen]
    assert counts == sorted(counts)
    assert counts[0] >= 1
    assert counts[-1] == evaluations
    assert all(step.x.shape == step.denoised.shape == x.shape for step in seen)
    assert torch.equal(seen[-1].x, x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_output_is_finite_and_of_the_latents_kind(setting, dtype, exact, latents, how):
    solver, params = setting
    given, words = latents.to(dtype), how(solver, params, 5)
    x = sb.sample(exact, solver.name, latents=given, **words)
    assert x.dtype == dtype
    assert x.shape == (len(given), *exact.shape)
    assert x.isfinite().all()
    full = sb.sample(exact, solver.name, latents=given.double(), **words)
    # The same numbers in another precision, not other ones; single samples may lie where the
    # trajectories part.
    assert (x - full).abs().flatten(1).max(1).values.median() < 1e-3


@pytest.mark.parametrize("mode", ["portable", "nvlabs"])
def test_equal_seeds_give_equal_bits(setting, mode, exact, how):
    solver, params = setting
    words = how(solver, params, 5)

    def drawn(seeds):
        return sb.sample(exact, solver.name, seeds=seeds, noise=mode, **words)

    first = drawn([3, 5, 8])
    drawn([13, 21])
    assert torch.equal(drawn([3, 5, 8]), first)
    assert not torch.equal(drawn([3, 5, 9])[2], first[2])


# one algorithm, several names


def _nearby(solver, params):
    """The parameters, then each number of the sampler moved once."""
    yield params
    for name, default in solver.defaults.items():
        if isinstance(default, float):
            yield {**params, name: 0.5}
        elif isinstance(default, int) and not isinstance(default, bool):
            yield {**params, name: default + 1}


def test_an_alias_is_the_same_algorithm(setting, exact, latents, how):
    solver, params = setting
    for given in _nearby(solver, params):
        try:
            own = sb.sample(exact, solver.name, latents=latents, **how(solver, given, 6))
        except UsageError:
            continue
        name, kept = solver.canonical(given)
        alias = sb.sample(exact, name, latents=latents, **how(Solver.of(name), kept, 6))
        assert (own - alias).abs().max() < 1e-10, given
        assert Solver.of(name).canonical(kept) == (name, kept)
        if solver.timeline.budgeted:
            assert Solver.of(name).evaluations(6) == solver.evaluations(6)
        assert Solver.of(name).stochastic(kept) == solver.stochastic(given)


def test_parameters_of_others_are_refused(solver, exact, latents, how):
    words = {"latents": latents, "no_such_parameter": 1}
    with pytest.raises(UsageError, match="unknown parameter"):
        sb.sample(exact, solver.name, **words, **how(solver, {}, 2))
    for steps in {0, 1, -3, 2.5} - {solver.timeline.least}:
        with pytest.raises(UsageError):
            sb.sample(exact, solver.name, steps=steps, latents=latents)

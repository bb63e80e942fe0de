"""A card's numbers are a solver: those of known methods give what the methods give."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import InputError
from tests.unit.cards.making import LEVELS, TIMES, euler, heun, parallel, write

POSITIVE = (80.0, 20.0, 5.0, 1.0, 0.3, 0.05)


@pytest.fixture
def run(tmp_path, mixture):
    """`run(content)`: end states of a card on a mixture; of a name, of a sampler on levels."""
    model, latents = mixture("smooth5"), None

    def ended(what, **words):
        nonlocal latents
        if latents is None:
            draw = torch.Generator().manual_seed(3)
            latents = torch.randn(6, *model.shape, generator=draw, dtype=torch.float64)
        if isinstance(what, dict):
            what = f"card:{write(tmp_path / 'card.json', what)}"
        return sb.sample(model, what, latents=latents, **words)

    ended.model = model
    return ended


@pytest.mark.parametrize("time", ["sigma", "vp", "flow"])
@pytest.mark.parametrize("predicts", ["eps", "x0", "flow"])
@pytest.mark.parametrize("levels", [LEVELS, POSITIVE])
def test_eulers_method_is_ours_in_every_time_and_prediction(run, time, predicts, levels):
    final = "zero" if levels[-1] == 0 else "sigma_min"
    expected = run("ddim", discretization=levels, final=final)
    found = run(euler(levels, time, predicts))
    # The inverse of VP's time and 1 - t of a flow lose a few digits at 80.
    assert float((found - expected).abs().max()) < 1e-12 * 80


@pytest.mark.parametrize("levels", [LEVELS, POSITIVE])
def test_heuns_method_with_its_stages_as_states_is_ours(run, levels):
    final = "zero" if levels[-1] == 0 else "sigma_min"
    expected = run("heun", discretization=levels, final=final)
    asked = list(run.model.calls)
    run.model.calls.clear()
    assert float((run(heun(levels)) - expected).abs().max()) < 1e-12
    assert run.model.calls == pytest.approx(asked, rel=1e-12)


def test_adams_bashforth_from_its_weights_is_lms(run):
    """Of two slopes, by the integrals of the lines through them."""
    levels, card = POSITIVE, euler(POSITIVE)
    for i in range(1, len(levels) - 1):
        t, last, down = levels[i], levels[i - 1], levels[i + 1]
        h = down - t
        older = h**2 / 2 / (last - t)
        card["c"][i][i - 1 : i + 1] = [older, h - older]
    expected = run("lms", discretization=levels, order=2, final="sigma_min")
    assert float((run(card) - expected).abs().max()) < 1e-12


@pytest.mark.parametrize("time", ["sigma", "vp", "flow"])
def test_a_shift_moves_the_time_of_an_evaluation_and_not_its_state(tmp_path, time):
    """One step from 5 to 1, evaluated later than 5 by a shift in the card's own time."""
    clock, scale = TIMES[time]
    shift = -0.1 * clock(5.0)
    card = euler((5.0, 1.0), time, "x0", shifts=[shift])
    asked = []

    class Model:
        shape, sigma_min, sigma_max = (1, 1, 1), 0.0, math.inf

        def __call__(self, x, sigma, labels=None):
            asked.append((x.clone(), float(sigma)))
            return 0.5 * x

    latents = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    path = write(tmp_path / "shifted.json", card)
    found = float(sb.sample(Model(), f"card:{path}", latents=latents))
    inverse = {
        "sigma": lambda t: t,
        "vp": lambda t: math.sqrt(math.expm1(9.95 * t**2 + 0.1 * t)),
        "flow": lambda t: t / (1 - t),
    }[time]
    sigma = inverse(clock(5.0) + shift)
    # The network's input is the state as one of the time it is told.
    seen = 5 * scale(5.0) / scale(sigma)
    ((x, told),) = asked
    assert told == pytest.approx(sigma, rel=1e-12) and float(x) == pytest.approx(seen, rel=1e-12)
    a, c = card["a"][0][0], card["c"][0][0]
    assert found == pytest.approx((a * 5 * scale(5.0) + c * 0.5 * seen) / scale(1.0), rel=1e-12)


def test_parallel_points_are_evaluated_as_often_as_they_are(run):
    run(parallel())
    assert len(run.model.calls) == 6


def test_of_200_states_a_few_are_held(tmp_path):
    path = write(tmp_path / "long.json", euler([*np.geomspace(80, 0.01, 201)]))
    most = 0

    class Model:
        shape, sigma_min, sigma_max = (3, 7, 5), 0.0, math.inf

        def __call__(self, x, sigma, labels=None):
            nonlocal most
            if sigma < 0.0106:
                alive = [o for o in gc.get_objects() if type(o) is torch.Tensor]
                most = sum(each.shape == x.shape for each in alive)
            return x / (1 + sigma**2)

    sb.sample(Model(), f"card:{path}", seeds=[0, 1])
    assert 0 < most < 12


@pytest.mark.parametrize("time", ["sigma", "vp"])
def test_the_callback_gets_every_state_as_the_card_scales_it(run, time):
    steps = []
    end = run(euler(LEVELS, time), callback=steps.append)
    plain = []
    run("euler", discretization=LEVELS, callback=plain.append)
    scale = TIMES[time][1]
    assert [step.index for step in steps] == [0, 1, 2, 3]
    assert [step.nfe for step in steps] == [1, 2, 3, 4]
    for step, other in zip(steps, plain, strict=True):
        assert step.sigma == pytest.approx(other.sigma, rel=1e-12)
        torch.testing.assert_close(step.x / scale(other.sigma), other.x)
        torch.testing.assert_close(step.denoised, other.denoised)
    torch.testing.assert_close(steps[-1].x, end)


def test_arithmetic_is_in_the_precision_of_the_state(tmp_path):
    path = write(tmp_path / "one.json", euler(time="vp"))
    model = sb.load("digits-adm")
    latents = torch.randn(2, *model.shape, dtype=torch.float32)
    assert sb.sample(model, f"card:{path}", latents=latents).dtype is torch.float32


def test_thresholding_is_for_cards_too(tmp_path):
    class Model:
        shape, sigma_min, sigma_max = (1, 4, 4), 0.0, math.inf

        def __call__(self, x, sigma, labels=None):
            return 3 * x / (1 + sigma)

    word = f"card:{write(tmp_path / 'one.json', euler())}"
    found, plain = (
        sb.sample(Model(), word, seeds=[0, 1], thresholding=rule) for rule in (True, False)
    )
    given = {"discretization": LEVELS, "seeds": [0, 1], "thresholding": True}
    torch.testing.assert_close(found, sb.sample(Model(), "euler", **given))
    assert float(found.abs().max()) <= 1 < float(plain.abs().max())


def test_a_time_of_no_noise_at_all_is_refused(run, refused):
    times = [*euler(time="vp")["times"][:3], 1e-323, 0]
    refused(lambda: run({**euler(time="vp"), "times": times}), InputError, "is at sigma 0")


def test_what_grows_without_end_is_no_fault_of_the_networks(tmp_path):
    content = euler()
    content["a"][1][1] = content["a"][2][2] = 1e200
    path = write(tmp_path / "grows.json", content)
    with pytest.warns(UserWarning, match="what the network .*was given was not finite from eval"):
        sb.sample(sb.load("digits-exact"), f"card:{path}", seeds=[0])

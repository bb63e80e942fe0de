"""Runs that begin at one of their levels with real images: every registered sampler, every kind."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.discrete import DiscreteModel
from samplebench.models.exact_linear import ExactLinearModel
from samplebench.noise.streams import stream
from samplebench.processes import process
from samplebench.processes.discrete import discrete_process
from samplebench.processes.linear import apply
from samplebench.registry import samplers
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver, toy_batch
from samplebench.timelines.sigma import Sigma
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Words

STEPS = 10
# Whoever evaluates nothing has no steps to be started at.
ALL = [
    entry.name
    for entry in samplers
    if entry.builtin and entry.draws and Solver.of(entry.name).timeline.evaluates
]
# Whose steps are not told, or follow from all of them.
WHOLE = {"dpm-solver-fast", "pc", "pc-batch", "restart", "rk45"}
# A step of these knows the state alone, and not what was before it.
MEMORYLESS = {
    "ddim": {}, "ddim-native": {}, "dpm-2": {}, "dpm-solver-2": {}, "edm": {"S_churn": 4.0},
    "euler": {"S_churn": 4.0}, "euler-ancestral": {}, "euler-flow": {}, "euler-maruyama": {},
    "heun": {"S_churn": math.inf}, "dpmpp-2s-ancestral": {}, "rk45-flow": {}, "respaced": {},
}  # fmt: skip


def toy(name, params=None, steps=STEPS):
    """A setting on the toy model of its own kind of time, and that model."""
    solver = Solver.of(name)
    model = solver.timeline.toy(steps).toy_model()
    return prepare(model, solver, steps=steps, params=params or {}), model


@pytest.mark.parametrize("name", [n for n in ALL if n not in WHOLE])
@pytest.mark.parametrize("first", [0, 4, STEPS - 1])
def test_a_tail_makes_the_evaluations_of_its_steps(name, first):
    setting, model = toy(name)
    levels = setting.starts()
    assert len(levels) == STEPS and levels == sorted(levels, reverse=True) and levels[-1] > 0
    tail = setting.tail(first)
    assert tail.steps == STEPS - first
    assert tail.timeline.condition == setting.timeline.condition
    assert tail.timeline.grid.tolist() == setting.timeline.grid.tolist()[first:]
    bound, latents = toy_batch(tail.timeline, model)
    images = torch.zeros(1, *model.shape, dtype=torch.float64)
    end = tail.run(bound, latents, torch.zeros_like, images=images)
    assert end.shape == images.shape and bool(end.isfinite().all())
    assert bound.nfe == tail.evaluations
    assert tail.evaluations < setting.evaluations or first == 0


@pytest.mark.parametrize("name", ["unipc", "dpmpp-3m", "dpmpp-2m", "deis", "ipndm"])
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_a_chain_shorter_than_its_order_ends_as_the_whole_run_does(name, final, monkeypatch):
    """Corrections and the points of the last step are those at the end of the run."""
    from samplebench.samplers.multistep import Method

    seen = []
    points, corrects = Method.points, Method.corrects
    monkeypatch.setattr(
        Method, "points", lambda m, i, n: seen.append([n - i, points(m, i, n)]) or seen[-1][1]
    )
    monkeypatch.setattr(
        Method, "corrects", lambda m, i, t: seen[-1].append(corrects(m, i, t)) or seen[-1][-1]
    )
    setting, model = toy(name, {"final": final})

    def steps_of(run):
        seen.clear()
        bound, latents = toy_batch(run.timeline, model)
        run.run(bound, latents, None, images=torch.zeros_like(latents))
        return {left: rest for left, *rest in seen}

    whole = steps_of(setting)
    assert steps_of(setting.tail(0)) == whole
    for first in (STEPS - 3, STEPS - 2, STEPS - 1):
        for place, (left, rest) in enumerate(steps_of(setting.tail(first)).items()):
            # While it has no history it has no more points than that.
            assert rest == [min(whole[left][0], place + 1), *whole[left][1:]]


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_what_cannot_be_started_says_so_in_a_line(name):
    solver = Solver.of(name)
    words = {"steps": 30} if solver.timeline.budgeted else {}
    setting = prepare(sb.load("digits-exact-uncond", device="cpu"), solver, **words)
    for ask in (setting.starts, lambda: setting.tail(1)):
        with pytest.raises(UsageError, match=f"^sampler {name} sets its own") as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_a_kind_of_time_of_others_need_not_know():
    class Theirs(Sigma):
        starts = Timeline.starts

    model, euler = sb.load("digits-exact-uncond", device="cpu"), Solver.of("euler")
    setting = prepare(model, euler, steps=4)
    setting = replace(setting, timeline=Theirs.of(model, euler, Words(steps=4)))
    with pytest.raises(UsageError, match="sampler euler cannot be started"):
        setting.tail(1)


@pytest.mark.parametrize("first", [-1, STEPS, 99])
def test_a_step_that_is_not_there(first):
    with pytest.raises(UsageError, match=f"has steps 0 to 9, not {first}"):
        toy("heun")[0].tail(first)


@pytest.mark.parametrize("name", sorted(MEMORYLESS))
def test_a_chain_that_is_taken_up_ends_as_the_whole(name):
    """From the state that the whole chain has there, with the noise that it had."""
    setting, model = toy(name, MEMORYLESS[name])
    kept = {}

    def drawn(x):
        return torch.full_like(x, 0.3)

    def note(step):
        kept[step.index] = step.x if step.u is None else step.u

    bound, latents = toy_batch(setting.timeline, model)
    end = setting.run(bound, latents, drawn, note)
    for first in (1, 4, STEPS - 1):
        tail = setting.tail(first)
        bound, _ = toy_batch(tail.timeline, model)
        state = kept[first - 1]
        zero = torch.zeros_like(latents)
        unit = tail.timeline.noised(torch.ones(1, *model.shape, dtype=torch.float64), zero)
        images = (state / unit).reshape(1, *model.shape)
        again = tail.run(bound, zero, drawn, images=images)
        assert torch.allclose(again, end, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in ALL if Solver.of(n).timeline is Sigma])
def test_from_black_at_the_top_it_is_the_ordinary_run(name):
    """To the bit: x0 + sigma n with x0 = 0 is the prior's draw."""
    model = sb.load("digits-exact-uncond", device="cpu")
    setting = prepare(model, name, steps=4)
    noise = sb.sample(model, name, steps=4, seeds=range(3))
    streams = stream("portable", range(3), "cpu", torch.float64)
    latents, _ = streams.start(model.shape, 0)
    with torch.no_grad():
        black = torch.zeros(3, *model.shape, dtype=torch.float64)
        end = setting.tail(0).run(Bound(model, None, 3), latents, streams, images=black)
    assert torch.equal(end, noise)


def test_a_first_slope_without_an_evaluation_is_the_whole_runs():
    setting, _ = toy("euler", {"afs": True})
    assert setting.tail(0).evaluations == STEPS - 1
    assert setting.tail(1).evaluations == STEPS - 1
    assert setting.tail(3).evaluations == STEPS - 3


# models that know one image, which every chain from it must end in

IMAGE = torch.linspace(-0.8, 0.7, 16, dtype=torch.float64).reshape(1, 1, 4, 4)


@pytest.mark.parametrize("first", [0, 5, STEPS - 1])
@pytest.mark.parametrize("name", ["vp", "ve", "cld", "bdm"])
def test_a_linear_chain_from_the_only_image_ends_in_it(name, first):
    size = {"image_size": 4} if name == "bdm" else {}
    law = process(name, **size)
    model = ExactLinearModel(IMAGE, None, 1e-6, law)
    setting = prepare(model, "gddim", steps=STEPS, params={"denoise": False}).tail(first)
    images = IMAGE.expand(2, -1, -1, -1)
    shape = setting.timeline.latent_shape((1, 4, 4))
    noise = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        end = setting.run(Bound(model, None, 2), noise, None, images=images)
    # What is left at t_min is its noise, the one that was drawn.
    assert torch.allclose(end, law.decode(_state(law, images, noise, law.t_min)), atol=2e-4)


def _state(law, images, noise, t):
    z = noise if law.channels > 1 else noise[:, None]
    return apply(law.signal(t), law.encode(images)) + apply(law.R(t), z)


@pytest.mark.parametrize("first", [0, 5, STEPS - 1])
@pytest.mark.parametrize("name", ["ddim", "respaced"])
def test_a_discrete_chain_from_the_only_image_ends_in_it(name, first):
    flags = {"noise_schedule": "linear", "diffusion_steps": 1000, "learn_sigma": False}
    law = discrete_process(flags)
    kept = torch.from_numpy(law.alpha_bar)

    def network(x, t, y=None):
        a = kept[t].reshape(-1, 1, 1, 1)
        return (x - a.sqrt() * IMAGE) / (1 - a).sqrt()

    model = DiscreteModel(network, law, shape=(1, 4, 4), dtype=None)
    setting = prepare(model, name, steps=STEPS).tail(first)
    noise = torch.randn(2, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    state = setting.timeline.noised(IMAGE, noise)
    a = law.respaced(str(STEPS)).alpha_bar[STEPS - first - 1]
    assert torch.allclose(state, a**0.5 * IMAGE + (1 - a) ** 0.5 * noise, atol=1e-12)
    assert setting.starts()[0] == pytest.approx(math.sqrt((1 - a) / a))
    with torch.no_grad():
        end = setting.run(Bound(model, None, 2), noise, torch.zeros_like, images=IMAGE)
    assert torch.allclose(end, IMAGE.expand_as(end), atol=1e-9)

"""Cards among the words of a request: what they fix, what they refuse, what they remark."""

from __future__ import annotations

import json
import math
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.bench.conditions import setting_of
from samplebench.errors import OutOfBudget, UsageError
from samplebench.sampling.setting import prepare
from tests.unit.cards.making import euler, heun, parallel, write

GITS = [80, 10.9836, 3.8811, 1.584, 0.5666, 0.1698, 0.002]


@pytest.fixture
def card(tmp_path):
    """`card(content)`: the word of a card's file, each in a folder of its own."""

    def word(content):
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        folder.mkdir()
        return f"card:{write(folder / 'mine.json', content)}"

    return word


@pytest.fixture(scope="module")
def model():
    return sb.load("digits-exact-uncond")


@pytest.mark.parametrize(
    ("content", "steps", "nfe", "depth"), [(heun(), 7, 7, 7), (parallel(), 6, 6, 4)]
)
def test_a_card_fixes_steps_and_evaluations(card, model, content, steps, nfe, depth):
    word = card(content)
    for words in ({}, {"steps": steps}, {"nfe": nfe}, {"nfe": nfe + 5}):
        setting = prepare(model, word, **words)
        assert (setting.steps, setting.evaluations, setting.depth) == (steps, nfe, depth)
    with pytest.raises(OutOfBudget, match=f"its card has {nfe} evaluations"):
        prepare(model, word, nfe=nfe - 1)
    with pytest.raises(UsageError, match=f"has {steps} steps"):
        prepare(model, word, steps=steps + 1)


@pytest.mark.parametrize(
    "words",
    [
        {"rho": 7}, {"discretization": "edm"}, {"sigma_min": 0.1}, {"respacing": "25"},
        {"params": {"final": "zero"}}, {"params": {"afs": True}}, {"params": {"rho": 3}},
        {"params": {"denoise_to_zero": True}}, {"params": {"sigma_max": 3}},
        {"params": {"eta": 1}},
    ],
)  # fmt: skip
def test_words_of_other_steps_are_refused(card, model, refused, words):
    name = next(iter(words.get("params", words)))
    refused(lambda: prepare(model, card(euler()), **words), UsageError, "card:mine", name)


SAMPLERS = ("euler", "heun", "ipndm", "dpmpp-2m", "dpmpp-3m", "unipc", "lms")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_list_is_the_whole_grid_whatever_the_samplers_usual_end_is(card, model, sampler):
    setting = prepare(model, sampler, discretization=card(GITS))
    assert setting.timeline.grid.tolist() == GITS
    zero = prepare(model, sampler, discretization=card([*GITS, 0]))
    assert zero.timeline.grid.tolist() == [*GITS, 0]
    said = prepare(model, sampler, discretization=card(GITS), params={"final": "zero"})
    assert said.timeline.grid.tolist() == [*GITS, 0]
    cut = prepare(model, sampler, discretization=card([*GITS, 0]), params={"final": "sigma_min"})
    assert cut.timeline.grid.tolist() == GITS


def test_a_list_card_is_the_levels_written_out(card, model):
    found = sb.sample(model, "ipndm", discretization=card(GITS), seeds=[0, 1])
    written = sb.sample(model, "ipndm", discretization=GITS, final="sigma_min", seeds=[0, 1])
    assert torch.equal(found, written)


def test_published_lists_run_on_any_model(card, model, goldens):
    """Also those that go beyond it, which levels that a user types may not."""
    lists = json.loads((goldens / "grids" / "published.json").read_text(encoding="utf-8"))["lists"]
    narrow = SimpleNamespace(sigma_min=0.01, sigma_max=50.0, shape=model.shape)
    for content in lists:
        for each in (model, narrow):
            grid = prepare(each, "euler", discretization=card(content)).timeline.grid
            assert grid.tolist() == content["sigmas"]
        x = sb.sample(model, "euler", discretization=card(content), seeds=[0])
        assert 0.1 < float(x.std()) < 2


def test_levels_within_a_discrete_models_range_are_rounded_to_its_own(card):
    model = sb.load("digits-adm")
    low = model.sigma_min
    levels = [3 * model.sigma_max, 20.0, 5.0, 1.0, low / 2]
    grid = prepare(model, "euler", discretization=card(levels)).timeline.grid.tolist()
    assert grid[0] == levels[0] and grid[-1] == levels[-1]
    assert grid[1:-1] == [model.round_sigma(level) for level in levels[1:-1]]
    assert grid[1:-1] != levels[1:-1]


@pytest.mark.parametrize("words", [{"steps": 5}, {"nfe": 6}, {"rho": 7}, {"sigma_max": 40}])
def test_a_list_refuses_words_that_it_answers_itself(card, model, refused, words):
    given = {"discretization": card(GITS), **words}
    refused(lambda: prepare(model, "euler", **given), UsageError, "the levels of card:mine")


@pytest.mark.parametrize("final", [None, "zero", "sigma_min"])
@pytest.mark.parametrize("levels", [GITS, [*GITS, 0]])
def test_a_cell_of_a_list_runs_from_its_conditions_alone(card, model, levels, final, tmp_path):
    params = {} if final is None else {"final": final}
    content = {"sigmas": levels, "model": "another", "cost": {"hours": 2}}
    first = prepare(model, "ipndm", discretization=card(content), params=params)
    shutil.rmtree(tmp_path / "0")
    condition = json.loads(json.dumps(first.timeline.condition))
    assert str(tmp_path) not in json.dumps(condition)
    conditions = {
        "sampler": "ipndm", "params": first.params, "steps": first.steps,
        "discretization": condition,
    }  # fmt: skip
    again = setting_of(model, conditions)
    assert np.array_equal(again.timeline.levels, first.timeline.levels)
    assert again.timeline.condition == condition
    assert again.timeline.about == first.timeline.about
    assert again.remarks(model, "digits") == ["card:mine was made for another, not for digits"]
    shown = type(first.timeline).shown(condition)
    own = "zero" if levels[-1] == 0 else "sigma_min"
    assert shown == ("card:mine" if final in (None, own) else f"card:mine final={final}")


def remarks(setting, name="digits-adm", low=0.01, high=100.0, process=None):
    law = None if process is None else SimpleNamespace(name=process)
    return setting.remarks(SimpleNamespace(sigma_min=low, sigma_max=high, process=law), name)


@pytest.mark.parametrize("kind", ["solver", "list"])
def test_what_a_card_was_made_for_is_remarked_where_it_is_something_else(card, model, kind):
    def made(levels=(80.0, 5.0, 0.05), **facts):
        if kind == "solver":
            return prepare(model, card(euler(levels, **facts)))
        return prepare(model, "euler", discretization=card({"sigmas": [*levels], **facts}))

    def only(found, *words):
        (line,) = found
        assert all(word in line for word in ("card:mine", *words)), line

    assert remarks(made()) == []
    fits = made(model="Digits-ADM", process="vp", range=[0.05, 80])
    assert remarks(fits, process="vp") == [] and remarks(fits) == []
    assert remarks(fits, high=math.inf, low=0.0) == []
    only(remarks(made(model="SDXL")), "SDXL", "digits-adm")
    only(remarks(made(process="cld"), process="vp"), "process cld", "is vp")
    only(remarks(made(range=[0.002, 80])), "0.002 to 80", "0.01 to 100")
    only(remarks(made((300.0, 5.0, 0.05))), "300", "0.01 to 100")
    # Of a solver it is evaluations that count, and the last state is none.
    only(remarks(made((80.0, 0.001, 0.0005))), "0.001" if kind == "solver" else "0.0005")
    only(remarks(made((14.6, 5.0, 0.05))), "begins at sigma 14.6")


def test_a_released_models_own_names_are_its(card, model):
    """A card says which file it was made for, by the name that its makers gave the file."""
    setting = prepare(
        model,
        "euler",
        discretization=card({"sigmas": GITS, "model": "edm-cifar10-32x32-uncond-vp"}),
    )
    assert remarks(setting, "edm-cifar10-uncond-vp", 0.0, math.inf) == []
    assert len(remarks(setting, "edm-cifar10-uncond-ve", 0.0, math.inf)) == 1


def test_what_is_not_known_of_a_model_is_not_told(card, model):
    """A range of all levels is none, and before a model's file is here its range is not known."""
    setting = prepare(model, "euler", discretization=card({"sigmas": [14.6, 1, 0.05]}))
    whole = remarks(setting, low=0.0, high=math.inf)
    assert whole == ["card:mine begins at sigma 14.6, from noise alone"]
    assert remarks(setting) == [f"{whole[0]}; digits-adm knows 0.01 to 100"]


def test_levels_that_a_discrete_model_has_once_are_steps_of_no_length(card, refused):
    """Euler's method makes them, and one that divides by their length says so."""
    adm = sb.load("digits-adm")
    twice, once = card([80, 5, 4.999999, 4.999998, 1, 0.01]), card([80, 5, 1, 0.01])
    words = {"seeds": [0], "final": "sigma_min"}
    torch.testing.assert_close(
        sb.sample(adm, "euler", discretization=twice, **words),
        sb.sample(adm, "euler", discretization=once, **words),
    )
    for name in ("dpmpp-2m", "unipc", "deis", "lms"):
        run = partial(sb.sample, adm, name, discretization=twice, **words)
        refused(run, UsageError, name, "4.98631", "euler or heun")

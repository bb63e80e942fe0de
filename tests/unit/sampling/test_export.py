"""Samplers as solver cards: the same numbers, the rows of their papers, and what is no card."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.registry import discretizations
from samplebench.sampling.export import as_card
from samplebench.sampling.setting import prepare
from tests.contract.played import played

RANGE = {"sigma_min": 0.002, "sigma_max": 80.0}
MIXTURES = ("smooth5", "wide5", "image5")
NAMED = ("ddim", "euler", "deis", "dpmpp-2m", "dpmpp-3m", "unipc", "ipndm", "heun")
VARIANTS = [
    ("dpmpp-2m", {"predicts": "eps"}),
    ("dpmpp-2m", {"like": "diff-sampler"}),
    ("dpmpp-2m", {"final": "sigma_min", "lower_order_final": True}),
    ("dpmpp-3m", {"predicts": "eps", "lower_order_final": False}),
    ("unipc", {"predicts": "eps", "variant": "bh1", "order": 2}),
    ("unipc", {"final": "zero", "lower_order_final": False}),
    ("deis", {"mode": "rhoab", "order": 2, "afs": True}),
    ("ipndm", {"order": 3, "denoise_to_zero": True}),
    ("heun", {"alpha": 0.5}),
    ("heun", {"alpha": 0.7, "final": "sigma_min", "denoise_to_zero": True}),
    ("heun", {"schedule": "vp", "scaling": "vp"}),
    ("euler", {"schedule": "ve", "afs": True}),
    ("euler", {"sigma_min": 0.05, "sigma_max": 10.0}),
    ("ddim", {"final": "sigma_min", "afs": True, "denoise_to_zero": True}),
]


def agree(model, latents, name, words):
    """Whether the card of a run gives its samples; what was asked is counted in both."""
    card = as_card(prepare(model, name, **words), model)
    params = words.pop("params", {})
    model.calls.clear()
    expected = sb.sample(model, name, latents=latents, **words, **params)
    counted = len(model.calls)
    found, asked = played(card, model, latents)
    assert asked == counted == card.nfe
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()
    return card


@pytest.fixture
def latents():
    draw = np.random.Generator(np.random.Philox(20))
    return torch.tensor(draw.standard_normal((4, 3, 4, 4)))


# the numbers


class Several:
    """Denoisers side by side, each of its share of a batch; all of one run."""

    sigma_min, sigma_max = RANGE.values()

    def __init__(self, models) -> None:
        self.models, self.calls = models, 0

    def __call__(self, x, sigma, labels=None):
        self.calls += 1
        shares = zip(self.models, x.chunk(len(self.models)), strict=True)
        return torch.cat([model(share, sigma) for model, share in shares])


@pytest.mark.parametrize(
    "budgets",
    [(4, 5, 8, 13), pytest.param(range(4, 21), marks=pytest.mark.slow)],
    ids=["few", "every"],
)
@pytest.mark.parametrize("name", NAMED)
def test_a_card_gives_what_its_sampler_gives(name, budgets, mixture):
    model = Several([mixture(which) for which in MIXTURES])
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn((6, 3, 4, 4), generator=draw, dtype=torch.float64)
    for nfe in budgets:
        model.calls = 0
        card = as_card(prepare(model, name, nfe=nfe), model)
        assert model.calls == 0
        expected = sb.sample(model, name, nfe=nfe, latents=latents)
        counted = model.calls
        found, asked = played(card, model, latents)
        assert asked == counted == card.nfe == card.depth
        for one, other in zip(found.chunk(3), expected.chunk(3), strict=True):
            assert (one - other).abs().max() <= 1e-10 * other.abs().max(), nfe


@pytest.mark.parametrize(("name", "params"), VARIANTS, ids=str)
def test_so_it_does_with_parameters_and_end_rules(name, params, mixture, latents):
    for nfe in (5, 12):
        agree(mixture("wide5", RANGE), latents, name, {"nfe": nfe, "params": params})


@pytest.mark.parametrize("where", discretizations.names())
def test_so_it_does_on_every_discretization(where, mixture, latents):
    card = agree(mixture("wide5", RANGE), latents, "heun", {"nfe": 9, "discretization": where})
    assert where in card.description


def test_levels_are_those_that_a_discrete_model_knows(mixture, latents):
    """Rounded to the table of an ADM-like model, at which alone it is asked."""
    net = {"sigma_min": 0.006422337144613266, "sigma_max": 20291.171875}
    model = mixture("wide5", {"round_sigma": "iddpm_table_f32", **net})
    card = agree(model, latents, "dpmpp-3m", {"nfe": 8})
    assert set(card.times) <= set(model.table.astype(float))


def test_listed_levels_are_a_card_too(mixture, latents):
    words = {"discretization": (80.0, 20.0, 5.0, 1.0, 0.2, 0.0)}
    card = agree(mixture("wide5", RANGE), latents, "dpmpp-2m", words)
    assert card.times == words["discretization"]


def test_a_state_before_the_first_question_is_one_of_the_card(mixture, latents):
    """score-SDE starts from its prior, which is not its noise level times the latents."""
    params = {"corrector": "none", "probability_flow": True}
    card = agree(mixture("wide5", RANGE), latents, "pc", {"steps": 25, "params": params})
    assert card.evaluated[0] == 1 and len(card.c) == card.nfe + 1


# the rows


def test_eulers_rows_are_eulers_step():
    card = as_card(prepare(None, "euler", nfe=4), None)
    steps = np.diff(card.times)
    assert card.predicts == "eps" and card.time == "sigma"
    assert [row[-1] for row in card.a] == [1.0] * 4
    assert [row[-1] for row in card.c] == pytest.approx(steps.tolist(), rel=1e-15)
    assert not any(any(row[:-1]) for row in (*card.a, *card.c))


def test_heuns_rows_are_its_stage_and_its_step():
    """Both from the state before, the step with half of each slope (Karras et al. 2022)."""
    card = as_card(prepare(None, "heun", nfe=3), None)
    first, _, low, _ = card.times
    h = low - first
    assert card.predicts == "eps" and card.a[:2] == ((1.0,), (1.0, 0.0))
    assert card.c[0] == pytest.approx((h,)) and card.c[1] == pytest.approx((h / 2, h / 2))
    assert card.times[1] == pytest.approx(low)


@pytest.mark.parametrize(
    ("name", "params", "predicts", "points"),
    [
        ("dpmpp-2m", {}, "x0", 2),
        ("dpmpp-2m", {"predicts": "eps"}, "eps", 2),
        ("dpmpp-3m", {}, "x0", 3),
        ("ipndm", {}, "eps", 4),
        ("deis", {}, "eps", 4),
        ("unipc", {"order": 2}, "x0", 3),
        ("heun", {"schedule": "vp", "scaling": "vp"}, "x0", 2),
    ],
    ids=str,
)
def test_a_row_has_as_many_points_as_the_method(name, params, predicts, points):
    """Rounding leaves no further ones, however many steps there are and however far they go."""
    params = {**params, "sigma_min": 1e-4, "sigma_max": 500.0}
    card = as_card(prepare(None, name, nfe=60, params=params), None)
    assert card.predicts == predicts
    assert max(np.count_nonzero(row) for row in card.c) == points
    assert max(np.count_nonzero(row) for row in card.a) == 1


def test_what_it_says_of_itself():
    setting = prepare(None, "unipc", nfe=6, rho=3, params={"order": 2, "afs": True})
    card = as_card(setting, None, made_for="edm-cifar10", process="ve")
    assert (card.name, card.model, card.process) == ("unipc-6", "edm-cifar10", "ve")
    assert card.range == (0.002, 80.0) and card.source.startswith("samplebench ")
    assert card.description == "unipc with order=2 on edm rho=3 afs=True final=sigma_min"
    assert not card.author and not card.cost


# samplers of others


def halves(model, x, grid, *, noise=None, callback=None):
    """Two points of a step asked for at once, as one batch."""
    for sigma, sigma_next in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
        d = (x - model(x, sigma)) / sigma
        both = torch.cat([x + (sigma_next - sigma) / 3 * d, x + 2 * (sigma_next - sigma) / 3 * d])
        at = torch.tensor([(2 * sigma + sigma_next) / 3, (sigma + 2 * sigma_next) / 3]).double()
        at = at.repeat_interleave(len(x))
        slopes = (both - model(both, at)) / at.reshape(-1, 1, 1, 1)
        x = x + (sigma_next - sigma) * (slopes[: len(x)] + slopes[len(x) :]) / 2
    return x


def clipped(model, x, grid, *, noise=None, callback=None):
    for sigma, sigma_next in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
        denoised = model(x, sigma).clamp(-1, 1)
        x = denoised + sigma_next / sigma * (x - denoised)
    return x


def normed(model, x, grid, *, noise=None, callback=None):
    """Its last step is as long as its state is far from what the model says."""
    for sigma, sigma_next in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
        d = (x - model(x, sigma)) / sigma
        x = x + (sigma_next - sigma) * d * (1 + 1e-6 * d.norm())
    return x


def quietly_noisy(model, x, grid, *, noise=None, callback=None):
    return x / grid[0].item() + 0 * model(x, grid[0].item()) + noise(x)


def from_torch(model, x, grid, *, noise=None, callback=None):
    return model(x, grid[0].item()) + torch.randn_like(x)


def looks_twice(model, x, grid, *, noise=None, callback=None):
    """Asks for what it does not use."""
    for sigma, sigma_next in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
        d = (x - model(x, sigma)) / sigma
        model(x + (sigma_next - sigma) / 2 * d, sigma)
        x = x + (sigma_next - sigma) * d
    return x


def takes_nothing(model, x, grid, *, noise=None, callback=None):
    model(x, grid[0].item())
    return x / 80


def from_nothing(model, x, grid, *, noise=None, callback=None):
    return x / 80 + model(0 * x, grid[0].item())


def test_points_asked_for_at_once_are_states_and_one_in_depth(mixture, latents):
    """EPD's two parallel points (Zhu et al. 2025): three evaluations a step, two in a row."""
    model = mixture("wide5", RANGE)
    card = as_card(prepare(model, halves, steps=4), model)
    found, asked = played(card, model, latents)
    assert (asked, card.depth) == (12, 8)
    expected = sb.sample(model, halves, steps=4, latents=latents)
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_what_a_sampler_does_not_use_is_not_in_its_card(mixture, latents):
    model = mixture("wide5", RANGE)
    card = as_card(prepare(model, looks_twice, steps=4), model)
    assert len(card.c) == card.nfe == 4 and card.name.endswith("looks_twice-4")
    found, _ = played(card, model, latents)
    expected = sb.sample(model, "euler", steps=4, latents=latents)
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max()


@pytest.mark.parametrize(
    ("sampler", "words", "why"),
    [
        (clipped, {}, "its steps are not linear in the model's outputs"),
        (normed, {}, "its steps are not linear in the model's outputs"),
        (quietly_noisy, {}, "it draws noise"),
        (from_torch, {}, "its steps are not linear in the model's outputs"),
        (takes_nothing, {}, "its result does not depend on the model"),
        (from_nothing, {}, "it evaluates the model at a zero state"),
        ("euler", {"thresholding": True}, "thresholding is not linear"),
        ("edm", {"S_churn": 10}, "it draws noise unless edm.S_churn=0"),
        ("ddim", {"eta": 0.5}, "it draws noise unless ddim.eta=0"),
        ("gddim", {}, "it needs a linear process in continuous time"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_is_no_card_is_told_in_a_line(sampler, words, why):
    with pytest.raises(UsageError, match="cannot be written as a solver card") as refused:
        as_card(prepare(None, sampler, steps=6, params=words), None)
    said = str(refused.value)
    assert why in said and "\n" not in said and "dpmpp-2m" in said


def test_torchs_own_generator_is_left_as_it_was():
    before = torch.random.get_rng_state()
    as_card(prepare(None, "unipc", nfe=6), None)
    assert torch.equal(before, torch.random.get_rng_state())

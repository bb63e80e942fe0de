"""Levels in float64, whatever a model's range, its rounding and its answers are made of."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.answers.rounding import rounded
from samplebench.discretizations import build
from samplebench.errors import UsageError
from samplebench.models.bound import Bound

TABLE = np.geomspace(90, 0.0013, 1000)
DTYPES = {"half": torch.float16, "bfloat": torch.bfloat16, "single": torch.float32}
IDENTITIES = {
    "float": float,
    "itself": lambda s: s,
    "as_tensor": torch.as_tensor,
    "one entry": lambda s: torch.as_tensor(s).reshape(1),
    "two axes": lambda s: torch.as_tensor(s).reshape(1, 1),
    "numpy single": np.float32,
    "numpy array": lambda s: np.array([s], dtype=np.float32),
    "tensors alone": lambda s: s.to(torch.float64).clamp(min=0),
    "tensors alone, single": lambda s: s.float().clone(),
    "floats alone": lambda s: torch.tensor(math.exp(math.log(s))) if type(s) is float else 0 / 0,
    **{name: (lambda s, d=d: torch.as_tensor(s).to(d)) for name, d in DTYPES.items()},
    **{name + " at once": (lambda s, d=d: torch.tensor(s, dtype=d)) for name, d in DTYPES.items()},
}


def nearest(table, kind):
    """A table's nearest entry, as a number or in the precision and of the kind of the table."""
    values = torch.tensor(table).to(DTYPES.get(kind, torch.float64))

    def round_sigma(sigma):
        entry = values[(values.double() - torch.as_tensor(sigma)).abs().argmin()]
        return float(entry) if kind == "number" else entry

    return round_sigma


class White:
    """The denoiser of unit normal pixels with any rounding and range."""

    shape, num_classes = (1, 2, 2), 0

    def __init__(self, round_sigma=float, low=0.0, high=math.inf, answer=None):
        self.round_sigma, self.sigma_min, self.sigma_max = round_sigma, low, high
        self.answer = answer

    def __call__(self, x, sigma, labels=None):
        denoised = x / (1 + torch.as_tensor(sigma, dtype=x.dtype) ** 2)
        return denoised.to(self.answer or x.dtype)


def draw(model, sampler="heun", dtype=torch.float64, **words):
    latents = torch.randn(2, 1, 2, 2, dtype=torch.float64, generator=torch.manual_seed(0))
    return sb.sample(model, sampler, steps=6, latents=latents.to(dtype), **words)


@pytest.mark.parametrize("kind", IDENTITIES)
@pytest.mark.parametrize("words", [{}, {"sampler": "edm", "S_churn": 4}], ids=["heun", "edm"])
def test_a_model_without_a_table_gets_the_exact_levels(kind, words):
    found = draw(White(IDENTITIES[kind]), **words)
    assert (found - draw(White(), **words)).abs().max() < 1e-12


@pytest.mark.parametrize("default", [torch.float16, torch.bfloat16, torch.float64])
def test_whatever_torch_makes_of_floats(default):
    expected = draw(White())
    torch.set_default_dtype(default)
    try:
        assert torch.equal(draw(White(torch.as_tensor)), expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(draw(White(torch.as_tensor)), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("kind", ["number", "double", "single", "half", "bfloat"])
def test_a_table_keeps_its_entries_as_they_are(kind):
    known = torch.tensor(TABLE).to(DTYPES.get(kind, torch.float64)).double().numpy()
    model = White(nearest(TABLE, kind), known[-1], known[0])
    # A grid of the table's own levels too, which look like an identity in the same precision.
    for discretization in ("edm", TABLE[[10, 300, 700]].tolist()):
        steps = 12 if isinstance(discretization, str) else 3
        levels = build(discretization, steps, model=model).levels[:-1]
        assert np.isin(levels, known).all()


def test_a_double_table_behind_single_arithmetic_keeps_all_digits():
    def round_sigma(sigma):
        sigma = torch.as_tensor(sigma)
        return torch.tensor(TABLE)[np.abs(TABLE - float(sigma)).argmin()].to(sigma)

    assert np.isin(build("edm", 9, model=White(round_sigma)).levels[:-1], TABLE).all()


@pytest.mark.parametrize("answer", [torch.ones(2), np.ones(3), None, "wide", [1.0, 2.0]])
def test_an_answer_that_is_not_one_number_is_refused(answer):
    with pytest.raises(UsageError, match=r"round_sigma\(80\) returned a .* must be one number"):
        build("edm", 3, model=White(lambda sigma: answer))


@pytest.mark.parametrize("kind", [np.float32, lambda s: torch.tensor(s), np.float16])
def test_a_range_in_single_precision_moves_no_level(kind):
    model = White(low=kind(0.002), high=kind(80.1))
    for name in ("edm", "logsnr", "polyexponential"):
        grid = build(name, 5, sigma_max=80.1, model=model)
        assert np.array_equal(grid.levels, build(name, 5, sigma_max=80.1).levels)
        assert type(grid.sigma_min) is float
    assert build([80.1, 0.002], 2, model=model).levels.tolist() == [80.1, 0.002, 0]
    # It is a range all the same.
    assert build("edm", 5, sigma_min=1e-4, sigma_max=1e3, model=model).sigma_min == kind(0.002)


def test_a_range_asked_for_may_be_of_any_kind():
    for low in (np.float64(0.5), torch.tensor(0.5), torch.tensor([0.5]), np.float32(0.5)):
        grid = build("edm", 4, sigma_min=low)
        assert grid.levels.dtype == np.float64
        assert np.array_equal(grid.levels, build("edm", 4, sigma_min=0.5).levels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_levels_of_others_may_be_tensors(dtype):
    def mine(steps, *, sigma_min=0.5, sigma_max=8.0):
        return torch.linspace(sigma_max, sigma_min, steps, dtype=dtype, requires_grad=True)

    grid = build(mine, 4)
    assert grid.levels.dtype == np.float64 and grid.levels.tolist() == [8, 5.5, 3, 0.5, 0]


@pytest.mark.parametrize("state", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("answer", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("sampler", ["heun", "edm", "ddim", "euler", "gddim"])
def test_the_state_keeps_its_precision(sampler, state, answer):
    # Float16 ends at 65504.
    words = {} if sampler == "gddim" else {"sigma_max": 20.0}
    found = draw(White(answer=answer), sampler, state, **words)
    exact = draw(White(), sampler, **words)
    assert found.dtype == state and (found - exact).abs().max() < 0.1


def test_samplers_on_tensors_get_tensors():
    model = Bound(White(torch.as_tensor), None, 1)
    asked = torch.tensor([[0.1, 3.3]], dtype=torch.float64)
    assert torch.equal(model.round_sigma(asked), asked)
    assert model.round_sigma(asked.float()).dtype == torch.float32
    assert model.round_sigma(0.1) == 0.1 and type(model.round_sigma(np.float64(3))) is float
    assert Bound(SimpleNamespace(), None, 1).round_sigma(0.3) == 0.3


def test_an_entry_near_the_level_is_not_taken_for_it():
    entry = float(np.float32(0.3))
    table = [0.1, 0.3 * 1.0137, 0.3 * 0.9871, 0.3 * 1.1931, entry]
    assert rounded(nearest(table, "single"), 0.3) == entry

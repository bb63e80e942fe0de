"""What users hand in, in the dress of other libraries: the same request, or one line."""

from __future__ import annotations

import math
from collections import UserString
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import samplebench as sb
from samplebench.answers.scalars import plain, precision, scalar, values
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.trajectory import truncation


class Three(IntEnum):
    THREE = 3


THREES = [
    3, 3.0, np.int8(3), np.uint64(3), np.float16(3), np.float32(3), np.longdouble(3), np.array(3),
    np.array(3.0, dtype=np.float32), torch.tensor(3), torch.tensor(3, dtype=torch.int16),
    torch.tensor(3.0, dtype=torch.bfloat16), torch.tensor(3.0, requires_grad=True), Decimal(3),
    Decimal("3.0"), Fraction(6, 2), Three.THREE, pd.Series([3]).iloc[0],
]  # fmt: skip
# Neither is a positive whole number.
OTHERS = [
    True, np.bool_(True), torch.tensor(True), "3", np.str_("3"), b"3", [3], (3,), {3}, {3: 3},
    np.array([3]), torch.tensor([3]), pd.Series([3]), 3.5, np.float32(3.5), Fraction(7, 2),
    Decimal("3.5"), math.nan, math.inf, np.nan, Decimal("NaN"), Decimal("sNaN"),
    Decimal("1e999999"), Fraction(10**400), 3 + 0j, np.complex64(3), 0, -3, np.int8(-3),
    torch.empty((), device="meta"), object(), UserString("3"),
]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return sb.load("digits-exact")


@pytest.fixture(scope="module")
def draw(model):
    return lambda sampler="euler", **words: sb.sample(
        model, sampler, **{"seeds": range(2), "steps": 3, **words}
    )


@pytest.mark.parametrize("three", THREES, ids=lambda v: f"{type(v).__name__} {v}")
def test_three_is_three(three):
    assert scalar(three) == 3 and type(scalar(three)) in (int, float)
    request = Request.of(
        model="digits-exact", sampler="edm", nfe=three, seed=three, repeats=three,
        num_samples=three, batch_size=three, rho=three, param={"edm.S_churn": three},
    )  # fmt: skip
    usual = Request.of(
        model="digits-exact", sampler="edm", nfe=3, seed=3, repeats=3, num_samples=3, batch_size=3,
        rho=3, param={"edm.S_churn": 3},
    )  # fmt: skip
    assert request == usual
    assert all(type(v) is int for v in (request.seed, request.repeats, *request.nfe))


@pytest.mark.parametrize("three", THREES[4:10], ids=str)
def test_the_cell_is_the_same(three):
    words = {"model": "digits-exact", "sampler": "edm", "num_samples": 70}
    dressed = make(Request.of(nfe=[three], rho=three, param={"edm.S_churn": [three]}, **words))
    assert set(dressed.cells) == set(
        make(Request.of(nfe=[3], rho=3, param={"edm.S_churn": [3]}, **words)).cells
    )


@pytest.mark.parametrize("three", THREES[::3], ids=str)
def test_samples_are_the_same(draw, three):
    usual = draw("edm", steps=3, S_churn=3, rho=3, sigma_max=3, labels=3)
    assert torch.equal(
        draw("edm", steps=three, S_churn=three, rho=three, sigma_max=three, labels=three), usual
    )


def test_the_value_itself_counts():
    assert scalar(np.float32(0.1)) == float(np.float32(0.1)) != 0.1
    assert scalar(np.float32(0.5)) == scalar(Fraction(1, 2)) == scalar(Decimal("0.5")) == 0.5


@pytest.mark.parametrize("other", OTHERS, ids=lambda v: f"{type(v).__name__} {str(v)[:20]}")
def test_what_is_no_number_of_steps(draw, other):
    with pytest.raises(UsageError, match=r"steps=.*must be a positive whole number") as told:
        draw(steps=other)
    assert str(told.value).isprintable()


SEVERAL = [
    [1, 2], (1, 2), range(1, 3), np.arange(1, 3), np.array([1.0, 2.0]), torch.tensor([1, 2]),
    torch.tensor([1, 2], dtype=torch.int32), pd.Series([1, 2], index=["a", "b"]), {2, 1},
    frozenset((2, 1)), {1: "a", 2: "b"}.keys(), [np.int64(1), torch.tensor(2)],
    np.array([1, 2], dtype=object), pd.Index([1, 2]),
]  # fmt: skip
ONE_AND_TWO = [*SEVERAL, iter((1, 2)), (i for i in (1, 2)), map(int, "12")]


@pytest.mark.parametrize("several", ONE_AND_TWO, ids=lambda v: type(v).__name__)
def test_lists(several):
    assert values(several) == [1, 2]


@pytest.mark.parametrize("several", SEVERAL, ids=lambda v: type(v).__name__)
def test_lists_in_requests_and_samples(draw, several):
    assert Request.of(nfe=several).nfe == (1, 2)
    assert torch.equal(draw(seeds=several, labels=several), draw(seeds=[1, 2], labels=[1, 2]))


@pytest.mark.parametrize(
    "levels",
    [np.array([5, 2, 1]), torch.tensor([5.0, 2, 1, 0]), pd.Series([5, 2, 1]), iter((5, 2, 1)),
     [Decimal(5), Fraction(2), np.float16(1)]],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_levels(draw, levels):
    kept = levels if not hasattr(levels, "__next__") else (5, 2, 1)
    assert torch.equal(
        draw(steps=None, discretization=levels), draw(steps=None, discretization=(5, 2, 1))
    )
    (asked,) = Request.of(discretization=kept).discretization
    assert asked == (5.0, 2.0, 1.0) + (0.0,) * (asked[-1] == 0)


@pytest.mark.parametrize("level", ["a", None, [1], True, 1j, b"1"])
def test_levels_that_are_none(draw, level):
    with pytest.raises(UsageError, match="explicit noise levels"):
        draw(steps=None, discretization=[5, level])


@pytest.mark.parametrize("end", ["sigma_min", "sigma_max", "rho"])
@pytest.mark.parametrize("value", ["a", [1], True, 1j, math.nan, torch.ones(2)], ids=str)
def test_ranges_that_are_none(draw, end, value):
    with pytest.raises(UsageError, match=f"{end}=|noise range"):
        draw(**{end: value})


@pytest.mark.parametrize("seeds", ["3", True, 5, torch.tensor(4), [1.5], [True], [math.nan],
                                   ["a"], [[1, 2]], [-1], [2**64], [None], [1j],
                                   []], ids=str)  # fmt: skip
def test_seeds_that_are_none(draw, seeds):
    with pytest.raises(UsageError, match="seed"):
        draw(seeds=seeds)


@pytest.mark.parametrize("labels", [
    3.7, [1.5, 2.5], torch.tensor([1.5, 2.5]), np.float32(2.5), [True, False], torch.tensor(True),
    [1, 2, 3], [1], "3", [[1, 2]], 10, -1, {}, [1j, 2], [math.nan, 1], [None, 1],
    pd.Series([9, 10]),
], ids=str)  # fmt: skip
def test_labels_that_are_none(draw, labels):
    with pytest.raises(UsageError, match="labels"):
        draw(labels=labels)


@pytest.mark.parametrize("labels", [torch.tensor([1, 2], dtype=torch.int32), [1.0, 2.0],
                                    np.array([1, 2], dtype=np.uint8)], ids=str)  # fmt: skip
def test_labels(draw, labels):
    assert torch.equal(draw(labels=labels), draw(labels=[1, 2]))


def test_latents(model):
    z = torch.randn(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    usual = sb.sample(model, "euler", steps=3, latents=z)
    assert torch.equal(sb.sample(model, "euler", steps=3, latents=z.numpy()), usual)
    wrong = (z.int(), z[:, :, :4], z[0], z[:0], z.tolist(), z.to_sparse(), z.to("meta"), "z",
             z.numpy().astype(int), z.numpy().astype(object), z.to(torch.complex128))  # fmt: skip
    for latents in wrong:
        with pytest.raises(UsageError, match=r"latents are|latents have shape .* needs \["):
            sb.sample(model, "euler", steps=3, latents=latents)
        with pytest.raises(UsageError, match=r"latents are|latents have shape .* needs \["):
            truncation(model, "euler", steps=3, latents=latents, quiet=True)


@pytest.mark.parametrize("word, given, kept", [
    ("dtype", torch.float32, "float32"), ("dtype", np.float32, "float32"),
    ("state_dtype", np.dtype("float64"), "float64"), ("device", torch.device("cpu"), "cpu"),
    ("out", Path("a") / "b", str(Path("a/b"))), ("file", Path("c"), "c"),
    ("yes", np.bool_(1), True),
    ("model", np.str_("x"), ("x",)), ("sampler", np.array(["euler", "heun"]), ("euler", "heun")),
    ("metric", {"b", "a"}, ("a", "b")), ("protocol", np.str_("edm"), "edm"),
    ("param", {"edm": {"S_churn": torch.tensor([1.0, 2.0])}}, {"edm": {"S_churn": (1.0, 2.0)}}),
], ids=lambda v: str(sorted(v) if isinstance(v, set) else v))  # fmt: skip
def test_words(word, given, kept):
    assert getattr(Request.of(**{word: given}), word) == kept


@pytest.mark.parametrize("words", [
    {"device": 3}, {"dtype": 3.5}, {"yes": 1}, {"out": b"x"}, {"nfe": {"a": 1}}, {"seed": [1]},
    {"nfe": np.array([[1, 2]])}, {"sampler": b"euler"}, {"param": {3: 1}}, {"sigma_max": 4},
    {"param": {"edm.S_churn": 1j}}, {"repeats": 1.5}, {"batch_size": "many"},
], ids=str)  # fmt: skip
def test_words_that_are_none(words):
    with pytest.raises(UsageError):
        Request.of(**words)


def test_configurations_and_precisions():
    dressed = {"a": np.int64(1), "b": [np.float32(0.5), torch.tensor(2)], "c": np.array([1, 2])}
    assert plain(dressed) == {"a": 1, "b": [0.5, 2], "c": [1, 2]}
    assert precision(torch.bfloat16) == "bfloat16" and precision("x") == "x"
    assert sb.load("digits-exact", dtype=np.float32).images.dtype == torch.float32


@pytest.mark.parametrize("call, said", [
    (lambda: sb.load(5), "5 is not a model"), (lambda: sb.load(None), "None is not a model"),
    (lambda: sb.load("Digits-Exact"), "did you mean 'digits-exact'"),
    (lambda: make(Request.of(model="a/b.pt")), "a/b.pt does not exist"),
    (lambda: make(Request.of(model=Path("b.safetensors"))), "b.safetensors does not exist"),
    (lambda: sb.sample("digits-exact", "euler", steps=3, seeds=[0]), "sb.load first"),
    (lambda: sb.sample(None, 5, steps=3, seeds=[0]), "5 is not a sampler"),
])  # fmt: skip
def test_what_stands_in_the_wrong_place(call, said):
    with pytest.raises(sb.SamplebenchError, match=said):
        call()

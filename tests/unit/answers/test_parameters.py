"""What a signature says of parameters, and their label."""

from __future__ import annotations

import math

import pytest

from samplebench.answers.parameters import accepted, label, parsed, split


def example(model, x, grid, *, noise=None, callback=None, S_churn=0.0, order=2, mode="a", top=None):
    """Only the last four are parameters."""


def test_accepted():
    assert accepted(example) == {"S_churn": 0.0, "order": 2, "mode": "a", "top": None}
    assert list(accepted(example)) == ["S_churn", "order", "mode", "top"]
    assert accepted(lambda model, x, grid: x) == {}


def test_split():
    assert split({"a": 1, "b": 2, "c": 3}, {"c": 0, "a": 0}) == ({"a": 1, "c": 3}, {"b": 2})
    assert split({}, {"a": 0}) == ({}, {})


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, ""),
        ({"S_noise": 1.003, "S_churn": 10.0}, "S_churn=10 S_noise=1.003"),
        ({"alpha": 2 / 3}, "alpha=0.666666666667"),
        ({"schedule": "vp", "M": 1000, "S_max": math.inf}, "M=1000 S_max=inf schedule=vp"),
    ],
)
def test_label(params, text):
    assert label(params) == text
    assert parsed(text) == pytest.approx(params)


def test_words_of_a_label_are_values():
    params = {"afs": True, "denoise": False, "process": None, "like": "k-diffusion", "K": 2}
    assert parsed(label(params)) == params

"""Protocols: what makes values comparable, and the name of an overridden one."""

from __future__ import annotations

import dataclasses
import re

import pytest

from samplebench.errors import UsageError
from samplebench.protocols import PROTOCOLS, protocol

DIGITS = PROTOCOLS["digits"]
CHANGES = {
    "num_samples": 5000,
    "noise": "nvlabs",
    "state_dtype": "float32",
    "quantization": "openai",
    "extractor": "other",
}


def test_digits():
    assert protocol("digits") is DIGITS
    assert (DIGITS.num_samples, DIGITS.noise, DIGITS.quantization) == (1797, "portable", "edm")
    assert (DIGITS.extractor, DIGITS.metrics) == ("digits", ("fd-digits",))


@pytest.mark.parametrize(
    ("name", "quantization", "state_dtype"),
    [("edm", "edm", "float64"), ("openai", "openai", "float32"), ("score-sde",) * 2 + ("float32",)],
)
def test_those_of_released_checkpoints(name, quantization, state_dtype):
    found = protocol(name)
    assert (found.quantization, found.state_dtype) == (quantization, state_dtype)
    said = found.conditions()
    assert (found.num_samples, said["labels"], said["clip_x0"]) == (50_000, "uniform", False)
    assert (found.extractor, found.metrics) == ("inception", ("fid",))


def test_every_name_is_its_key():
    assert [p.name for p in PROTOCOLS.values()] == list(PROTOCOLS)


def test_an_unknown_name():
    with pytest.raises(UsageError, match="unknown protocol 'digit'; did you mean 'digits'"):
        protocol("digit")


@pytest.mark.parametrize("field", CHANGES)
def test_an_override_renames(field):
    changed = DIGITS.override(**{field: CHANGES[field]})
    assert re.fullmatch("custom:[0-9a-f]{8}", changed.name)
    assert getattr(changed, field) == CHANGES[field]
    assert field in changed.summary and "digits" in changed.summary
    assert {k: v for k, v in changed.conditions().items() if k != field} == {
        k: v for k, v in DIGITS.conditions().items() if k != field
    }


def test_all_overrides_have_different_names():
    names = {DIGITS.override(**{field: value}).name for field, value in CHANGES.items()}
    names |= {DIGITS.override(num_samples=n).name for n in range(2, 30)}
    assert len(names) == len(CHANGES) + 28


@pytest.mark.parametrize(
    "changes", [{}, {"noise": None}, {"num_samples": 1797, "noise": "portable", "extractor": None}]
)
def test_an_override_without_effect_is_none(changes):
    assert DIGITS.override(**changes) is DIGITS


def test_the_name_depends_on_the_result_alone():
    at_once = DIGITS.override(num_samples=100, noise="nvlabs")
    in_turn = DIGITS.override(noise="nvlabs").override(num_samples=100)
    assert at_once.name == in_turn.name
    assert at_once.fingerprint() == in_turn.fingerprint()


def test_conditions_hold_every_field_but_words():
    fields = {field.name for field in dataclasses.fields(DIGITS)} - {"name", "summary", "metrics"}
    assert fields - {"process"} == set(CHANGES)
    # What was a field once is in the hashes of cells.
    fields |= {"labels", "clip_x0"}
    assert set(protocol("digits-cld").conditions()) == fields
    # The usual processes are not named: their cells are older than the others.
    assert set(DIGITS.conditions()) == fields - {"process"}

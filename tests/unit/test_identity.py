"""identity.py: which code counts as the same."""

from __future__ import annotations

import functools
import linecache
import sys
from types import ModuleType

import pytest

from samplebench.identity import fingerprint


def scale(x, by=1.0):
    return x * by


def closing_over(k):
    def inner(x):
        return k * x

    return inner


class Scaler:
    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return self.k * x


@pytest.mark.parametrize(
    "make",
    [closing_over, Scaler, lambda k: functools.partial(scale, by=k)],
    ids=["closure", "instance", "partial"],
)
def test_the_same_is_the_same(make):
    assert fingerprint(make(2.0)) == fingerprint(make(2.0))


@pytest.mark.parametrize(
    "make",
    [closing_over, Scaler, lambda k: functools.partial(scale, by=k)],
    ids=["closure", "instance", "partial"],
)
def test_values_bound_into_it_count(make):
    assert fingerprint(make(2.0)) != fingerprint(make(3.0))


def defined(text, module_name, monkeypatch, *, with_source):
    module = ModuleType(module_name)
    monkeypatch.setitem(sys.modules, module_name, module)
    name = f"<{module_name} {hash(text)}>"
    if with_source:
        lines = text.splitlines(keepends=True)
        monkeypatch.setitem(linecache.cache, name, (len(text), None, lines, name))
    exec(compile(text, name, "exec"), module.__dict__)
    return module.mine


@pytest.mark.parametrize("with_source", [True, False], ids=["notebook", "no source at all"])
def test_an_edited_function_without_a_file_is_another(monkeypatch, with_source):
    texts = [f"def mine(x):\n    return {factor} * x\n" for factor in (1.0, 1.02, 1.0)]
    one, other, again = (
        fingerprint(defined(text, "interactive", monkeypatch, with_source=with_source))
        for text in texts
    )
    assert one == again != other


def test_the_rest_of_a_module_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for number, factor in enumerate("12"):
        name = f"toy_identity_{number}"
        text = f"FACTOR = {factor}\ndef mine(x):\n    return FACTOR * x\n"
        (tmp_path / f"{name}.py").write_text(text)
        found.append(fingerprint(__import__(name).mine))
    assert found[0] != found[1]

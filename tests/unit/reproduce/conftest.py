"""Every preset to those tests that take its name; the quick ones see one of each kind."""

from __future__ import annotations

from functools import cache

import pytest

from samplebench.reproduce import presets
from samplebench.reproduce.execute import planned


def _kinds():
    """The first preset of each sampler and of each laboratory but those of many steps."""
    found = {}
    for name, preset in presets().items():
        if preset.nfe is not None and preset.nfe <= 500:
            whose = (name.partition("@")[2] or preset.source)[:9]
            found.setdefault(preset.words["sampler"], name)
            found.setdefault(whose, name)
    return list(dict.fromkeys(found.values()))


def pytest_generate_tests(metafunc):
    if "any_name" in metafunc.fixturenames:
        quick = _kinds()
        slow = [name for name in presets() if name not in quick]
        marked = [pytest.param(name, marks=pytest.mark.slow) for name in slow]
        metafunc.parametrize("any_name", [*quick, *marked])


@pytest.fixture(scope="session")
def plan_of():
    """`plan_of(name)`: the plan of a preset as it is; thousands of steps take a while to plan."""
    return cache(lambda name: planned(presets()[name]))

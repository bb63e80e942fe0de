"""Others' code among the conditions: what is declared of an object decides beside it."""

from __future__ import annotations

import pytest

from samplebench.bench.codes import Codes
from samplebench.registry import AdapterEntry, DiscretizationEntry, MetricEntry, SamplerEntry


def load(path, config, *, device, dtype):
    return None


def short(config, shape):
    return 10


def long(config, shape):
    return 1000


@pytest.mark.parametrize(
    ("entry", "fact"),
    [
        (AdapterEntry, "process"),
        (DiscretizationEntry, "lowest"),
        (SamplerEntry, "levels"),
        (SamplerEntry, "span"),
        (MetricEntry, "blocked"),
    ],
)
def test_one_function_with_other_declarations_is_other_code(entry, fact):
    entries = [entry("mine", load, **{fact: declared}) for declared in (short, long, None)]
    together, alone = Codes(), [Codes().of("part", "part", each) for each in entries]
    assert [together.of("part", "part", each) for each in entries] == alone
    assert len({found["part_code"] for found in alone}) == 3

"""Others' code among the conditions: what is declared of an object decides beside it."""

from __future__ import annotations

import pytest

from samplebench.bench.codes import Codes
from samplebench.bench.measured import planned_score
from samplebench.references.nothing import Nothing
from samplebench.registry import AdapterEntry, DiscretizationEntry, MetricEntry, SamplerEntry
from samplebench.scoring.measure import Measure


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


def test_what_a_metric_is_given_of_the_reference_decides_its_score():
    words, real = {"statistic": "features", "extractor": "digits"}, Nothing.of("digits", 64)
    entries = [
        MetricEntry("mine", short, against=against, **words)
        for against in ("features", "moments", "nothing")
    ]
    found = {planned_score("cell", Measure(entry, real), Codes()).hash for entry in entries}
    assert len(found) == 3

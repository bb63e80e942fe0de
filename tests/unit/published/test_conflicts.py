"""Values that contradict each other: found in the rows, and only where their names agree."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from samplebench.published import conflicts, load
from samplebench.published.grids import GRIDS
from samplebench.published.samplers import Sampler

ROWS = load()
FOUND = conflicts(ROWS)


def values(checkpoint, sampler, nfe, discretization=None):
    found = [
        [row.fid for row in one.rows]
        for one in FOUND
        if (one.key.checkpoint, one.key.sampler, one.key.nfe) == (checkpoint, sampler, nfe)
        and discretization in (None, one.key.discretization)
    ]
    assert len(found) == 1
    return found[0]


def test_those_that_are_known():
    """Of three code lines, three grids; and of one name that does not fix the algorithm."""
    cifar = "edm-cifar10-uncond-vp"
    assert values(cifar, "dpmpp", 4) == [46.47, 46.52, 46.59]
    assert values(cifar, "unipc", 10) == [2.85, 2.89, 2.98, 3.16]
    assert values(cifar, "unipc", 4) == [43.92, 44.38, 45.2]
    assert values(cifar, "dpm-2", 5) == [43.27, 57.3]
    assert values("edm-imagenet64", "edm", 511) == [1.36, 1.45]


def test_each_is_of_several_sources_that_differ():
    assert len(FOUND) > 50
    assert [one.spread for one in FOUND] == sorted((one.spread for one in FOUND), reverse=True)
    for one in FOUND:
        assert len({row.source for row in one.rows}) > 1
        assert len({row.fid for row in one.rows}) > 1 and one.spread > 1


def test_what_the_values_of_one_share():
    fitted = {grid.label for grid in GRIDS.values() if grid.fitted}
    for one in FOUND:
        for a, b in combinations(one.rows, 2):
            assert (a.model, a.dataset, a.resolution) == (b.model, b.dataset, b.resolution)
            assert (a.nfe, a.num_samples, a.guidance, a.weights) == (
                b.nfe, b.num_samples, b.guidance, b.weights,
            )  # fmt: skip
            orders = {row.sampler.params.get("order") for row in (a, b)} - {None}
            assert len(orders) < 2
            stated = {r.grid.label for r in (a, b) if "discretization" not in r.deduced}
            assert len(stated - {"not stated"}) < 2
        assert not {row.certainty for row in one.rows} & {"C"}
        labels = {row.grid.label for row in one.rows if "discretization" not in row.deduced}
        assert not labels & fitted or len(labels) == 1


BASE = next(
    row
    for row in ROWS
    if (row.checkpoint, row.sampler_printed, row.nfe) == ("edm-cifar10-uncond-vp", "iPNDM-4", 10)
)
OTHER = replace(BASE, source="somebody else", fid=9.0)


@pytest.mark.parametrize(
    ("change", "many"),
    [
        ({}, 1),
        ({"fid": BASE.fid}, 0),
        ({"source": BASE.source}, 0),
        ({"nfe": 9}, 0),
        ({"nfe": None}, 0),
        ({"num_samples": 5000}, 0),
        ({"certainty": "C"}, 0),
        ({"fid": None, "above": 9.0}, 0),
        ({"model": "edm-ffhq-64x64-uncond-vp"}, 0),
        ({"weights": "last checkpoint"}, 0),
        ({"sampler": Sampler("ipndm", {"order": 3})}, 0),
        ({"sampler": Sampler("ipndm", {"afs": True})}, 0),
        ({"sampler": Sampler("ipndm", {}, "order not stated")}, 1),
        ({"sampler": Sampler("ipndm", {"order": 4}, "PAS correction")}, 0),
        ({"grid": GRIDS["not stated"]}, 1),
        ({"grid": GRIDS["DMN optimised steps"]}, 0),
        ({"grid": GRIDS["logSNR"]}, 0),
        ({"grid": GRIDS["logSNR"], "deduced": ("discretization",)}, 1),
        ({"reference": "~score_sde:cifar10_stats"}, 1),
    ],
    ids=str,
)
def test_planted(change, many):
    assert len(conflicts([BASE, replace(OTHER, **change)])) == many


def test_what_is_left_open_joins_nothing_where_two_fit():
    open_order = replace(OTHER, sampler=Sampler("ipndm", {}, "order not stated"))
    third = replace(BASE, sampler=Sampler("ipndm", {"order": 3}))
    assert conflicts([BASE, third, open_order]) == []
    first = replace(BASE, sampler=Sampler("ipndm", {"order": 1}))
    assert conflicts([first, open_order]) == []

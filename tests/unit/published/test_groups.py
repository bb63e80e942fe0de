"""What a line joins and what a band spans, over all rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from samplebench.published import bands, lines, load
from samplebench.published.groups import line_key
from samplebench.published.samplers import Sampler

ROWS = load()


def components(key):
    """Every component of a nested key."""
    for part in key:
        if isinstance(part, tuple):
            yield from components(part)
        else:
            yield part


def test_no_component_of_any_key_is_missing():
    for row in ROWS:
        for part in components(line_key(row)):
            assert isinstance(part, str) and part.strip(), row
    unstated = [row for row in ROWS if row.num_samples is None]
    assert len(unstated) == 49
    assert {row.protocol.num_samples for row in unstated} == {"not stated"}


def test_every_row_with_an_nfe_is_on_exactly_one_line():
    drawn = [row for line in lines(ROWS) for row in line.rows]
    assert len(drawn) == 1411
    assert sorted(map(id, drawn)) == sorted(id(row) for row in ROWS if row.nfe is not None)


def test_a_line_never_joins_two_protocols_or_settings():
    for line in lines(ROWS):
        for name in (
            "model", "dataset", "resolution", "network", "sampler", "reference", "num_samples",
            "family", "evaluator", "protocol", "weights", "stop", "source", "certainty", "measured",
            "checkpoint", "guidance",
        ):  # fmt: skip
            values = [getattr(row, name) for row in line.rows]
            assert all(value == values[0] for value in values), (name, line.key)
        assert len({row.grid.label for row in line.rows}) == 1


@pytest.mark.parametrize(
    "said",
    [
        "sequential calls", "evaluations per image", "AFS", "analytical first step", "pytorch-fid",
        "stop", "checkpoint", "lowest of 3", "third-party", "baseline", "learned solver",
    ],
)  # fmt: skip
def test_no_two_joined_values_differ_in_what_their_notes_say(said):
    """Of the notes as printed, independently of how they were read."""
    for line in lines(ROWS):
        for a, b in combinations(line.rows, 2):
            # The two stop times of one table are told by the NFE.
            if (said in a.note) != (said in b.note):
                assert line.key.setting.weights != "of that name" or said == "checkpoint", (a, b)


def test_calls_one_after_another_are_never_joined_to_evaluations():
    for line in lines(ROWS):
        assert len({row.depth is None for row in line.rows}) == 1
    row = next(r for r in ROWS if r.depth == 5 and r.nfe == 8)
    assert len(lines([row, replace(row, nfe=11, depth=7)])) == 1
    assert len(lines([row, replace(row, nfe=11, depth=None)])) == 2


def test_networks_of_one_evaluation_count_each_are_not_joined():
    own = [line for line in lines(ROWS) if line.rows[0].model == "sfd-cifar10"]
    assert [len(line.rows) for line in own] == [1] * 5
    one = [line for line in lines(ROWS) if line.rows[0].model == "sfd-cifar10-v"]
    assert [len(line.rows) for line in one] == [4]


def test_a_line_has_one_value_at_each_nfe():
    for line in lines(ROWS):
        assert all(a.nfe < b.nfe for a, b in pairwise(line.rows)), line.key


def test_the_printed_conditions_of_a_line_are_one_too():
    """Independently of how names were normalised."""
    for line in lines(ROWS):
        assert len({row.sampler_printed for row in line.rows}) == 1
        assert len({row.grid_printed for row in line.rows}) == 1 or {
            row.grid_printed for row in line.rows
        } == {"even respacing of T=1000", "T=1000 (no respacing)"}
        assert len({(row.model, row.reference, row.num_samples) for row in line.rows}) == 1


CHANGES = {
    "model": "other",
    "weights": "last checkpoint",
    "dataset": "other",
    "resolution": 8,
    "sampler": Sampler("heun", {"S_churn": 1.0}),
    "stop": "1e-3",
    "reference": "~edm:cifar10-32x32",
    "num_samples": None,
    "evaluator": "of the original paper",
    "source": "somebody else",
    "measured": ("digitised",),
    "certainty": "C",
}


@pytest.mark.parametrize("name", CHANGES)
def test_rows_that_differ_in_one_condition_are_not_joined(name):
    row = next(r for r in ROWS if r.model == "edm-cifar10-32x32-uncond-vp" and r.nfe == 35)
    other = replace(row, nfe=79, **{name: CHANGES[name]})
    assert len(lines([row, replace(row, nfe=79)])) == 1
    assert len(lines([row, other])) == 2


def test_lines_that_must_stay_apart():
    """Pairs that share checkpoint and sampler name but not their conditions."""
    keys = {}
    for line in lines(ROWS):
        row = line.rows[0]
        keys.setdefault((row.model, row.sampler.name), []).append(line)
    cifar = keys["edm-cifar10-32x32-uncond-vp", "unipc"]
    whose = [(line.rows[0].family, line.rows[0].grid.label, len(line.rows)) for line in cifar]
    assert sorted(whose) == [
        ("edm", "DMN optimised steps", 4),
        ("edm", "GITS searched schedule", 4),
        ("edm", "logsnr", 1),
        ("edm", "logsnr", 4),
        ("edm", "logsnr", 8),
        ("edm", "not stated", 4),
        ("other", "searched steps", 8),
        ("score-sde", "logsnr", 8),
    ]
    deep = keys["scoresde-vp-cifar10_ddpmpp_deep_continuous", "unipc"]
    third = [line for line in deep if line.rows[0].sampler.params.get("order") == 3]
    assert sorted([row.nfe for row in line.rows] for line in third) == [
        [5, 6, 8, 10],
        [12, 15, 20, 25],
    ]


def test_bands_are_the_repeated_measurements():
    found = {
        (band.setting.checkpoint, band.setting.sampler, band.nfe): (band.low, band.high)
        for band in bands(ROWS)
    }
    assert found == {
        ("baseline-cifar10-32x32-uncond-vp", "heun", 35): (2.93, 3.01),
        ("baseline-cifar10-32x32-uncond-ve", "heun", 27): (3.73, 3.73),
        ("baseline-imagenet-64x64-cond-adm", "heun", 79): (2.64, 2.64),
        ("edm-cifar10-32x32-cond-vp", "heun", 35): (1.79, 1.82),
        ("edm-cifar10-32x32-uncond-vp", "heun", 35): (1.97, 1.97),
        ("edm-imagenet-64x64-cond-adm", "heun", 511): (2.22, 2.24),
        ("edm-imagenet-64x64-cond-adm", "edm", 511): (1.36, 1.45),
        ("adm-imagenet64", "respaced", 100): (2.71, 3.25),
        ("admip-cifar10-baseline", "respaced", 100): (3.37, 3.39),
        ("admip-lsun-tower64-baseline", "respaced", 100): (3.5, 3.59),
        ("admip-ffhq128-baseline", "respaced", 100): (14.52, 14.52),
    }


def test_a_band_spans_one_setting_and_two_values_at_least():
    for band in bands(ROWS):
        values = [row.fid for row in band.rows]
        assert len(values) > 1
        assert (band.low, band.high) == (min(values), max(values))
        for a, b in combinations(band.rows, 2):
            assert (a.setting, a.protocol, a.nfe) == (b.setting, b.protocol, b.nfe)


def test_bounds_and_rows_without_nfe_make_no_band():
    row = ROWS[0]
    assert bands([row, row]) != []
    assert bands([row, replace(row, fid=None, above=100.0)]) == []
    assert bands([replace(row, nfe=None)] * 2) == []
    assert lines([replace(row, nfe=None)]) == []

"""Published values that others measured again."""

from __future__ import annotations

import csv
import io
from importlib import resources

import pytest

from samplebench.checkpoints.catalog import catalog
from samplebench.published import load, load_remeasured

TEXT = (resources.files("samplebench.published") / "reproducibility_logs.csv").read_text("utf-8")
PRINTED = list(csv.DictReader(io.StringIO(TEXT)))


def test_every_case_is_there_with_its_values():
    cases = load_remeasured()
    assert len(cases) == len(PRINTED) == 23
    for case, printed in zip(cases, PRINTED, strict=True):
        assert case.model == printed["model_id"]
        for name in ("what", "sampler", "metric", "unit", "conditions", "source"):
            assert getattr(case, name) == printed[name]
        for name in ("nfe", "published", "measured"):
            value = getattr(case, name)
            assert value == (float(printed[name]) if printed[name] else None)
        assert case.source and case.measured > 0


def test_ids_are_the_catalogues_where_it_has_them():
    ids = {case.model: case.checkpoint for case in load_remeasured()}
    assert ids["edm-cifar10-32x32-cond-vp"] == "edm-cifar10-cond-vp"
    assert ids["admip-cifar10-baseline"] == "adm-cifar10"
    # Of no catalogue, and listed all the same.
    assert ids["LDM ImageNet-256"] == "LDM ImageNet-256"
    assert sum(own in catalog() for own in ids.values()) == 6
    published = {row.checkpoint for row in load()}
    assert {own for own in ids.values() if own in catalog()} <= published


@pytest.mark.parametrize("case", load_remeasured(), ids=lambda case: f"{case.model} {case.source}")
def test_difference_and_ratio(case):
    if case.published is None:
        assert case.difference is None and case.ratio is None
    else:
        assert case.published + case.difference == pytest.approx(case.measured)
        assert case.published * case.ratio == pytest.approx(case.measured)


def test_units():
    texts = {case.measured_text for case in load_remeasured()}
    assert {"about 39", "1.3 % coefficient of variation", "1.94966"} <= texts


def test_the_printed_values_are_those_of_the_atlas():
    """Where the atlas has the checkpoint at that NFE and sampler's name."""
    for case in load_remeasured():
        rows = [r for r in load() if (r.checkpoint, r.nfe) == (case.checkpoint, case.nfe)]
        if case.published is not None and case.checkpoint in catalog():
            assert case.published in {row.fid for row in rows}, case

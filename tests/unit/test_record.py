"""The types of rows and records say what is written and what may be read."""

from __future__ import annotations

import pytest

from samplebench.results import shape
from samplebench.results.record import Conditions, Provenance, Record
from samplebench.results.row import COLUMNS, INTEGERS, OPTIONAL, STRINGS


def test_every_field_of_a_record_is_judged_when_it_is_read():
    judged = shape._RECORD
    # The schema and the cell's name are compared with what they must be.
    assert {*judged, "schema", "cell"} == {*Record.__annotations__}
    assert {*judged["conditions"]} == {*Conditions.__annotations__}
    assert {*judged["provenance"]} == {*Provenance.__annotations__}


def test_columns_have_their_order_and_kinds():
    assert COLUMNS == (
        "model", "sampler", "params", "discretization", "rho", "steps", "nfe", "nfe_requested",
        "depth", "guidance", "guide_nfe", "seed", "repeats", "num_samples", "protocol", "dtype",
        "reference",
    )  # fmt: skip
    assert {"rho"} == {*COLUMNS} - INTEGERS - STRINGS
    assert OPTIONAL == {"rho", "steps", "nfe_requested", "nfe", "depth", "guide_nfe"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (None, ""), ("cfg", ""), ({"name": ["cfg"]}, ".name"), ({"scale": "2"}, ".scale"),
        ({"interval": [0.3, 5]}, ".interval"), ({"model": "weak"}, ".model"),
        ({"model": {"id": 3}}, ".model.id"), ({"classifier": {"id": None}}, ".classifier.id"),
    ],
)  # fmt: skip
def test_a_guidance_that_no_run_has_written_is_named(said, field):
    found = shape.fault_of_record({"conditions": {"guidance": said}})
    assert found == f"conditions.guidance{field}"

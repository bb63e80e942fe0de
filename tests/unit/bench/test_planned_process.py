"""What a model was trained on is planned before its file is read: pc and rk45 follow it."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

import samplebench as sb
from samplebench.bench.known import Known
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import catalog
from samplebench.errors import InputError
from samplebench.images import to_uint8
from samplebench.loading.judged import check_process
from samplebench.processes import process
from samplebench.timelines.levels import Levels

EMBEDDED = [entry.id for entry in catalog().values() if entry.embedded]
# score-SDE's VE models, in whichever file; EDM's own, called "ve" too, are of no process.
VE = [
    entry.id
    for entry in catalog().values()
    if any(re.match("baseline-.*-ve$|scoresde-ve-", name) for name in entry.published)
]


def conditions(model, sampler):
    budget = {} if sampler == "rk45" else {"nfe": 44}
    plan = make(Request.of(model=model, sampler=sampler, num_samples=8, **budget))
    return plan.rows[0].cells[0].conditions


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_planned_process_is_the_models(name):
    planned, loaded = (
        getattr(each.process, "name", "vp") for each in (Known(catalog()[name]), sb.load(name))
    )
    assert planned == loaded


@pytest.mark.parametrize("sampler", ["pc", "pc-batch", "rk45"])
def test_ve_models_are_sampled_on_ve(sampler):
    assert len(VE) == 6
    for model in [*VE, "digits-ve"]:
        assert conditions(model, sampler)["params"]["process"] == "ve"
    assert conditions("digits-vp", sampler)["params"]["process"] == "vp"


def test_a_sweep_makes_the_images_of_one_call(tmp_path):
    words = {"model": "digits-ve", "sampler": "pc", "nfe": 44, "num_samples": 8}
    sb.run(**words, keep="images", out=tmp_path)
    (file,) = (tmp_path / "cells").glob("*.images.npz")
    x = sb.sample(sb.load("digits-ve"), "pc", nfe=44, seeds=range(8))
    assert np.array_equal(np.load(file)["arr_0"], to_uint8(x, "edm").permute(0, 2, 3, 1))


def test_a_file_of_another_process_than_planned_is_refused():
    """Nothing declares it for a file that is given by its path."""
    unsaid, ve = catalog()["edm-cifar10-uncond-ve"], SimpleNamespace(process=process("ve"))
    with pytest.raises(InputError, match=r"add --param pc\.process=ve"):
        check_process(ve, unsaid, "pc", "vp")
    check_process(ve, unsaid, "pc", "ve")
    check_process(ve, unsaid, "heun", None)
    check_process(SimpleNamespace(process=None), unsaid, "pc", "vp")
    check_process(ve, SimpleNamespace(model=object()), "pc", "vp")
    # Said by the catalogue: "vp" is then a word of the request.
    check_process(ve, catalog()["ve-cifar10"], "pc", "vp")


def test_a_wrong_declaration_is_seen():
    assert Levels.differs(process("vp"), process("ve")) == "process ve, not vp"
    assert Levels.differs(process("ve"), process("ve")) == Levels.differs(None, process("ve")) == ""

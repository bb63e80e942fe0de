"""Operations are those of the released networks; what is missing is what is not here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from samplebench.checkpoints.catalog import catalog
from samplebench.checkpoints.local import artefact
from samplebench.download.cache import path_of
from samplebench.features.inception_weights import WEIGHTS
from samplebench.references import reference as references
from samplebench.reproduce import needs as needing
from samplebench.reproduce import preset, presets
from samplebench.reproduce.cost import cost_of, gflop
from samplebench.reproduce.execute import planned
from samplebench.reproduce.needs import needs

_spec = importlib.util.spec_from_file_location("networks", Path(__file__).with_name("networks.py"))
_networks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_networks)

FEW = ("iddpm-cifar10",)
GUIDED = [entry.id for entry in catalog().values() if entry.classifier is not None]


@pytest.mark.parametrize(
    "model",
    [*FEW, *(pytest.param(e.id, marks=pytest.mark.slow) for e in catalog().values()
             if not e.embedded and e.id not in FEW)],
)  # fmt: skip
def test_operations_are_counted_on_the_network(model):
    assert gflop()[model] == pytest.approx(_networks.gflop(model), abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("model", GUIDED)
def test_operations_of_a_classifiers_gradient(model):
    known = gflop()[catalog()[model].classifier.id]
    assert known == pytest.approx(_networks.gflop_of_classifier(model), abs=0.06)


def test_every_preset_of_others_has_its_operations():
    released = {each.checkpoint for each in presets().values() if each.row is not None}
    assert released <= gflop().keys()


def test_the_sum():
    each = preset("edm-imagenet-64x64-cond-adm/edm/511")
    cost = cost_of(planned(each, num_samples=1000))
    assert (cost.images, cost.evaluations, cost.passes) == (3000, 1_533_000, 0)
    assert cost.pflop == pytest.approx((1_533_000 * gflop()["edm-imagenet64"] + 3000 * 11.4) / 1e6)
    assert cost.hours(100) == pytest.approx(cost.pflop * 1e15 / 100e12 / 3600)


def test_guidance_costs_its_own_network():
    each = preset("edm2-img64-s-1073741-0.045+autoguidance/heun/63")
    cost = cost_of(planned(each))
    assert cost.passes == cost.evaluations == 3 * 50_000 * 63
    both = gflop()["edm2-img64-s-autog-fid"] + gflop()["edm2-img64-s-autog-fid-guide"]
    assert cost.pflop == pytest.approx((cost.passes * both + 150_000 * 11.4) / 1e6)
    guided = preset("adm-imagenet128+guidance/respaced-guidance-0.5/250")
    found = cost_of(planned(guided))
    each = gflop()["adm-imagenet128"] + gflop()["adm-imagenet128-classifier"]
    assert found.pflop == pytest.approx(50_000 * (250 * each + 11.4) / 1e6)


def test_what_is_there_is_not_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("SAMPLEBENCH_INCEPTION", raising=False)
    monkeypatch.setattr(needing.importlib.util, "find_spec", lambda name: object())
    each = preset("edm-cifar10-32x32-uncond-vp/heun/35")
    files = [
        artefact(catalog()["edm-cifar10-uncond-vp"]),
        references.load("edm-cifar10-32x32").artefact,
        WEIGHTS,
    ]
    left = [file.file_name for file in files]
    for file in files:
        found = needs(each)
        assert found.state == "needs download"
        assert [missing.file_name for missing in found.files] == left
        left.remove(file.file_name)
        path_of(file).parent.mkdir(parents=True)
        path_of(file).touch()
    assert needs(each).state == "ready"
    monkeypatch.setattr(needing.importlib.util, "find_spec", lambda name: None)
    assert needs(each).state == "needs an extra" and needs(each).extras == ("fid",)


@pytest.mark.parametrize(
    ("name", "state"),
    [("digits-vp/heun/20", "ready"), ("admip-celeba64/respaced/100", "needs data")],
)
def test_states(name, state):
    assert needs(preset(name)).state == state


def test_guides_and_classifiers_are_files_too(monkeypatch):
    monkeypatch.setattr(needing.drive, "available", lambda: False)
    auto = needs(preset("edm2-img64-s-1073741-0.045+autoguidance/heun/63"))
    assert "edm2-img64-s-autog-fid-guide" in {file.what for file in auto.files}
    guided = needs(preset("adm-imagenet128+guidance/respaced-guidance-0.5/250"))
    assert "adm-imagenet128-classifier" in {file.what for file in guided.files}
    assert "drive" in needs(preset("gddim-cld-cifar10/gddim/50@gddim")).extras

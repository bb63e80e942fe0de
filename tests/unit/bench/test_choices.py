"""What a request leaves to the model: presets, protocol, metrics, reference."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from samplebench.bench import plan as planning
from samplebench.bench.choices import measuring_of, preset_notes, samplers_of
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import checkpoint
from samplebench.errors import UsageError
from samplebench.features.inception import InceptionExtractor
from samplebench.metrics.moments import Moments
from samplebench.references import reference as references
from samplebench.registry import extractors

VP = checkpoint("vp-cifar10")
TUNED = {"S_churn": (30,), "S_min": (0.01,), "S_max": (1,), "S_noise": (1.007,)}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The path of a reference on pixels."""
    draw = np.random.default_rng(0)
    extractor = extractors.get("pixels")()
    path = tmp_path_factory.mktemp("reference") / "mine.reference.npz"
    references.save(path, Moments.of(draw.normal(size=(400, 192))), extractor, "400 draws")
    return str(path)


def test_a_preset_adds_its_sampler_with_its_parameters():
    assert samplers_of(Request(), VP) == (("euler", "heun"), {})
    assert samplers_of(Request(preset="tuned"), VP) == (("euler", "heun", "edm"), {"edm": TUNED})
    request = Request(preset="tuned", sampler=("edm",), param={"edm": {"S_churn": (10, 20)}})
    samplers, params = samplers_of(request, VP)
    assert samplers == ("edm",) and params == {"edm": {**TUNED, "S_churn": (10, 20)}}


def test_a_preset_away_from_its_nfe_is_noted():
    rows = [{"sampler": "edm", "nfe": 35}, {"sampler": "edm", "nfe": 511}, {"sampler": "heun"}]
    (note,) = preset_notes(Request(preset="tuned"), VP, rows)
    assert "was tuned at NFE 511" in note and note.endswith("not at 35")
    assert "Karras et al. 2022, Table 5" in note
    assert preset_notes(Request(preset="tuned"), VP, rows[1:2]) == []
    assert preset_notes(Request(), VP, rows) == []


def test_unknown_presets():
    with pytest.raises(
        UsageError, match="unknown preset 'tune' of vp-cifar10; did you mean 'tuned"
    ):
        samplers_of(Request(preset="tune"), VP)
    with pytest.raises(UsageError, match="model digits-exact has no preset"):
        samplers_of(Request(preset="tuned"), checkpoint("digits-exact"))


def test_another_kind_of_features_is_the_same_protocol(reference):
    """The metric names its features, and the column its reference."""
    request = Request(metric=("fd-pixels",), reference=(reference,))
    measuring = measuring_of(request, VP)
    assert measuring.protocol == measuring_of(Request(), VP).protocol
    (measure,) = measuring.measures
    assert (measure.metric.name, measure.extractor) == ("fd-pixels", "pixels")
    assert measure.reference.id == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"metric": ("fd-pixels",)},
            "edm-cifar10-32x32 holds inception features, fd-pixels compar",
        ),
        (
            {"metric": ("fd-pixels",), "reference": ("digits-kde",)},
            "holds digits features, fd-pixels com",
        ),
        (
            {"metric": ("fd-pixels", "fd-digits"), "reference": ("digits-kde",)},
            "holds digits features, fd-pixels compares pixels",
        ),
        (
            {"metric": ("fid",), "reference": ("digits-kde", "edm-cifar10-32x32")},
            "digits-kde holds digits features, which no metric here compares",
        ),
        ({"metric": ("fd-pixels",), "reference": ("nothing",)}, "unknown reference 'nothing'"),
    ],
)
def test_what_does_not_fit_is_named(words, message):
    with pytest.raises(UsageError, match=message):
        measuring_of(Request(**words), VP)


def test_a_reference_that_nobody_released():
    entry = replace(VP, reference="my-reference")
    with pytest.raises(UsageError, match="the reference of vp-cifar10, my-reference, is not here"):
        measuring_of(Request(), entry)


def test_fid_against_a_released_reference_is_planned_without_any_file():
    plan = planning.make(Request.of(model="vp-cifar10", nfe="5", device="cpu"))
    scores = [score for each in plan.scores.values() for score in each.values()]
    (conditions,) = {json.dumps(score.conditions["extractor"]) for score in scores}
    assert json.loads(conditions) == {
        "name": "inception",
        "weights_sha256": InceptionExtractor.weights_sha256,
        "feature_dim": 2048,
        "numerics": InceptionExtractor.numerics,
    }
    (measure,) = plan.sources["vp-cifar10"].measures
    reference = measure.reference
    assert (reference.id, reference.path.exists()) == ("edm-cifar10-32x32", False)
    assert {row.metrics for row in plan.rows} == {("fid",)}


def test_a_plan_of_a_model_that_is_not_here_yet(reference, tmp_path):
    """It can be looked at; its cells get their names when the file's hash is known."""
    words = {"nfe": "5,9", "num_samples": 8, "metric": "fd-pixels", "reference": reference}
    plan = planning.make(Request.of(model="vp-cifar10", preset="tuned", device="cpu", **words))
    assert {row.columns["sampler"] for row in plan.rows} == {"euler", "heun", "edm"}
    cells = list(plan.cells.values())
    assert {cell.conditions["checkpoint_sha256"] for cell in cells} == {""}
    # It was tuned at another NFE; 8 images are few for 192 features.
    assert [note.split()[0] for note in plan.notes] == ["preset", "N"]
    path = tmp_path / "network.pkl"
    path.write_bytes(pickle.dumps("not read before it runs", protocol=2))
    here = planning.make(Request.of(model="vp-cifar10", file=str(path), device="cpu", **words))
    (found,) = {cell.conditions["checkpoint_sha256"] for cell in here.cells.values()}
    assert len(found) == 64


@pytest.mark.parametrize(
    ("number", "images", "said"),
    [(192, 192, ["N = 192", "reference"]), (193, 192, ["reference"]), (193, 193, [])],
)
def test_statistics_of_too_few_images_are_said(tmp_path, number, images, said):
    """Below D + 1 a covariance of D features is singular."""
    rows = np.random.default_rng(0).standard_normal((images, 192))
    path = tmp_path / "mine.reference.npz"
    references.save(path, Moments.of(rows), extractors.get("pixels")(), f"{images} images")
    words = {"nfe": "5", "num_samples": number, "metric": "fd-pixels", "reference": str(path)}
    plan = planning.make(Request.of(model="edm-imagenet64", device="cpu", **words))
    found = [note for note in plan.notes if "are few for 192 features" in note]
    assert len(found) == len(said)
    assert all(note.startswith(start) for note, start in zip(found, said, strict=True))


def test_half_precision_is_for_gpus(reference):
    words = {"nfe": "5", "num_samples": 8, "metric": "fd-pixels", "reference": reference}
    plan = planning.make(Request.of(model="edm-imagenet64", device="cpu", **words))
    assert {row.columns["dtype"] for row in plan.rows} == {"float32"}

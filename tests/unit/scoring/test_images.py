"""Scores of images that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from samplebench import registry
from samplebench.cli import main
from samplebench.errors import InputError, UsageError
from samplebench.features.digits import DigitsExtractor
from samplebench.features.pixels import PixelsExtractor
from samplebench.image_sets import read
from samplebench.metrics.frechet import frechet_distance
from samplebench.scoring import rows
from samplebench.scoring.images import score_images
from samplebench.scoring.measure import measures, ready

KINDS = ("folder", "zip", "npy", "npz")


@pytest.fixture
def metric(monkeypatch):
    """`metric(name, function, **facts)`: registers one of others."""

    def register(name, function, **facts):
        entry = registry.metrics.made(name, function, **{"extractor": "pixels", **facts})
        monkeypatch.setitem(registry.metrics._entries, name, entry)

    return register


@pytest.fixture
def other():
    return np.random.default_rng(1).integers(200, size=(120, 1, 8, 8), dtype=np.uint8)


def score(images, references, *names):
    words = {"device": "cpu", "quiet": True}
    here = ready(measures(names, references, device="cpu"), offline=True, quiet=True)
    return score_images(read(Path(images)), here, **words)


def features(images, extractor=PixelsExtractor):
    return extractor()(torch.from_numpy(images)).numpy()


def test_value_and_error_bar(array, other, stored):
    (found,) = score(stored(array, "npy"), [stored(other, "zip", "real")], "fd-digits")
    own, real = features(array, DigitsExtractor), features(other, DigitsExtractor)

    def distance(kept):
        moments = (kept.mean(0), np.cov(kept.T), real.mean(0), np.cov(real.T))
        return frechet_distance(*moments)

    assert found.value["value"] == pytest.approx(distance(own), rel=1e-9)
    left = [distance(np.delete(own, range(5 * b, 5 * b + 5), 0)) for b in range(20)]
    assert found.value["deleted"] == pytest.approx(left, rel=1e-9)
    spread = np.sqrt(19 / 20 * np.square(np.array(left) - np.mean(left)).sum())
    assert found.value["stderr"] == pytest.approx(spread, rel=1e-8)
    assert (found.count, found.measure.extractor, found.doubts) == (100, "digits", ())
    assert sum(found.terms.values()) == pytest.approx(found.value["value"])


def test_the_container_does_not_matter(array, stored):
    real = stored(array[:50] // 2, "npy", "real")
    found = [score(stored(array, kind), [real], "fd-digits", "fd-pixels") for kind in KINDS]
    values = [[each.value for each in scores] for scores in found]
    assert all(each == values[0] for each in values)


def test_metrics_of_several_extractors_and_kinds(array, other, stored, metric):
    def means(own, real):
        assert own.dtype == real.dtype == np.float32
        return np.abs(own.mean(0) - real.mean(0)).mean()

    metric("means", means, statistic="features")
    references = [stored(other, "npy", "real"), "digits"]
    found = score(stored(array, "folder"), references, "fd-digits", "means", "fd-pixels")
    assert [(each.measure.metric.name, each.measure.reference.id) for each in found] == [
        ("fd-digits", "real.npy"), ("means", "real.npy"), ("fd-pixels", "real.npy"),
        ("fd-digits", "digits"),
    ]  # fmt: skip
    own, real = features(array), features(other)
    expected = np.abs(own.mean(0) - real.mean(0)).mean()
    assert found[1].value["value"] == pytest.approx(expected, rel=1e-5)
    assert len(found[1].value["deleted"]) == 20 and found[1].value["stderr"] > 0


def test_one_pass_for_all_metrics_of_an_extractor(array, stored, metric, counting):
    metric("a", lambda own, real: own.mean[0], extractor="counting")
    metric("b", lambda own, real: own.mean(), extractor="counting", statistic="features")
    reference = stored(array, "npy", "real")
    score(stored(array, "npz"), [reference], "a", "b")
    assert sum(counting) == 200
    score(stored(array, "npz"), [reference], "a", "b")
    assert sum(counting) == 300


def test_rows_in_a_file_give_the_same_score(array, stored, metric, monkeypatch):
    metric("means", lambda own, real: own.mean() - real.mean(), statistic="features")
    words = (stored(array, "npy"), [stored(array[:50], "npy", "real")], "fd-pixels", "means")
    first = [each.value for each in score(*words)]
    monkeypatch.setattr(rows, "_LARGE", 0)
    assert [each.value for each in score(*words)] == first


def test_an_image_equal_to_the_reference_is_at_no_distance(array, stored):
    (found,) = score(stored(array, "npy"), [stored(array, "folder", "real")], "fd-digits")
    assert found.value["value"] == pytest.approx(0, abs=1e-8)


def boom(own, real):
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (boom, UsageError, r"metric odd failed \(RuntimeError: boom\)"),
        (lambda own, real: "text", UsageError, "where a number was expected"),
        (lambda own, real: np.nan, InputError, r"100 images of images\.npy: metric odd: .* is nan"),
    ],
)
@pytest.mark.parametrize("statistic", ["moments", "features"])
def test_metrics_of_others_that_fail(array, stored, metric, function, error, message, statistic):
    metric("odd", function, statistic=statistic)
    with pytest.raises(error, match=message):
        score(stored(array, "npy"), [stored(array, "npy", "real")], "odd")


def test_a_metric_without_a_value_leaves_the_others_theirs(array, stored, metric, capsys):
    metric("odd", lambda own, real: np.nan)
    source, real = str(stored(array, "npy")), str(stored(array, "npy", "real"))
    words = ["score", "--images", source, "--reference", real, "--metric"]
    assert main([*words, "odd,fd-digits", "--quiet", "--json"]) == 1
    out, err = capsys.readouterr()
    lost, found = json.loads(out)
    assert lost["value"] is None and "is nan" in lost["failed"] and "is nan" in err
    assert abs(found["value"]) < 1e-9 and "failed" not in found
    assert main([*words, "odd,fd-digits", "--quiet"]) == 1
    assert main([*words, "odd", "--quiet"]) == 2


def test_a_metric_that_fails_is_told_before_the_images_are_read(array, stored, metric, counting):
    metric("odd", boom, extractor="counting")
    source, real = stored(array, "npy"), stored(array, "npy", "real")
    here = ready(measures(["odd"], [real]), offline=True, quiet=True)
    before = sum(counting)
    with pytest.raises(UsageError, match="metric odd failed"):
        score_images(read(Path(source)), here, device="cpu", quiet=True)
    assert sum(counting) == before


def test_a_metric_that_draws_is_told(array, stored, metric):
    metric("odd", lambda own, real: own.mean[0] + np.random.random())
    words = (stored(array, "npy"), [stored(array, "npy", "real")], "odd")
    first, second = (score(*words)[0] for _ in range(2))
    assert "metric odd draws from numpy's global generator" in first.doubts[0]
    assert first.value == second.value


def test_what_an_extractor_cannot_take(array, stored):
    wide = np.zeros((3, 1, 9, 9), np.uint8)
    with pytest.raises(InputError, match=r"3 images of wide\.npy: the 'digits' extractor takes"):
        score(stored(wide, "npy", "wide"), ["digits"], "fd-digits")
    with pytest.raises(InputError, match="at least 2 images"):
        score(stored(array[:1], "npy", "one"), ["digits"], "fd-digits")

"""What holds for every metric on moments of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samplebench import registry
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.metrics.uncertainty import delete_one, spread
from samplebench.references.files import Statistics
from samplebench.references.reference import Reference


@pytest.fixture(scope="module")
def width():
    """`width(metric)`: the feature dimension of the metric's extractor, 192 where it has more.

    No metric knows the dimension; 2048 would only take a thousand times as long.
    """
    return lambda metric: min(registry.extractors.get(metric.extractor).feature_dim, 192)


@pytest.fixture(scope="module")
def features():
    """`features(n, dim, seed)`: correlated rows away from the origin."""

    def make(n, dim, seed=0):
        rng = np.random.default_rng(seed)
        mixing = np.random.default_rng(99).standard_normal((dim, dim)) / np.sqrt(dim)
        return rng.standard_normal((n, dim)) @ mixing * np.linspace(0.1, 3, dim) + 2

    return make


def reference(moments: Moments, extractor: str) -> Reference:
    n, weights, made_from = moments.count, "0" * 64, "random numbers"
    return Reference(
        id="made here",
        path=Path("nowhere"),
        sha256="0" * 64,
        feature_dim=len(moments.mean),
        num_images=n,
        extractor=extractor,
        weights_sha256=weights,
        made_from=made_from,
        given=Statistics(moments.mean, moments.cov, n, extractor, weights, made_from),
    )


def trace(moments: Moments) -> float:
    return float(np.trace(moments.cov))


def test_zero_against_the_same_moments(metric, width, features):
    moments = Moments.of(features(1000, width(metric)))
    value = metric.obj(moments, reference(moments, metric.extractor))["value"]
    assert abs(value) < 1e-8 * trace(moments)


def test_zero_against_the_same_moments_of_few_samples(metric, width, features):
    # Eigenvalues that should be 0 come out as rounding errors, of which a root is taken.
    moments = Moments.of(features(width(metric) // 3, width(metric)))
    value = metric.obj(moments, reference(moments, metric.extractor))["value"]
    assert abs(value) < 1e-6 * trace(moments)


def test_terms_are_floats(metric, width, features):
    moments = Moments.of(features(500, width(metric)))
    terms = metric.obj(moments, reference(moments, metric.extractor))
    assert all(type(term) is float for term in terms.values())


def test_order_of_the_samples_does_not_matter(metric, width, features):
    rows = features(600, width(metric), seed=1)
    ref = reference(Moments.of(features(900, width(metric))), metric.extractor)
    value = metric.obj(Moments.of(rows), ref)["value"]
    shuffled = np.random.default_rng(5).permutation(rows)
    assert metric.obj(Moments.of(shuffled), ref)["value"] == pytest.approx(value, rel=1e-8)


def test_merged_moments_give_the_value_of_the_whole(metric, width, features):
    rows = features(600, width(metric), seed=1)
    ref = reference(Moments.of(features(900, width(metric))), metric.extractor)
    whole = metric.obj(Moments.of(rows), ref)["value"]
    merged = Moments.of(rows[:13]) + Moments.of(rows[13:450]) + Moments.of(rows[450:])
    grown = Moments.zeros(width(metric))
    for part in np.array_split(rows, 7):
        grown.add(part)
    blocked = BlockedMoments(len(rows), width(metric))
    for first in range(0, len(rows), 64):
        blocked.add(rows[first : first + 64], first)
    left = Moments.of(np.concatenate([rows, rows[:50]])) - Moments.of(rows[:50])
    for moments in (merged, grown, blocked.total(), left):
        assert moments.count == len(rows)
        assert metric.obj(moments, ref)["value"] == pytest.approx(whole, rel=1e-8)


@pytest.mark.parametrize("n", [3, 40, 700])
def test_never_negative(metric, n, width, features):
    ref = reference(Moments.of(features(900, width(metric))), metric.extractor)
    for seed in range(1, 6):
        moments = Moments.of(features(n, width(metric), seed=seed))
        assert metric.obj(moments, ref)["value"] >= 0


def test_grows_with_a_shift_of_the_mean(metric, width, features):
    rows = features(600, width(metric), seed=1)
    ref = reference(Moments.of(rows), metric.extractor)
    direction = np.random.default_rng(3).standard_normal(width(metric))
    direction /= np.linalg.norm(direction)
    values = [
        metric.obj(Moments.of(rows + shift * direction), ref)["value"]
        for shift in (0.0, 0.05, 0.1, 0.5, 1.0, 5.0)
    ]
    assert values == sorted(values)
    assert values[1] > values[0]
    assert values[-1] > 10 * values[1]


def test_inputs_are_not_changed(metric, width, features):
    moments = Moments.of(features(300, width(metric), seed=1))
    ref = reference(Moments.of(features(300, width(metric))), metric.extractor)
    before = [a.copy() for a in (moments.total, moments.outer, ref.mean, ref.cov)]
    first = metric.obj(moments, ref)
    assert metric.obj(moments, ref) == first
    after = (moments.total, moments.outer, ref.mean, ref.cov)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("most", [64, pytest.param(192, marks=pytest.mark.slow)])
def test_the_error_bar_is_that_of_repeated_runs(metric, most, width, features):
    """The jackknife of one run against the spread of 40 runs, within a factor of 1.6."""
    dim, n = min(width(metric), most), 800
    ref = reference(Moments.of(features(5000, dim, seed=999) + 0.2), metric.extractor)

    def value(moments):
        return metric.obj(moments, ref)["value"]

    values, errors = [], []
    for seed in range(40):
        blocked = BlockedMoments(n, dim)
        blocked.add(features(n, dim, seed=seed), 0)
        values.append(value(blocked.total()))
        errors.append(spread(delete_one(blocked.blocks, value)))
    ratio = np.median(errors) / np.std(values, ddof=1)
    assert 1 / 1.6 < ratio < 1.6

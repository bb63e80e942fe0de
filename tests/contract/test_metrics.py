"""What holds for every metric, on moments of features or on the features themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samplebench import registry
from samplebench.metrics.blocks import BlockedRows, ranges
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.metrics.scored import scored
from samplebench.metrics.uncertainty import spread
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


def of(metric, rows):
    """What a metric gets of feature rows, with its blocks."""
    return BlockedMoments.of(rows) if metric.statistic == "moments" else BlockedRows(rows)


def given(metric, rows):
    """What it gets of samples."""
    return of(metric, rows).total


def reference(metric, rows):
    """What it gets of a reference."""
    moments, weights, made_from = Moments.of(rows), "0" * 64, "random numbers"
    facts = {"extractor": metric.extractor, "weights_sha256": weights, "made_from": made_from}
    kept = Statistics(moments.mean, moments.cov, len(rows), *facts.values(), rows=lambda: rows)
    found = Reference(
        id="made here",
        path=Path("nowhere"),
        sha256="0" * 64,
        feature_dim=rows.shape[1],
        num_images=len(rows),
        given=kept,
        **facts,
    )
    return found.statistic(metric.statistic)


def trace(rows) -> float:
    return float(np.trace(np.cov(rows.T)))


def test_zero_against_the_same_rows(metric, width, features):
    rows = features(1000, width(metric))
    value = metric.obj(given(metric, rows), reference(metric, rows))["value"]
    assert abs(value) < 1e-8 * trace(rows)


def test_zero_against_the_same_few_rows(metric, width, features):
    # Eigenvalues that should be 0 come out as rounding errors, of which a root is taken.
    rows = features(width(metric) // 3, width(metric))
    value = metric.obj(given(metric, rows), reference(metric, rows))["value"]
    assert abs(value) < 1e-6 * trace(rows)


def test_terms_are_floats(metric, width, features):
    rows = features(500, width(metric))
    terms = metric.obj(given(metric, rows), reference(metric, rows))
    assert all(type(term) is float for term in terms.values())


def test_order_of_the_samples_does_not_matter(metric, width, features):
    rows = features(600, width(metric), seed=1)
    ref = reference(metric, features(900, width(metric)))
    value = metric.obj(given(metric, rows), ref)["value"]
    shuffled = np.random.default_rng(5).permutation(rows)
    assert metric.obj(given(metric, shuffled), ref)["value"] == pytest.approx(value, rel=1e-8)


def test_merged_moments_give_the_value_of_the_whole(metric, width, features):
    if metric.statistic != "moments":
        pytest.skip(f"{metric.name} is computed on rows, which are not merged")
    rows = features(600, width(metric), seed=1)
    ref = reference(metric, features(900, width(metric)))
    whole = metric.obj(Moments.of(rows), ref)["value"]
    merged = Moments.of(rows[:13]) + Moments.of(rows[13:450]) + Moments.of(rows[450:])
    grown = Moments.zeros(width(metric))
    for part in np.array_split(rows, 7):
        grown.add(part)
    blocked = BlockedMoments.of(rows).total
    left = Moments.of(np.concatenate([rows, rows[:50]])) - Moments.of(rows[:50])
    for moments in (merged, grown, blocked, left):
        assert moments.count == len(rows)
        assert metric.obj(moments, ref)["value"] == pytest.approx(whole, rel=1e-8)


def test_the_delete_one_values_are_those_of_the_samples_without_a_block(metric, width, features):
    rows = features(600, width(metric), seed=1)
    ref = reference(metric, features(900, width(metric)))
    found = scored(metric, of(metric, rows), ref)
    expected = [
        metric.obj(given(metric, np.delete(rows, block, axis=0)), ref)["value"]
        for block in ranges(600)
    ]
    assert len(expected) == 20
    assert found["deleted"] == pytest.approx(expected, rel=1e-8)
    assert found["stderr"] == spread(found["deleted"])
    terms = {key: found[key] for key in found if key not in ("stderr", "deleted", "better")}
    assert terms == metric.obj(given(metric, rows), ref)


@pytest.mark.parametrize("n", [3, 40, 700])
def test_never_negative(metric, n, width, features):
    ref = reference(metric, features(900, width(metric)))
    for seed in range(1, 6):
        rows = features(n, width(metric), seed=seed)
        assert metric.obj(given(metric, rows), ref)["value"] >= 0


def test_grows_with_a_shift_of_the_mean(metric, width, features):
    rows = features(600, width(metric), seed=1)
    ref = reference(metric, rows)
    direction = np.random.default_rng(3).standard_normal(width(metric))
    direction /= np.linalg.norm(direction)
    values = [
        metric.obj(given(metric, rows + shift * direction), ref)["value"]
        for shift in (0.0, 0.05, 0.1, 0.5, 1.0, 5.0)
    ]
    assert values == sorted(values)
    assert values[1] > values[0]
    assert values[-1] > 10 * values[1]


def test_inputs_are_not_changed(metric, width, features):
    samples = given(metric, features(300, width(metric), seed=1))
    ref = reference(metric, features(300, width(metric)))

    def arrays():
        parts = {"moments": ("total", "outer", "mean", "cov"), "features": ()}[metric.statistic]
        found = [getattr(each, name) for each in (samples, ref) for name in parts
                 if hasattr(each, name)]  # fmt: skip
        return [array.copy() for array in found or (samples, ref)]

    before = arrays()
    first = metric.obj(samples, ref)
    assert metric.obj(samples, ref) == first
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(), strict=True))


@pytest.mark.parametrize("most", [64, pytest.param(192, marks=pytest.mark.slow)])
def test_the_error_bar_is_that_of_repeated_runs(metric, most, width, features):
    """The jackknife of one run against the spread of 40 runs, within a factor of 1.6."""
    dim, n = min(width(metric), most), 800
    ref = reference(metric, features(5000, dim, seed=999) + 0.2)
    found = [scored(metric, of(metric, features(n, dim, seed=seed)), ref) for seed in range(40)]
    errors = [value["stderr"] for value in found]
    ratio = np.median(errors) / np.std([value["value"] for value in found], ddof=1)
    assert 1 / 1.6 < ratio < 1.6

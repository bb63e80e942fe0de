"""What holds for every metric, on moments of features or on the features themselves."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from samplebench import registry
from samplebench.errors import UsageError
from samplebench.metrics import kernel
from samplebench.metrics.blocks import BlockedRows, ranges
from samplebench.metrics.family import forms
from samplebench.metrics.manifold import density
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.metrics.scored import scored
from samplebench.metrics.uncertainty import spread
from samplebench.references.files import Statistics
from samplebench.references.reference import Reference


@pytest.fixture(scope="module")
def width():
    """`width(metric)`: the feature dimension of digits, and 192 of whatever has more.

    No metric knows the dimension; 2048 would only take a thousand times as long.
    """
    return lambda metric: {"digits": 64}.get(metric.extractor, 192)


@pytest.fixture(autouse=True)
def small_subsets(monkeypatch):
    """Of those that a metric draws; 100 of 1,000 would only take longer."""
    monkeypatch.setattr(kernel, "SUBSETS", 20)
    monkeypatch.setattr(kernel, "SUBSET_SIZE", 300)


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


def made_of(metric, rows):
    """A reference that keeps its rows."""
    moments, weights, made_from = Moments.of(rows), "0" * 64, "random numbers"
    facts = {"extractor": metric.extractor, "weights_sha256": weights, "made_from": made_from}
    kept = Statistics(moments.mean, moments.cov, len(rows), *facts.values(), rows=lambda: rows)
    return Reference(
        id="made here",
        path=Path("nowhere"),
        sha256="0" * 64,
        feature_dim=rows.shape[1],
        num_images=len(rows),
        given=kept,
        **facts,
    )


def reference(metric, rows):
    """What it gets of a reference."""
    return made_of(metric, rows).statistic(metric.against)


def value_of(metric, rows, ref):
    """Its value on samples."""
    return metric.obj(given(metric, rows), ref)["value"]


def worse(metric, one, other):
    """Whether one value is worse than another, or equal."""
    return one >= other if metric.better == "lower" else one <= other


def trace(rows) -> float:
    return float(np.trace(np.cov(rows.T)))


def test_declares_which_way_is_better(metric):
    assert metric.better in ("lower", "higher")


def test_nothing_is_better_than_the_same_rows(metric, width, features):
    if metric.against == "nothing":
        pytest.skip(f"{metric.name} compares with nothing")
    if metric.obj is density:
        pytest.skip("samples that crowd where real ones are dense have more")
    rows = features(1000, width(metric))
    ref = reference(metric, rows)
    best = value_of(metric, rows, ref)
    others = (features(1000, width(metric), seed=1), 1.5 * rows, rows + 0.5, rows[::2] * 0.8)
    for other in others:
        assert worse(metric, value_of(metric, other, ref), best), metric.name


def test_a_distance_is_zero_against_the_same_rows(metric, width, features):
    if metric.against != "moments" or metric.ordered:
        pytest.skip(f"{metric.name} is not a distance of moments")
    rows = features(1000, width(metric))
    assert abs(value_of(metric, rows, reference(metric, rows))) < 1e-8 * trace(rows)
    # Eigenvalues that should be 0 come out as rounding errors, of which a root is taken.
    few = features(width(metric) // 3, width(metric))
    assert abs(value_of(metric, few, reference(metric, few))) < 1e-6 * trace(few)


def test_terms_are_floats(metric, width, features):
    rows = features(500, width(metric))
    terms = metric.obj(given(metric, rows), reference(metric, rows))
    assert all(type(term) is float for term in terms.values())


def test_order_of_the_samples_does_not_matter_unless_it_says_so(metric, width, features):
    rows = features(600, width(metric), seed=1)
    ref = reference(metric, features(900, width(metric)))
    value, again = (
        value_of(metric, each, ref) for each in (rows, np.random.default_rng(5).permutation(rows))
    )
    assert (again == pytest.approx(value, rel=1e-8)) is not metric.ordered


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
    """To rounding where the order does not matter, and on rows; else so that the error agrees."""
    rows = features(600, width(metric), seed=1)
    made = made_of(metric, features(900, width(metric)))
    ref = made.statistic(metric.against)
    found = scored(metric, of(metric, rows), made.blocked(metric.against))
    terms = {key: found[key] for key in found if key not in ("stderr", "deleted", "better")}
    assert terms == pytest.approx(metric.obj(given(metric, rows), ref), rel=1e-10, abs=1e-13)
    if metric.blocked is not None and not found["deleted"]:
        assert found["stderr"] is None
        return
    assert found["stderr"] == spread(found["deleted"])
    expected = [value_of(metric, np.delete(rows, block, axis=0), ref) for block in ranges(600)]
    assert len(found["deleted"]) == len(expected) == 20
    exact = not metric.ordered and (metric.statistic == "features" or metric.blocked is None)
    if exact:
        assert found["deleted"] == pytest.approx(expected, rel=1e-8, abs=1e-13)
    elif not metric.ordered:
        assert found["stderr"] == pytest.approx(spread(expected), rel=0.25)


def test_a_shift_of_the_mean_is_seen(metric, width, features):
    if metric.against == "nothing":
        pytest.skip(f"{metric.name} compares with nothing")
    rows = features(600, width(metric), seed=1)
    ref = reference(metric, rows)
    direction = np.random.default_rng(3).standard_normal(width(metric))
    direction *= np.sqrt(trace(rows)) / np.linalg.norm(direction)
    values = [
        value_of(metric, rows + shift * direction, ref) for shift in (0.0, 0.2, 0.5, 1.0, 3.0, 9.0)
    ]
    assert all(worse(metric, b, a) for a, b in pairwise(values))
    assert values[-1] != values[0]


def test_inputs_are_not_changed(metric, width, features):
    samples = given(metric, features(300, width(metric), seed=1))
    ref = reference(metric, features(300, width(metric)))

    def arrays():
        names = ("total", "outer", "mean", "cov")
        found = [getattr(each, n) for each in (samples, ref) for n in names if hasattr(each, n)]
        rows = [each for each in (samples, ref) if isinstance(each, np.ndarray)]
        return [array.copy() for array in [a for a in found if isinstance(a, np.ndarray)] + rows]

    before = arrays()
    first = metric.obj(samples, ref)
    assert metric.obj(samples, ref) == first
    assert before and all(np.array_equal(a, b) for a, b in zip(before, arrays(), strict=True))


def test_the_error_bar_is_that_of_repeated_runs(metric, width, features):
    """The jackknife of one run against the spread of 40 runs, within a factor of 1.6."""
    dim, n = min(width(metric), 64), 500
    made = made_of(metric, features(900, dim, seed=999) + 0.2)
    ref = made.blocked(metric.against)
    runs = (scored(metric, of(metric, features(n, dim, seed=seed)), ref) for seed in range(40))
    found = [next(runs)]
    if metric.blocked is not None and found[0]["stderr"] is None:
        pytest.skip(f"{metric.name} has no error bar")
    found += runs
    errors = [value["stderr"] for value in found]
    ratio = np.median(errors) / np.std([value["value"] for value in found], ddof=1)
    assert 1 / 1.6 < ratio < 1.6


def test_a_name_on_features_of_others(monkeypatch):
    """Of a family the metric is there when it is asked for."""
    entry = registry.extractors.made("mine", lambda images: images)
    monkeypatch.setitem(registry.extractors._entries, "mine", entry)
    monkeypatch.setattr(registry.metrics, "_entries", dict(registry.metrics._entries))
    for family in (form.removesuffix("EXTRACTOR") for form in forms()):
        found = registry.metrics.entry(f"{family}mine")
        assert found.extractor == "mine" and found.builtin
        assert found.obj is registry.metrics.entry(f"{family}digits").obj
        # Whoever has a metric of that name may say so even now.
        registry.metrics.register(f"{family}mine", extractor="mine")(max)
        own = registry.metrics.entry(f"{family}mine")
        assert own.obj is max and not own.builtin
    for lost in ("fd-nobody", "fd-", "fd-inception"):
        with pytest.raises(UsageError, match="unknown metric"):
            registry.metrics.entry(lost)

"""FID_infinity: its line, its order, its error bar."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.answers.blame import Failed
from samplebench.metrics import infinity as metric
from samplebench.metrics.blocks import BlockedRows, ranges
from samplebench.metrics.frechet import fid_infinity, frechet_distance
from samplebench.metrics.gaussians import Gaussian
from samplebench.metrics.infinity import Extrapolation, blocked_infinity, extrapolation, sizes_of
from samplebench.metrics.moments import Moments
from samplebench.metrics.uncertainty import spread
from samplebench.registry import metrics


def draw(n, dim, seed):
    return np.random.default_rng(seed).standard_normal((n, dim)) * np.linspace(0.2, 1, dim)


def given(n=2000, dim=6):
    return Gaussian.of(Moments.of(draw(n, dim, 99)))


def test_a_line_is_found_again():
    sizes = np.array([10, 20, 50, 1000])
    found = Extrapolation.of(sizes, 0.7 + 12 / sizes)
    assert (found.intercept, found.slope) == pytest.approx((0.7, 12), rel=1e-12)


@pytest.mark.parametrize(
    ("count", "first"), [(3, 2), (25, 2), (40, 4), (1797, 179), (50_000, 5000), (100_000, 5000)]
)
def test_the_sizes(count, first):
    found = sizes_of(count)
    assert (found[0], found[-1], len(found)) == (first, count, 15)
    assert len(sizes_of(count, 4)) == 4


@pytest.mark.parametrize(("count", "sizes"), [(0, 15), (1, 15), (2, 15), (100, 1), (100, 0)])
def test_too_few_for_a_line(count, sizes):
    with pytest.raises(ValueError, match="are too few for a line"):
        fid_infinity(draw(50, 3, 0), draw(count, 3, 1), sizes=sizes)


def test_too_few_samples_have_no_value():
    with pytest.raises(Failed, match="2 samples"):
        metric.infinity(draw(2, 6, 0), given())
    with pytest.raises(Failed, match="2 samples"):
        blocked_infinity(BlockedRows(draw(2, 6, 0)), given())


def test_each_size_is_the_distance_of_the_first_rows():
    rows, ref = draw(500, 6, 1), given()
    found = extrapolation(ref, rows, sizes=5)
    for n, value in zip(found.sizes, found.values, strict=True):
        x = rows[:n]
        expected = frechet_distance(x.mean(0), np.cov(x.T), ref.mean, ref.cov)
        assert value == pytest.approx(expected, rel=1e-10)


def test_a_seed_puts_the_rows_in_another_order():
    """Rows sorted by class bend the line; the order of a seed does not care."""
    ref, rows = given(), draw(2000, 6, 1)
    by_size = rows[np.argsort(rows[:, -1])]
    true = np.mean([fid_infinity(draw(2000, 6, 99), draw(2000, 6, s)) for s in range(2, 12)])
    assert extrapolation(ref, by_size).intercept < true - 0.1
    assert extrapolation(ref, by_size, seed=3).intercept == pytest.approx(true, abs=0.02)
    assert extrapolation(ref, rows, seed=3).intercept == extrapolation(ref, rows, seed=3).intercept
    own = extrapolation(ref, rows, seed=2020)
    expected = {"value": own.intercept, "slope": own.slope, "smallest_subset": 200.0}
    assert metric.infinity(rows, ref) == pytest.approx(expected, rel=1e-10)


def test_the_bias_of_few_samples_is_gone():
    """Ten times smaller than that of the distance of all of them, over 40 draws."""
    dim, n = 8, 400
    cov = np.diag(np.linspace(0.2, 1, dim) ** 2)
    ref = Gaussian(np.zeros(dim), cov, np.sqrt(cov))
    found = [extrapolation(ref, draw(n, dim, seed), seed=0) for seed in range(40)]
    biased = np.mean([one.values[-1] for one in found])
    assert abs(np.mean([one.intercept for one in found])) < 0.1 * biased


def test_the_values_without_a_block():
    """The same subsets without its samples, wherever these are in the order."""
    rows, ref = draw(600, 6, 1).astype(np.float32), given()
    terms, found = blocked_infinity(BlockedRows(rows), ref)
    assert terms == metric.infinity(rows, ref)
    order, expected = np.random.default_rng(2020).permutation(600), []
    for block in ranges(600):
        sizes, values = [], []
        for n in sizes_of(600):
            kept = [i for i in order[:n] if not block.start <= i < block.stop]
            x = rows[kept].astype(float)
            sizes.append(len(kept))
            values.append(frechet_distance(x.mean(0), np.cov(x.T), ref.mean, ref.cov))
        expected.append(np.polyfit(1 / np.array(sizes), values, 1)[1])
    assert spread(found) == pytest.approx(spread(expected), rel=0.1)
    assert np.corrcoef(found, expected)[0, 1] > 0.98


@pytest.mark.parametrize(
    ("name", "count", "dim", "few"),
    [
        ("fid-infinity", 50_000, 2048, False),
        ("fid-infinity", 30_000, 2048, True),
        ("fd-infinity-digits", 1797, 64, False),
        ("fd-infinity-digits", 1000, 64, True),
        ("fd-infinity-digits", 2, 64, False),  # which has no value
        ("fd-digits", 1000, 64, False),
    ],
)
def test_few_samples_in_a_subset_are_told(name, count, dim, few):
    found = metric.subset_notes(metrics.entry(name), count, dim)
    least = sizes_of(max(count, 3))[0]
    text = f"{name} extrapolates from subsets of {least} samples and more, which are few for {dim}"
    assert found == ((f"{text} features: the value means little",) if few else ())


def test_where_it_has_no_error_bar(monkeypatch):
    """Subsets too small to miss a block, or blocks too large to be held."""
    ref = given()
    assert blocked_infinity(BlockedRows(draw(5, 6, 1)), ref)[1] == []
    monkeypatch.setattr("samplebench.metrics.moments.MOST_HELD", 1000)
    rows = draw(600, 6, 1)
    assert blocked_infinity(BlockedRows(rows), ref) == (metric.infinity(rows, ref), [])

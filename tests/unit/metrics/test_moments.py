"""First and second moments: against numpy, and as an additive group."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.metrics.moments import BlockedMoments, Moments


def rows(n, dim=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dim)) @ rng.standard_normal((dim, dim)) + rng.normal(size=dim)


def near(found: Moments, expected: Moments) -> None:
    assert found.count == expected.count
    assert found.total == pytest.approx(expected.total, rel=1e-12, abs=1e-11)
    assert found.outer == pytest.approx(expected.outer, rel=1e-12, abs=1e-11)


@pytest.mark.parametrize(("n", "dim"), [(2, 1), (5, 8), (1000, 4)])
def test_mean_and_covariance_are_numpys(n, dim):
    x = rows(n, dim)
    moments = Moments.of(x)
    assert moments.mean == pytest.approx(x.mean(0), rel=1e-12, abs=1e-13)
    assert moments.cov == pytest.approx(np.cov(x.T).reshape(dim, dim), rel=1e-9, abs=1e-12)
    assert np.array_equal(moments.cov, moments.cov.T)


def test_float32_features_are_summed_in_float64():
    x = rows(1000).astype(np.float32)
    assert Moments.of(x).outer.dtype == np.float64
    assert np.array_equal(Moments.of(x).outer, Moments.of(x.astype(np.float64)).outer)


sizes = st.lists(st.integers(0, 12), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(sizes=sizes, seed=st.integers(0, 2**32 - 1))
def test_any_split_merges_to_the_whole(sizes, seed):
    x = rows(sum(sizes), seed=seed)
    parts = np.split(x, np.cumsum(sizes)[:-1])
    merged, added = Moments.zeros(3), Moments.zeros(3)
    for part in parts:
        merged = merged + Moments.of(part)
        added.add(part)
    near(merged, Moments.of(x))
    near(added, Moments.of(x))


@settings(max_examples=50, deadline=None)
@given(n=st.integers(0, 20), m=st.integers(0, 20), seed=st.integers(0, 2**32 - 1))
def test_subtraction_undoes_addition(n, m, seed):
    a, b = Moments.of(rows(n, seed=seed)), Moments.of(rows(m, seed=seed + 1))
    near((a + b) - b, a)
    near((a + b) - a, b)


def test_operators_leave_their_operands_alone():
    a, b = Moments.of(rows(4)), Moments.of(rows(5, seed=1))
    before = a.outer.copy()
    _ = a + b, a - b
    assert np.array_equal(a.outer, before) and a.count == 4


@pytest.mark.parametrize(("n", "blocks"), [(1, 1), (7, 7), (20, 20), (21, 20), (1797, 20)])
def test_blocks_are_nearly_equal_ranges_of_samples(n, blocks):
    blocked = BlockedMoments(n, 1)
    blocked.add(np.arange(n, dtype=float)[:, None], 0)
    counts = [block.count for block in blocked.blocks]
    assert len(counts) == blocks and sum(counts) == n
    assert max(counts) - min(counts) <= 1
    firsts = np.cumsum([0, *counts[:-1]])
    expected = [sum(range(f, f + c)) for f, c in zip(firsts, counts, strict=True)]
    assert [block.total[0] for block in blocked.blocks] == expected


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 150), cuts=st.lists(st.integers(0, 150), max_size=5))
def test_blocks_do_not_depend_on_the_batches(n, cuts):
    x = rows(n)
    whole, parts = BlockedMoments(n, 3), BlockedMoments(n, 3)
    whole.add(x, 0)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    for first, end in reversed(list(pairwise(edges))):
        parts.add(x[first:end], first)
    for mine, theirs in zip(whole.blocks, parts.blocks, strict=True):
        near(mine, theirs)
    near(whole.total(), Moments.of(x))


def test_a_restored_state_goes_on_bit_for_bit():
    x = rows(100)
    whole, first = BlockedMoments(100, 3), BlockedMoments(100, 3)
    for blocked in (whole, first):
        blocked.add(x[:37], 0)
    second = BlockedMoments(100, 3)
    second.load({name: array.copy() for name, array in first.state().items()})
    for blocked in (whole, second):
        blocked.add(x[37:], 37)
    for mine, theirs in zip(whole.blocks, second.blocks, strict=True):
        assert mine.count == theirs.count
        assert np.array_equal(mine.total, theirs.total)
        assert np.array_equal(mine.outer, theirs.outer)
    assert first.total().count == 37

"""First and second moments: against numpy, and as an additive group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.metrics.blocks import ranges
from samplebench.metrics.moments import BlockedMoments, Moments, packed_bytes


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
    parts = BlockedMoments.of(np.arange(n, dtype=float)[:, None]).parts
    counts = [part.count for part in parts]
    assert len(counts) == blocks and sum(counts) == n
    assert max(counts) - min(counts) <= 1
    firsts = np.cumsum([0, *counts[:-1]])
    expected = [sum(range(f, f + c)) for f, c in zip(firsts, counts, strict=True)]
    assert [part.total[0] for part in parts] == expected


@settings(max_examples=100, deadline=None)
@given(n=st.integers(0, 5000), blocks=st.integers(1, 50))
def test_sample_i_is_in_block_i_times_blocks_over_n(n, blocks):
    found = ranges(n, blocks)
    assert [i for block in found for i in range(n)[block]] == list(range(n))
    blocks = len(found)
    assert all(i * blocks // n == k for k, block in enumerate(found) for i in range(n)[block])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 150))
def test_parts_add_up_and_leave_each_block_out(n):
    x = rows(n)
    blocked = BlockedMoments.of(x)
    near(blocked.total, Moments.of(x))
    for block, part in zip(ranges(n), blocked.parts, strict=True):
        near(part, Moments.of(x[block]))
    left = list(blocked.left_out())
    assert len(left) == (min(n, 20) if n > 2 else 0)
    for block, found in zip(ranges(n), left, strict=False):
        near(found, Moments.of(np.delete(x, block, axis=0)))


def same(mine, theirs):
    assert mine.count == theirs.count
    assert np.array_equal(mine.total, theirs.total)
    assert np.array_equal(mine.outer, theirs.outer)


@pytest.mark.parametrize("most", [None, 0], ids=["parts in memory", "parts made when asked for"])
def test_the_same_rows_give_the_same_bits_wherever_they_lie(tmp_path, monkeypatch, most):
    x = rows(333, dim=5)
    expected = BlockedMoments.of(x)
    if most is not None:
        for bound in ("MOST_PARTS", "MOST_HELD"):
            monkeypatch.setattr(f"samplebench.metrics.moments.{bound}", most)
    x.tofile(tmp_path / "rows")
    found = BlockedMoments.of(np.memmap(tmp_path / "rows", np.float64, "r", shape=x.shape))
    same(found.total, expected.total)
    for mine, theirs in zip(found.left_out(), expected.left_out(), strict=True):
        same(mine, theirs)


def test_a_state_is_the_same_bit_for_bit():
    first = BlockedMoments.of(rows(100))
    second = BlockedMoments.load({name: array.copy() for name, array in first.state().items()})
    same(second.total, first.total)
    for mine, theirs in zip(second.parts, first.parts, strict=True):
        same(mine, theirs)
    assert second.count == 100 and len(list(second.left_out())) == 20


def test_a_state_holds_the_blocks_only_where_they_are_small(monkeypatch):
    whole = BlockedMoments.of(rows(100))
    size = sum(array.nbytes for array in whole.state().values())
    assert size == 21 * packed_bytes(3)
    monkeypatch.setattr("samplebench.metrics.moments.MOST_PARTS", 20 * packed_bytes(3))
    state = whole.state()
    assert sum(array.nbytes for array in state.values()) == packed_bytes(3)
    found = BlockedMoments.load(state)
    same(found.total, whole.total)
    assert list(found.left_out()) == []
    for mine, theirs in zip(found.parted(rows(100)).left_out(), whole.left_out(), strict=True):
        same(mine, theirs)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state | {"total": state["total"][:, :-1]},
        lambda state: state | {"outer": state["outer"][:, :-1]},
        lambda state: state | {"block_count": state["block_count"] + 1},
        lambda state: state | {"block_total": state["block_total"][:-1]},
    ],
    ids=["total", "outer", "counts", "blocks"],
)
def test_arrays_that_do_not_belong_together_are_no_state(change):
    with pytest.raises(ValueError, match=r"shapes do not fit|do not add up"):
        BlockedMoments.load(change(BlockedMoments.of(rows(40)).state()))

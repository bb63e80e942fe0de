"""Precision, recall, density, coverage and AuthPct against their definitions, ties included."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.answers.blame import Failed
from samplebench.metrics import manifold_blocks, overlap, pairs
from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.manifold import authpct, density_coverage, precision_recall
from samplebench.metrics.manifold_blocks import (
    coverage_by_blocks,
    density_by_blocks,
    precision_by_blocks,
    recall_by_blocks,
)
from samplebench.metrics.neighbours import error_at
from samplebench.metrics.overlap import Closest
from samplebench.metrics.scored import scored
from samplebench.registry import metrics

BY_BLOCKS = (precision_by_blocks, recall_by_blocks, density_by_blocks, coverage_by_blocks)


def normal(n, dim, rng):
    return rng.standard_normal((n, dim))


def binary(n, dim, rng):
    return rng.integers(0, 2, (n, dim)).astype(bool)


def far_grid(n, dim, rng):
    """Many equal distances, a long way from the origin."""
    return rng.integers(0, 4, (n, dim)) / 4 + 1000


def repeated(n, dim, rng):
    """A few images many times, of large numbers that are no round ones."""
    few = 100 * np.random.default_rng(5).standard_normal((max(2, n // 7), dim))
    return few[rng.integers(0, len(few), n)].astype(np.float32)


def twice(n, dim, rng):
    """Every row twice, in another order."""
    half = rng.standard_normal(((n + 1) // 2, dim))
    return np.concatenate([half, half])[rng.permutation(n)]


def equal(n, dim, rng):
    return np.full((n, dim), 0.3)


def outlier(n, dim, rng):
    rows = rng.standard_normal((n, dim))
    rows[0] *= 1e4
    return rows


KINDS = [normal, binary, far_grid, repeated, twice, equal, outlier]
SIZES = [(41, 30, 3), (22, 40, 5), (25, 9, 2), (5, 7, 4)]


def squared(a, b):
    """Differences first, so that equal rows are at exactly 0, and rounded so that ties are ties."""
    a, b = (rows.astype(np.float64) for rows in (a, b))
    return np.square(a[:, None] - b).sum(2).round(9)


def radii(rows, k):
    found = squared(rows, rows)
    np.fill_diagonal(found, np.inf)
    return np.sort(found, axis=1)[:, k - 1]


def defined(real, generated, k=3, k_open=5):
    """All four as their papers define them."""
    crossed = squared(real, generated)
    precision = (crossed <= radii(real, k)[:, None]).any(0).mean()
    recall = (crossed <= radii(generated, k)).any(1).mean()
    inside = crossed < radii(real, k_open)[:, None]
    return precision, recall, inside.sum(0).mean() / k_open, inside.any(1).mean()


@pytest.fixture(params=[7, 2500], ids="tiles of {}".format)
def tiles(request, monkeypatch):
    monkeypatch.setattr(pairs, "TILE", request.param)


def pair(kind, size):
    n, m, dim = size
    rng = np.random.default_rng(n)
    return kind(m, dim, rng), kind(n, dim, rng)


@pytest.mark.parametrize("size", SIZES[:3], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_plain_functions(kind, size, tiles):
    real, generated = pair(kind, size)
    found = (*precision_recall(real, generated), *density_coverage(real, generated))
    assert found == pytest.approx(defined(real, generated), abs=1e-12)
    found = (*precision_recall(real, generated, k=1), *density_coverage(real, generated, k=2))
    assert found == pytest.approx(defined(real, generated, 1, 2), abs=1e-12)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_values_without_each_block(kind, size):
    """From one pass: what the rest of the samples give."""
    real, generated = pair(kind, size)
    samples, reference = BlockedRows(generated), BlockedRows(real)
    found = [by_blocks(samples, reference) for by_blocks in BY_BLOCKS]
    values = [value["value"] for value, _ in found]
    assert values == pytest.approx(defined(real, generated), abs=1e-12)
    expected = [defined(real, np.delete(generated, b, axis=0)) for b in samples.blocks]
    for (_, left_out), theirs in zip(found, np.transpose(expected), strict=True):
        assert left_out == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("kind", [binary, repeated, twice, equal])
def test_ties_among_many_features(kind):
    """Sums of a thousand products, in one order in a tile of many rows and in another in few."""
    real, generated = pair(kind, (90, 70, 1000))
    found = (*precision_recall(real, generated), *density_coverage(real, generated))
    assert found == pytest.approx(defined(real, generated), abs=1e-12)
    by_blocks = (b(BlockedRows(generated), BlockedRows(real))[0]["value"] for b in BY_BLOCKS)
    assert tuple(by_blocks) == found


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_against_itself(kind):
    rows = pair(kind, SIZES[0])[0]
    assert precision_recall(rows, rows) == (1, 1)
    if kind in (normal, outlier):
        density, coverage = density_coverage(rows, rows)
        # Each ball holds its own row, and the 4 nearer ones than the fifth.
        assert (density, coverage) == (1, 1)
    if kind is equal:
        assert density_coverage(rows, rows) == (0, 0)


def test_a_ball_of_radius_0_holds_its_twins_where_it_is_closed_and_nothing_where_it_is_open():
    twins = np.repeat(np.array([[0.1, 0.2], [7.3, 5.1]]), 6, axis=0)
    there = np.array([[0.1, 0.2], [0.1, 0.2 + 1e-3]])
    assert precision_recall(twins, np.repeat(there, 4, axis=0)) == (0.5, 0.5)
    assert density_coverage(twins, there) == (0, 0)


def test_all_four_of_a_cell_share_one_pass(monkeypatch):
    seen = []

    def counted(a, b):
        seen.append((len(a), len(b)))
        return squares(a, b)

    squares = pairs.squares
    for module in ("overlap", "neighbours"):
        monkeypatch.setattr(f"samplebench.metrics.{module}.squares", counted)
    reference = BlockedRows(pair(normal, (60, 50, 3))[0])
    for seed in range(2):
        samples = BlockedRows(np.random.default_rng(seed).standard_normal((40, 3)))
        for by_blocks in BY_BLOCKS:
            by_blocks(samples, reference)
        # Half of the samples' own pairs by blocks, all pairs with the real rows.
        assert len(seen) == 20 * 21 // 2 + 20 + (seed == 0)
        seen.clear()


@pytest.mark.parametrize(("real", "generated"), [(4, 3), (3, 4)])
def test_too_few_rows(real, generated):
    rows = [np.arange(float(n))[:, None] for n in (real, generated)]
    what = "real" if real == 3 else "generated"
    line = f"{what}: 3 rows are too few, at least 4 are needed"
    with pytest.raises(ValueError, match=line):
        precision_recall(*rows)
    for by_blocks in (precision_by_blocks, recall_by_blocks):
        with pytest.raises(ValueError, match=line):
            by_blocks(*(BlockedRows(each) for each in reversed(rows)))
    for call in (density_coverage, authpct):
        with pytest.raises(ValueError, match="real: 1 rows are too few"):
            call(rows[0][:1], rows[1])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("precision-digits", "generated: 3 rows are too few, at least 4 are needed"),
        ("recall-digits", "generated: 3 rows are too few, at least 4 are needed"),
        ("kid-subsets", "generated: 3 rows are too few, at least 1,000 are needed"),
        ("inception-score", "logits: 3 rows are too few, at least 10 are needed"),
    ],
)
def test_a_cell_of_too_few_samples_has_no_value(name, line):
    given = BlockedRows(np.eye(3)), BlockedRows(np.random.default_rng(0).normal(size=(1200, 3)))
    with pytest.raises(Failed, match=f"^metric {name}: {line}$"):
        scored(metrics.entry(name), *given)


def test_few_samples_have_values_without_error_bars():
    real = np.arange(9.0)[:, None]
    one = BlockedRows(np.array([[0.4]]))
    assert density_by_blocks(one, BlockedRows(real)) == ({"value": pytest.approx(4 / 5)}, [])
    assert coverage_by_blocks(one, BlockedRows(real))[1] == []
    four = BlockedRows(np.arange(4.0)[:, None])
    for by_blocks in (precision_by_blocks, recall_by_blocks):
        value, left_out = by_blocks(four, BlockedRows(real))
        assert value["value"] > 0 and left_out == []


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("call", [precision_recall, density_coverage, authpct])
def test_numbers_without_distances(call, wrong, side):
    rows = [np.random.default_rng(s).standard_normal((30, 2)) for s in (0, 1)]
    rows[side][4, 1] = wrong
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"not finite|too large"):
        call(*rows)


def authentic(real, generated):
    """In %: those whose nearest real row has another nearer than they are."""
    crossed, own = squared(generated, real), radii(real, 1)
    nearest = crossed.argmin(1)
    return 100 * (own[nearest] < crossed.min(1)).mean()


@pytest.mark.parametrize("size", SIZES[:3], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_authpct(kind, size, tiles):
    real, generated = pair(kind, size)
    assert authpct(real, generated) == pytest.approx(authentic(real, generated), abs=1e-12)
    assert authpct(real, real) == 0


def test_constants_are_those_of_the_papers():
    assert (manifold_blocks.CLOSED_K, manifold_blocks.OPEN_K) == (3, 5)


def test_a_row_covered_by_one_block_alone_is_lost_with_it():
    covered = np.array([[1, 1, 0], [1, 0, 0]], dtype=bool)
    assert overlap.covered_without(covered).tolist() == [[True, False, False], [True, True, False]]


@pytest.mark.parametrize("columns", [[0, 1], [1, 0]])
def test_rows_next_to_a_sample_that_rounding_alone_tells_apart(columns):
    """Each distance may be off, so that they may differ by both errors."""
    norms, dim = np.array([1e6]), 3
    error = error_at(norms, np.array([1.0]), dim)[0]
    both = np.array([[1 + 0.9 * error, 1 - 0.9 * error]])[:, columns]
    at_once, apart = Closest(norms, dim), Closest(norms, dim)
    at_once.see(both, 0, slice(0, 1), slice(0, 2))
    for place in (0, 1):
        apart.see(both[:, [place]], 0, slice(0, 1), slice(place, place + 1))
    assert at_once.index[0] == apart.index[0] == 0

"""KID and CMMD against plain formulas over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.metrics import kernel_sums, pairs
from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.kernel import cmmd, gaussian_mmd, kid, kid_by_blocks, kid_subsets


def rows(n, dim=5, seed=0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, dim)) + shift


def plain_kid(real, generated):
    """Binkowski et al. 2018, Eq. 4, pair by pair."""

    def total(a, b, twins):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (twins and i == j)]
        return sum((float(a[i] @ b[j]) / a.shape[1] + 1) ** 3 for i, j in pairs) / len(pairs)

    within = total(real, real, True) + total(generated, generated, True)
    return within - 2 * total(real, generated, False)


@pytest.mark.parametrize(("m", "n"), [(2, 2), (9, 14), (30, 7)])
def test_kid_is_the_unbiased_estimate_over_all_pairs(m, n):
    real, generated = rows(m), rows(n, seed=1, shift=0.3)
    assert kid(real, generated) == pytest.approx(plain_kid(real, generated), rel=1e-12, abs=1e-13)
    assert kid(real, generated) == pytest.approx(kid(generated, real), rel=1e-12, abs=1e-13)


def test_kid_is_0_in_the_mean_for_two_sets_of_one_kind():
    found = [kid(rows(40, seed=s), rows(60, seed=s + 1000)) for s in range(300)]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 4 * np.std(found) / len(found) ** 0.5


@pytest.fixture(params=[7, 1000], ids="tiles of {}".format)
def tiles(request, monkeypatch):
    monkeypatch.setattr(pairs, "TILE", request.param)


@pytest.mark.parametrize("n", [3, 47])
def test_kid_without_each_block(tiles, n):
    """What is found at once is what the rest of the samples give, however pairs are cut."""
    real, generated = rows(31), rows(n, seed=1, shift=0.2)
    samples = BlockedRows(generated)
    value, left_out = kid_by_blocks(samples, BlockedRows(real))
    assert value == {"value": pytest.approx(plain_kid(real, generated), rel=1e-12)}
    expected = [plain_kid(real, np.delete(generated, block, axis=0)) for block in samples.blocks]
    assert left_out == pytest.approx(expected, rel=1e-11)


def test_kid_of_two_samples_has_no_error_bar():
    assert kid_by_blocks(BlockedRows(rows(2)), BlockedRows(rows(5)))[1] == []


def test_pairs_of_real_rows_are_summed_once(monkeypatch):
    seen = []

    def counted(given, blocks):
        seen.append(len(given))
        return kernel_sums.sums_within(given, blocks)

    monkeypatch.setattr("samplebench.metrics.kernel.sums_within", counted)
    real = BlockedRows(rows(31))
    for seed in range(3):
        kid_by_blocks(BlockedRows(rows(20 + seed, seed=seed)), real)
    assert seen == [31, 20, 21, 22]


def test_rows_mapped_from_a_file_of_float32(tmp_path):
    x, y = rows(400).astype(np.float32), rows(300, seed=1).astype(np.float32)
    x.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float32, "r", shape=x.shape)
    expected = kid(x.astype(np.float64), y.astype(np.float64))
    assert kid(mapped, y) == kid(x, y) == expected


def test_subsets_are_drawn_as_said():
    """One generator, the generated rows first, each time without replacement."""
    real, generated = rows(30), rows(25, seed=1, shift=0.2)
    draw, values = np.random.RandomState(7), []
    for _ in range(4):
        ours, theirs = (draw.choice(n, 10, replace=False) for n in (25, 30))
        values.append(plain_kid(real[theirs], generated[ours]))
    found = kid_subsets(generated, real, subsets=4, subset_size=10, seed=7)
    assert found == pytest.approx((np.mean(values), np.std(values)), rel=1e-11)


def test_the_whole_as_one_subset_is_all_pairs():
    real, generated = rows(30), rows(30, seed=1)
    found, spread = kid_subsets(generated, real, subsets=1, subset_size=30)
    assert found == pytest.approx(kid(real, generated), abs=1e-14) and spread == 0


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: kid(rows(1), rows(5)), "real: 1 rows are too few, at least 2 are needed"),
        (lambda: kid(rows(5), rows(0)), "generated: 0 rows are too few, at least 2"),
        (lambda: kid(rows(5, 3), rows(5, 4)), "real has 3 features, generated has 4"),
        (lambda: kid(rows(5)[0], rows(5)), r"real: real numbers \[N, D\] are needed, not float64"),
        (lambda: kid(rows(5), rows(5).astype(str)), "generated: real numbers"),
        (lambda: kid_subsets(rows(999), rows(2000)), "generated: 999 rows are too few, at least 1"),
        (lambda: cmmd(np.zeros((3, 2)), rows(3, 2)), "a row of zeros has no direction"),
    ],
)
def test_rows_that_do_not_do(call, line):
    with pytest.raises(ValueError, match=line):
        call()


def test_gaussian_mmd_is_the_biased_estimate(tiles):
    real, generated = rows(12), rows(8, seed=1, shift=0.5)

    def mean(a, b):
        return np.exp(-np.square(a[:, None] - b).sum(2) / (2 * 1.5**2)).mean()

    expected = mean(real, real) + mean(generated, generated) - 2 * mean(real, generated)
    assert gaussian_mmd(real, generated, width=1.5) == pytest.approx(expected, rel=1e-12)
    assert abs(gaussian_mmd(real, real, width=1.5)) < 1e-15


def test_cmmd_sees_directions_alone():
    """At width 10 the kernel of unit vectors is almost linear: 10 |mean x - mean y|^2."""
    real, generated = rows(300), rows(200, seed=1, shift=0.5)
    found = cmmd(real, generated)
    assert cmmd(3 * real, generated * np.linspace(1, 9, 200)[:, None]) == pytest.approx(found)
    means = [(x / np.linalg.norm(x, axis=1, keepdims=True)).mean(0) for x in (real, generated)]
    assert found == pytest.approx(10 * np.square(means[0] - means[1]).sum(), rel=0.02)

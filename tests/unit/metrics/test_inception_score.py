"""The Inception score against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.metrics import pairs
from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.inception_score import inception_score
from samplebench.registry import metrics


def logits(n, classes=6, seed=0):
    return 3 * np.random.default_rng(seed).standard_normal((n, classes))


def divergence(rows):
    """exp(mean KL(p || mean p)), Salimans et al. 2016."""
    p = np.exp(rows) / np.exp(rows).sum(1, keepdims=True)
    return np.exp((p * np.log(p / p.mean(0))).sum(1).mean())


def chunks(n, splits, shuffled):
    order = np.random.RandomState(2020).permutation(n) if shuffled else np.arange(n)
    return [order[i * n // splits : (i + 1) * n // splits] for i in range(splits)]


@pytest.mark.parametrize("tile", [3, 2500])
@pytest.mark.parametrize("seed", [2020, None])
@pytest.mark.parametrize(("n", "splits"), [(10, 10), (47, 10), (200, 3), (9, 1)])
def test_mean_and_spread_over_the_splits(monkeypatch, tile, seed, n, splits):
    monkeypatch.setattr(pairs, "TILE", tile)
    rows = logits(n)
    expected = [divergence(rows[chunk]) for chunk in chunks(n, splits, seed is not None)]
    found = inception_score(rows, splits=splits, shuffle_seed=seed)
    assert found == pytest.approx((np.mean(expected), np.std(expected)), rel=1e-12)


def test_closed_forms():
    """Certain and even: the number of classes. The same for all: 1."""
    certain = np.tile(1e4 * np.eye(8), (20, 1)).astype(np.float32)
    assert inception_score(certain, splits=1) == (pytest.approx(8, rel=1e-12), 0)
    assert inception_score(np.zeros((50, 8))) == (pytest.approx(1, rel=1e-12), 0)
    shifted = logits(100) + np.random.default_rng(1).normal(size=(100, 1)) * 300
    assert inception_score(shifted) == pytest.approx(inception_score(logits(100)), rel=1e-10)


@pytest.mark.parametrize("n", [40, 203])
def test_without_each_block_the_others_stay_in_their_splits(n):
    entry, rows = metrics.entry("inception-score"), logits(n)
    samples = BlockedRows(rows)
    terms, left_out = entry.blocked(samples, None)
    mean, std = inception_score(rows)
    assert entry.obj(rows, None) == {"value": mean, "split_std": std}
    assert terms == pytest.approx(entry.obj(rows, None), rel=1e-12)
    expected = [
        np.mean([divergence(rows[np.setdiff1d(chunk, np.arange(n)[block])])
                 for chunk in chunks(n, 10, True)])
        for block in samples.blocks
    ]  # fmt: skip
    assert left_out == pytest.approx(expected, rel=1e-12)


def test_a_split_that_would_be_empty_leaves_no_error_bar():
    entry = metrics.entry("inception-score")
    terms, left_out = entry.blocked(BlockedRows(logits(12)), None)
    assert terms == pytest.approx(entry.obj(logits(12), None)) and left_out == []


def test_fewer_samples_than_splits():
    with pytest.raises(ValueError, match="logits: 9 rows are too few, at least 10 are needed"):
        inception_score(logits(9))

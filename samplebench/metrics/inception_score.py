"""The Inception score, from logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.pairs import at_least, read, rows_of, tiles
from samplebench.registry import metrics

SPLITS, SHUFFLE_SEED = 10, 2020


def inception_score(
    logits: np.ndarray, *, splits: int = SPLITS, shuffle_seed: int | None = SHUFFLE_SEED
) -> tuple[float, float]:
    """exp(mean_i KL(p_i || mean p)) of each split, p the softmax of the logits in float64.

    Salimans et al. 2016, section 4; of N samples in an order, split s has those from s N // splits
    to (s + 1) N // splits. Papers mean 50,000 samples, so 5,000 in each of 10 splits, and logits
    of the 2015-12-05 Inception without the last layer's bias, over 1,008 classes.

    Args:
        logits: [N, C]; may be mapped from a file.
        splits: number of splits, at most N.
        shuffle_seed: of the samples' order, as torch-fidelity shuffles them; None for the order
            they are in.

    Returns:
        Mean and population standard deviation over the splits.

    Raises:
        ValueError: there are fewer samples than splits.
    """
    at_least(1, splits=splits)
    rows = rows_of(logits, "logits", splits)
    found = _Sums.of(rows, [slice(0, len(rows))], splits, shuffle_seed).total().scores()
    return float(found.mean()), float(found.std())


@dataclass(frozen=True)
class _Sums:
    """Of the samples of each split, [S], or of each block of each split, [S, B].

    Attributes:
        counts: their number.
        negentropies: sum of p ln p over samples and classes.
        probabilities: sum of p over samples, with the classes as a last axis.
    """

    counts: np.ndarray
    negentropies: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(
        cls, logits: np.ndarray, blocks: list[slice], splits: int, shuffle_seed: int | None
    ) -> _Sums:
        """Of each block of each split, from one pass."""
        split_of = _splits(len(logits), splits, shuffle_seed)
        shape = (splits, len(blocks))
        counts, negentropies = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        probabilities = np.zeros((*shape, logits.shape[1]))
        for block, part in tiles(blocks, logits.shape[1]):
            p, entropies = _softmax(read(logits, part))
            member = np.equal.outer(np.arange(splits), split_of[part]).astype(np.float64)
            counts[:, block] += member.sum(axis=1).astype(np.int64)
            negentropies[:, block] += member @ entropies
            probabilities[:, block] += member @ p
        return cls(counts, negentropies, probabilities)

    def total(self) -> _Sums:
        """Of each split."""
        return _Sums(*(sums.sum(axis=1) for sums in self._each()))

    def without(self, block: int) -> _Sums:
        """Of each split without a block of the samples; the others stay in their splits."""
        return _Sums(*(np.delete(sums, block, axis=1).sum(axis=1) for sums in self._each()))

    def _each(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.counts, self.negentropies, self.probabilities

    def scores(self) -> np.ndarray:
        """The score of each split, [S]."""
        mean = self.probabilities / self.counts[:, None]
        # p ln p is 0 at 0.
        marginal = (mean * np.log(np.where(mean > 0, mean, 1))).sum(axis=1)
        return np.exp(self.negentropies / self.counts - marginal)


def _splits(count: int, splits: int, shuffle_seed: int | None) -> np.ndarray:
    """Each sample's split, [N]."""
    order = np.arange(count)
    if shuffle_seed is not None:
        order = np.random.RandomState(shuffle_seed).permutation(count)
    found = np.empty(count, dtype=np.int64)
    for split in range(splits):
        found[order[split * count // splits : (split + 1) * count // splits]] = split
    return found


def _softmax(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [n, C], and the sum of p ln p over the classes, [n]; the input is used up."""
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    total = p.sum(axis=1)
    p /= total[:, None]
    return p, np.einsum("ij,ij->i", p, logits) - np.log(total)


def _by_blocks(samples: BlockedRows, reference: None) -> tuple[dict[str, float], list[float]]:
    """The score, and that without each block where every split then still has a sample."""
    rows = rows_of(samples.rows, "logits", SPLITS)
    sums = _Sums.of(rows, samples.blocks, SPLITS, SHUFFLE_SEED)
    found = sums.total().scores()
    value = {"value": float(found.mean()), "split_std": float(found.std())}
    left = [sums.without(block) for block in range(len(samples.blocks))]
    if any(not each.counts.all() for each in left):
        return value, []
    return value, [float(each.scores().mean()) for each in left]


@metrics.register(
    "inception-score",
    summary="Inception score, mean of 10 splits in torch-fidelity's order",
    statistic="features",
    against="nothing",
    extractor="inception-logits",
    better="higher",
    blocked=_by_blocks,
    ordered=True,
    cost="2 s and 1.0 GB on 2 cores",
    cite=("salimans2016improved", "obukhov2020torchfidelity"),
)
def mean_of_splits(logits: np.ndarray, reference: None) -> dict[str, float]:
    """The mean over the splits, and their standard deviation, which is no error bar."""
    mean, std = inception_score(logits)
    return {"value": mean, "split_std": std}

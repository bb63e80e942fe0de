"""The Frechet distance without each block of samples, from one eigen-decomposition.

With P = R^(1/2) C R^(1/2) = V diag(l) V^T, C the covariance of the samples and R that of the
reference, the distance holds C in tr C - 2 tr P^(1/2). Where C becomes C + dC,

    d tr P^(1/2) = 1/2 sum_i E_ii / s_i - 1/4 sum_ij E_ij^2 / (s_i s_j (s_i + s_j)) + ...

with E = V^T R^(1/2) dC R^(1/2) V and s = l^(1/2): first and second order of the trace of a function
of a matrix (Daleckii & Krein 1965; Bhatia, Matrix Analysis, 1997, Theorem V.3.3). The mean's term
and tr C are exact, dC is the whole change when a block is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from samplebench.metrics.gaussians import rooted_product
from samplebench.metrics.moments import BlockSums, Moments


@dataclass(frozen=True)
class Expansion:
    """The distance of samples to a reference, and how it changes with their moments.

    Attributes:
        moments: of the samples.
        reference: with mean and cov.
        roots: s of all directions, float64 [d]; 0 for an eigenvalue below 0.
        basis: R^(1/2) V of those directions whose eigenvalue is more than rounding, [D, r].
        scale: s of these, [r].
    """

    moments: Moments
    reference: Any
    roots: np.ndarray
    basis: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, moments: Moments, reference: Any) -> Expansion:
        """
        Args:
            moments: of the samples.
            reference: with mean, cov and its root.
        """
        product = rooted_product(moments.cov, reference.cov, reference.root)
        values, vectors = np.linalg.eigh(product.matrix)
        roots = np.sqrt(np.clip(values, 0, None))
        # What is rounding has no direction, and its inverse root would multiply further rounding.
        solid = values > np.finfo(float).eps * len(values) * values.max(initial=0.0)
        basis = np.zeros((len(product.varies), solid.sum()))
        basis[product.varies] = product.root2 @ vectors[:, solid]
        return cls(moments, reference, roots, basis, roots[solid])

    @property
    def terms(self) -> tuple[float, float]:
        """As of `frechet_terms`, to rounding."""
        difference = self.moments.mean - self.reference.mean
        total = np.trace(self.moments.cov) + np.trace(self.reference.cov)
        return float(difference @ difference), float(total - 2 * self.roots.sum())

    @cached_property
    def gradient(self) -> np.ndarray:
        """R^(1/2) V diag(1 / s) V^T R^(1/2), [D, D], whose product with dC is twice a change."""
        half = self.basis / np.sqrt(self.scale)
        return np.asarray(half @ half.T)

    def deleted(self, parts: BlockSums, order: int) -> list[float]:
        """The distance without each block, to first or second order in the covariance.

        Args:
            parts: the blocks that the samples' moments are the sum of.
            order: 1 takes as long as products of the blocks' triangles with one matrix, 2 a product
                of all rows with one, and of the result with itself.
        """
        whole, (counts, totals, squares) = self.moments, parts.sums()
        left = whole.count - counts
        means = (whole.total - totals) / left[:, None]
        around = (np.diagonal(whole.outer) - squares).sum(axis=1) - left * _norms(means)
        fixed = _norms(means - self.reference.mean) + around / (left - 1)
        fixed += np.trace(self.reference.cov) - 2 * self.roots.sum()
        changes = self._first(parts, left, means) if order == 1 else self._second(parts)
        return [float(value) for value in fixed - 2 * changes]

    def _first(self, parts: BlockSums, left: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Changes of tr P^(1/2) by block, [B]."""
        outer = np.vdot(self.gradient, self.moments.outer) - parts.products(self.gradient)
        around = outer - left * np.einsum("bi,ij,bj->b", means, self.gradient, means, optimize=True)
        return np.asarray((around / (left - 1) - self.scale.sum()) / 2)

    def _second(self, parts: BlockSums) -> np.ndarray:
        """The same with the second order."""
        scale, whole = self.scale, self.moments.through(self.basis)
        weights = 1 / (np.multiply.outer(scale, scale) * np.add.outer(scale, scale))
        changes = []
        for part in parts.through(self.basis):
            change = (whole - part).cov
            change[np.diag_indices_from(change)] -= np.square(scale)
            first = (np.diagonal(change) / scale).sum()
            changes.append(first / 2 - np.vdot(np.square(change, out=change), weights) / 4)
        return np.array(changes)


def _norms(rows: np.ndarray) -> np.ndarray:
    """Squared, of each row."""
    return np.square(rows).sum(axis=1)

"""Two Gaussians and how far they are apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from samplebench.metrics.moments import Moments


def frechet_distance(
    mu1: np.ndarray,
    cov1: np.ndarray,
    mu2: np.ndarray,
    cov2: np.ndarray,
    *,
    root2: np.ndarray | None = None,
) -> float:
    """|mu1 - mu2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of root2 cov1 root2, which is
    symmetric: no complex values, also for covariances that are singular (N <= D).

    Args:
        mu1, mu2: means, float64 [D].
        cov1, cov2: covariances, float64 [D, D], symmetric positive semi-definite.
        root2: the square root of cov2 if it is known already; half of the work.
    """
    mean_term, trace_term = frechet_terms(mu1, cov1, mu2, cov2, root2=root2)
    return mean_term + trace_term


def frechet_terms(
    mu1: np.ndarray,
    cov1: np.ndarray,
    mu2: np.ndarray,
    cov2: np.ndarray,
    *,
    root2: np.ndarray | None = None,
) -> tuple[float, float]:
    """The two summands of `frechet_distance`: of the means and of the covariances."""
    difference, total = np.asarray(mu1) - np.asarray(mu2), np.trace(cov1) + np.trace(cov2)
    eigenvalues = np.linalg.eigvalsh(rooted_product(cov1, cov2, root2).matrix)
    root_trace = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    return float(difference @ difference), float(total - 2 * root_trace)


class Gaussian(NamedTuple):
    """What a distance needs of a reference.

    Attributes:
        mean: float64 [D].
        cov: float64 [D, D].
        root: `symmetric_root` of cov.
    """

    mean: np.ndarray
    cov: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, moments: Moments) -> Gaussian:
        """Fitted to rows."""
        return cls(moments.mean, moments.cov, symmetric_root(moments.cov))


class RootedProduct(NamedTuple):
    """root2 cov1 root2 of the features that vary.

    Attributes:
        matrix: float64 [d, d], symmetric.
        root2: float64 [d, d].
        varies: of all features, bool [D].
    """

    matrix: np.ndarray
    root2: np.ndarray
    varies: np.ndarray


def rooted_product(cov1: np.ndarray, cov2: np.ndarray, root2: np.ndarray | None) -> RootedProduct:
    """The matrix whose eigenvalues are those of cov1 cov2; see `frechet_distance`."""
    varies = (np.diagonal(cov1) > 0) & (np.diagonal(cov2) > 0)
    if not varies.all():
        # A feature that is constant adds 0 to the root; its rounding errors would add their own.
        cov1, cov2, root2 = cov1[varies][:, varies], cov2[varies][:, varies], None
    root2 = symmetric_root(cov2) if root2 is None else root2
    product = root2 @ cov1 @ root2
    return RootedProduct((product + product.T) / 2, root2, varies)


def symmetric_root(cov: np.ndarray) -> np.ndarray:
    """The positive semi-definite square root of a covariance; negative eigenvalues count as 0."""
    values, vectors = np.linalg.eigh(cov)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T

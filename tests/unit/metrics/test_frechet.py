"""The Frechet distance against closed forms and against scipy's matrix root."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import sqrtm

from samplebench.metrics.frechet import (
    frechet,
    frechet_distance,
    frechet_terms,
    symmetric_root,
)
from samplebench.metrics.moments import Moments


def covariance(dim, seed, scale=1.0):
    a = np.random.default_rng(seed).standard_normal((dim, 3 * dim)) * scale
    return a @ a.T / (3 * dim)


def rotation(dim, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def test_one_dimension():
    """(m1 - m2)^2 + (s1 - s2)^2."""
    found = frechet_distance(
        np.array([1.0]), np.array([[4.0]]), np.array([4.0]), np.array([[0.25]])
    )
    assert found == pytest.approx(9 + 1.5**2, rel=1e-14)


@pytest.mark.parametrize("dim", [2, 7, 30])
def test_commuting_covariances(dim):
    """With common eigenvectors the distance of the roots is that of their eigenvalues."""
    rng, q = np.random.default_rng(dim), rotation(dim)
    a, b = rng.uniform(0.1, 5, dim), rng.uniform(0.1, 5, dim)
    mu1, mu2 = rng.standard_normal((2, dim))
    found = frechet_terms(mu1, (q * a) @ q.T, mu2, (q * b) @ q.T)
    expected = (np.square(mu1 - mu2).sum(), np.square(np.sqrt(a) - np.sqrt(b)).sum())
    assert found == pytest.approx(expected, rel=1e-10)


def test_scaled_covariance():
    cov, mu = covariance(12, 0), np.zeros(12)
    assert frechet_distance(mu, cov, mu, 9 * cov) == pytest.approx(4 * np.trace(cov), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_against_scipy(seed):
    rng = np.random.default_rng(seed)
    dim = int(rng.integers(2, 40))
    cov1, cov2 = covariance(dim, seed), covariance(dim, seed + 100, 2.0)
    mu1, mu2 = rng.standard_normal((2, dim))
    root = sqrtm(cov1 @ cov2)
    expected = np.square(mu1 - mu2).sum() + np.trace(cov1 + cov2 - 2 * root.real)
    assert frechet_distance(mu1, cov1, mu2, cov2) == pytest.approx(expected, rel=1e-8)


def test_symmetric_in_its_arguments():
    cov1, cov2, mu = covariance(9, 1), covariance(9, 2), np.arange(9.0)
    there, back = (
        frechet_distance(mu, cov1, -mu, cov2),
        frechet_distance(-mu, cov2, mu, cov1),
    )
    assert there == pytest.approx(back, rel=1e-12)


def test_invariant_under_rotation():
    cov1, cov2, q = covariance(9, 1), covariance(9, 2), rotation(9, 3)
    mu1, mu2 = np.arange(9.0), np.ones(9)
    rotated = frechet_distance(q @ mu1, q @ cov1 @ q.T, q @ mu2, q @ cov2 @ q.T)
    assert rotated == pytest.approx(frechet_distance(mu1, cov1, mu2, cov2), rel=1e-11)


@pytest.mark.parametrize("dim", [1, 8, 64])
def test_identical_sets_are_at_distance_0(dim):
    cov, mu = covariance(dim, 0), np.arange(dim, dtype=float)
    assert abs(frechet_distance(mu, cov, mu, cov)) < 1e-11 * np.trace(cov)


@pytest.mark.parametrize(("n1", "n2"), [(10, 10), (10, 100), (64, 12), (2, 2)])
def test_singular_covariances(n1, n2):
    """Fewer images than features: the trace of the root is a nuclear norm of the data."""
    dim, rng = 64, np.random.default_rng(n1)
    x, y = rng.standard_normal((n1, dim)), 2 * rng.standard_normal((n2, dim))
    mu, cov1, cov2 = np.zeros(dim), np.cov(x.T), np.cov(y.T)
    cross = (x - x.mean(0)) @ (y - y.mean(0)).T / np.sqrt((n1 - 1) * (n2 - 1))
    total = np.trace(cov1) + np.trace(cov2)
    expected = total - 2 * np.linalg.svd(cross, compute_uv=False).sum()
    assert frechet_distance(mu, cov1, mu, cov2) == pytest.approx(expected, abs=1e-6 * total)
    assert abs(frechet_distance(mu, cov1, mu, cov1)) < 1e-6 * total


def test_a_point_and_a_gaussian():
    cov, mu = covariance(5, 0), np.zeros(5)
    assert frechet_distance(mu, cov, mu, np.zeros((5, 5))) == pytest.approx(np.trace(cov))
    assert frechet_distance(mu, np.zeros((5, 5)), mu, cov) == pytest.approx(np.trace(cov))


def test_a_given_root_changes_nothing():
    cov1, cov2, mu = covariance(20, 1), covariance(20, 2), np.zeros(20)
    root2 = symmetric_root(cov2)
    assert frechet_distance(mu, cov1, mu, cov2, root2=root2) == frechet_distance(mu, cov1, mu, cov2)


def test_symmetric_root():
    cov = covariance(15, 4)
    root = symmetric_root(cov)
    assert root @ root == pytest.approx(cov, rel=1e-11, abs=1e-13)
    assert root == pytest.approx(root.T, abs=1e-14)
    assert np.linalg.eigvalsh(root)[0] > 0
    singular = np.diag([4.0, 0.0, -1e-17])
    assert symmetric_root(singular) == pytest.approx(np.diag([2.0, 0.0, 0.0]), abs=1e-15)


def test_the_metric_reports_its_terms():
    x, y = np.random.default_rng(0).standard_normal((2, 50, 4))
    y += 1.0
    moments, other = Moments.of(x), Moments.of(y)
    reference = SimpleNamespace(mean=other.mean, cov=other.cov, root=symmetric_root(other.cov))
    found = frechet(moments, reference)
    assert set(found) == {"value", "mean_term", "trace_term"}
    assert found["value"] == found["mean_term"] + found["trace_term"]
    assert found["mean_term"] == pytest.approx(np.square(x.mean(0) - y.mean(0)).sum())
    expected = frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert found["value"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n1", "n2", "dim"), [(4000, 3000, 256), (2500, 700, 64), (100, 90, 128)])
def test_against_torch_fidelity(torch_fidelity, n1, n2, dim):
    """Its mean is float32: 1e-4 is what can be asked for."""
    import torch

    rng = np.random.default_rng(dim)
    mixing = rng.standard_normal((dim, dim)) / np.sqrt(dim)
    x = np.abs(rng.standard_normal((n1, dim)) @ mixing).astype(np.float32)
    y = np.abs(1.2 * rng.standard_normal((n2, dim)) @ mixing + 0.1).astype(np.float32)
    fidelity = torch_fidelity("metric_fid")
    theirs = [fidelity.fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
    expected = fidelity.fid_statistics_to_metric(*theirs, verbose=False)
    (expected,) = [v for k, v in expected.items() if "frechet" in k]
    moments, other = Moments.of(x), Moments.of(y)
    reference = SimpleNamespace(mean=other.mean, cov=other.cov, root=symmetric_root(other.cov))
    assert frechet(moments, reference)["value"] == pytest.approx(expected, rel=1e-4)

"""Mixtures of Gaussians in closed form: against log p, their moments, and what their files hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import samplebench as sb
from samplebench.embedded import packaged
from samplebench.errors import InputError
from samplebench.models.mixture import GaussianMixture

SHIPPED = ("exact-2d", "exact-modes", "exact-overlap")


def covariances(model):
    """[K, P, P] of the components."""
    axes = torch.eye(model.means.shape[1]).double() if model.axes is None else model.axes
    return (axes * model.variances[:, None] @ axes.mT).numpy()


def log_density(model, x, sigma):
    """ln p(x; sigma) by SciPy, of one flat image."""
    noise = sigma**2 * np.eye(len(x))
    parts = [
        np.log(w) + multivariate_normal(mu, cov + noise).logpdf(x)
        for w, mu, cov in zip(
            model.weights.numpy(), model.means.numpy(), covariances(model), strict=True
        )
    ]
    return logsumexp(parts)


@pytest.fixture(scope="module", params=SHIPPED)
def model(request):
    return sb.load(request.param, device="cpu")


@pytest.mark.parametrize("sigma", [0.02, 0.3, 3.0])
def test_d_is_x_and_the_score(model, sigma):
    """D = x + sigma^2 grad ln p, the gradient by differences."""
    x0, _ = model.draw(3, 1)
    x = x0 + sigma * torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)).double()
    found = (model(x, sigma) - x).flatten(1).numpy() / sigma**2
    for flat, score in zip(x.flatten(1).numpy(), found, strict=True):
        step = 1e-4 * sigma
        for i, unit in enumerate(np.eye(len(flat))):
            ends = [log_density(model, flat + s * step * unit, sigma) for s in (1, -1)]
            slope = (ends[0] - ends[1]) / (2 * step)
            assert score[i] == pytest.approx(slope, rel=1e-4, abs=1e-4 / sigma)


def test_sigma_per_sample_is_sigma_one_by_one(model):
    x, _ = model.draw(6, 2)
    sigmas = torch.tensor([0.0, 0.01, 0.1, 1.0, 9.0, 80.0]).double()
    together = model(x, sigmas)
    for i, sigma in enumerate(sigmas.tolist()):
        assert torch.equal(together[i], model(x[i : i + 1], sigma)[0])


@pytest.mark.parametrize("n", [1, 63, 64, 65, 130])
def test_a_row_has_the_same_bits_in_any_batch(model, n):
    x = torch.randn((150, *model.shape), generator=torch.Generator().manual_seed(0)).double()
    assert torch.equal(model(x[:n], 0.4), model(x, 0.4)[:n])


def test_single_precision_is_near(model):
    single = sb.load(model.provenance["id"], device="cpu", dtype="float32")
    x, _ = model.draw(50, 3)
    for sigma in (0.01, 0.5, 80.0):
        noisy = x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
        assert (single(noisy, sigma) - model(noisy, sigma)).abs().max() < 2e-3
        assert model(noisy.float(), sigma).dtype == torch.float32


def test_exact_draws_have_the_mixtures_moments(model):
    w, mu = model.weights.numpy(), model.means.numpy()
    mean = w @ mu
    away = mu - mean
    cov = np.einsum("k,kij->ij", w, covariances(model) + away[:, :, None] * away[:, None])
    flat = model.draw(40_000, 5)[0].flatten(1).numpy()
    assert flat.mean(0) == pytest.approx(mean, abs=0.015)
    assert np.cov(flat.T) == pytest.approx(cov, abs=0.01)
    again, other = model.draw(9, 5)[0], model.draw(9, 6)[0]
    assert torch.equal(again, model.draw(9, 5)[0]) and not torch.equal(again, other)


def test_of_two_equal_components_and_of_one_it_is_the_same():
    half = torch.tensor([0.5, 0.5]).double()
    mu, v = torch.full((2, 1, 1, 3), 0.2).double(), torch.full((2, 3), 0.09).double()
    two, one = (
        GaussianMixture(half, mu, v, None),
        GaussianMixture(half[:1] * 2, mu[:1], v[:1], None),
    )
    x = torch.randn(5, 1, 1, 3).double()
    assert torch.allclose(two(x, 0.7), one(x, 0.7), atol=1e-14)
    assert torch.allclose(one(x, 0.7), (0.09 * x + 0.49 * 0.2) / 0.58, atol=1e-14)


BROKEN = {
    "no variances": ({"variances": None}, "no variances"),
    "single precision": ({"weights": np.ones(2, np.float32) / 2}, "weights are float32"),
    "flat means": ({"means": np.zeros((2, 3))}, "means are float64 "),
    "other size": ({"variances": np.ones((2, 4))}, "and variances"),
    "a sum of 2": ({"weights": np.ones(2)}, "sum 2"),
    "no width": ({"variances": np.zeros((2, 3))}, "variances are not above 0"),
    "a weight below 0": ({"weights": np.array([2.0, -1.0])}, "weights are not above 0"),
    "not a number": ({"means": np.full((2, 1, 1, 3), np.nan)}, "means are not finite"),
    "skew axes": ({"axes": np.ones((2, 3, 3))}, "axes are not orthogonal"),
}


@pytest.mark.parametrize("change", BROKEN)
def test_what_is_no_mixture_is_refused(change, tmp_path):
    good = {
        "weights": np.ones(2) / 2, "means": np.zeros((2, 1, 1, 3)), "variances": np.ones((2, 3)),
    }  # fmt: skip
    path = tmp_path / "mine.npz"
    np.savez(path, **good)
    assert sb.load(path, format="exact-mixture", device="cpu").shape == (1, 1, 3)
    changes, said = BROKEN[change]
    np.savez(path, **{k: v for k, v in {**good, **changes}.items() if v is not None})
    with pytest.raises(InputError, match=said) as told:
        sb.load(path, format="exact-mixture", device="cpu")
    assert "is not an archive of a mixture" in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipe_makes_the_shipped_file(name, monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    pytest.importorskip("sklearn", reason="benchmarks/build_embedded.py imports scikit-learn")
    import build_mixtures

    made = build_mixtures.build(20_261_129)[name]
    with np.load(packaged(f"{name}.npz")) as shipped:
        assert set(made) == set(shipped.files)
        for key, array in made.items():
            assert shipped[key] == pytest.approx(array, abs=1e-12)

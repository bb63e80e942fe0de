"""The exact denoiser against its formula, term by term."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

import samplebench as sb
from samplebench.embedded import load_digits
from samplebench.models.exact import ExactModel

SIGMAS = (1e-3, 0.02, 0.2, 1.0, 7.0, 80.0)


def toy(classes=True, bandwidth=0.3):
    rng = np.random.default_rng(0)
    images = torch.tensor(rng.uniform(-1, 1, (12, 1, 2, 3)))
    labels = torch.tensor([0, 1, 2] * 4) if classes else None
    return ExactModel(images, labels, bandwidth)


def formula(x, sigma, images, bandwidth):
    """One image [d]: E[x0 | x] for x0 = mu_k + bandwidth n, x = x0 + sigma n'."""
    total = bandwidth**2 + sigma**2
    log_r = -np.square(x - images).sum(1) / (2 * total)
    r = np.exp(log_r - logsumexp(log_r))
    return r @ ((bandwidth**2 * x + sigma**2 * images) / total)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("conditional", [False, True])
def test_against_the_formula(sigma, conditional):
    model, rng = toy(conditional), np.random.default_rng(1)
    images = model.images.numpy()
    labels = np.array([0, 1, 2, 2, 0])
    x = images[:5] + sigma * rng.standard_normal((5, 6))
    found = model(
        torch.tensor(x).reshape(5, 1, 2, 3), sigma, torch.tensor(labels) if conditional else None
    )
    for i in range(5):
        among = images[model.classes.numpy() == labels[i]] if conditional else images
        expected = formula(x[i], sigma, among, 0.3)
        assert found[i].flatten().numpy() == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("name", ["digits-exact", "digits-exact-uncond"])
def test_the_shipped_models(name, sigma):
    model, (pixels, classes) = sb.load(name, device="cpu"), load_digits()
    images = pixels.reshape(len(pixels), -1) / 127.5 - 1.0
    x = images[:3] + sigma * np.random.default_rng(2).standard_normal((3, 64))
    labels = torch.tensor([3, 0, 9]) if model.num_classes else None
    found = model(torch.tensor(x).reshape(3, 1, 8, 8), sigma, labels)
    for i in range(3):
        among = images if labels is None else images[classes == labels[i].item()]
        expected = formula(x[i], sigma, among, 0.2)
        assert found[i].flatten().numpy() == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_what_the_shipped_models_say_of_themselves():
    model = sb.load("digits-exact", device="cpu")
    assert (model.shape, model.num_classes, model.protocol) == ((1, 8, 8), 10, "digits")
    assert (model.sigma_min, model.sigma_max) == (0.0, float("inf"))
    assert model.round_sigma(0.123) == 0.123
    assert model.state_dtype == torch.float64
    assert model.provenance["id"] == "digits-exact" and model.provenance["licence"]
    assert sb.load("digits-exact-uncond", device="cpu").num_classes == 0


@pytest.mark.parametrize("conditional", [False, True])
def test_without_noise_nothing_is_removed(conditional):
    model, x = toy(conditional), torch.randn(4, 1, 2, 3).double()
    labels = torch.tensor([0, 1, 2, 0]) if conditional else None
    assert torch.equal(model(x, 0.0, labels), x)
    mixed = model(x, torch.tensor([0.0, 1.0, 0.0, 2.0]), labels)
    assert torch.equal(mixed[[0, 2]], x[[0, 2]])
    assert not torch.equal(mixed[1], x[1])


def test_without_bandwidth_it_is_the_empirical_distribution():
    model = toy(False, bandwidth=0.0)
    x = model.images[4].reshape(1, 1, 2, 3)
    assert model(x + 1e-4, 1e-3).numpy() == pytest.approx(x.numpy(), abs=1e-12)
    assert torch.equal(model(x, 0.0), x)


def test_far_out_it_is_the_mean():
    model, x = toy(False), torch.zeros(1, 1, 2, 3).double()
    assert model(x, 1e6).flatten().numpy() == pytest.approx(model.images.mean(0).numpy(), abs=1e-6)


def test_sigma_per_sample_is_sigma_one_by_one():
    model, x = toy(False), torch.randn(6, 1, 2, 3).double()
    together = model(x, torch.tensor(SIGMAS, dtype=torch.float64))
    for i, sigma in enumerate(SIGMAS):
        assert torch.equal(together[i], model(x[i : i + 1], sigma)[0])


def test_labels_select_the_class():
    model = toy()
    x = torch.zeros(3, 1, 2, 3).double()
    means = torch.stack([model.images[model.classes == c].mean(0) for c in range(3)])
    found = model(x, 1e6, torch.tensor([2, 0, 1])).flatten(1)
    assert found.numpy() == pytest.approx(means[[2, 0, 1]].numpy(), abs=1e-6)


def test_without_labels_every_class_is_as_likely_as_another():
    model = toy()
    means = torch.stack([model.images[model.classes == c].mean(0) for c in range(3)])
    found = model(torch.zeros(2, 1, 2, 3).double(), 1e6).flatten(1)
    assert found[1].numpy() == pytest.approx(means.mean(0).numpy(), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_result_has_xs_dtype(dtype):
    found = toy(False)(torch.ones(2, 1, 2, 3, dtype=dtype), 0.5)
    assert found.dtype == dtype and found.shape == (2, 1, 2, 3)


@pytest.mark.parametrize("n", [1, 3, 63, 64, 65, 130])
def test_a_row_has_the_same_bits_in_any_batch(n):
    model = sb.load("digits-exact-uncond", device="cpu")
    x = torch.randn(130, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    assert torch.equal(model(x[:n], 0.7), model(x, 0.7)[:n])


class TestDraw:
    def test_moments(self):
        model = toy(False)
        x, labels = model.draw(20_000, 0)
        flat = x.flatten(1).numpy()
        assert labels is None and x.shape == (20_000, 1, 2, 3) and x.dtype == torch.float64
        images = model.images.numpy()
        assert flat.mean(0) == pytest.approx(images.mean(0), abs=0.03)
        expected = np.cov(images.T, bias=True) + 0.09 * np.eye(6)
        assert np.cov(flat.T) == pytest.approx(expected, abs=0.02)

    def test_classes(self):
        model = toy()
        x, labels = model.draw(9000, 1)
        assert labels.dtype == torch.int64
        assert torch.bincount(labels).tolist() == pytest.approx([3000] * 3, abs=200)
        for c in range(3):
            mean = x[labels == c].flatten(1).mean(0).numpy()
            assert mean == pytest.approx(model.images[model.classes == c].mean(0).numpy(), abs=0.05)

    def test_a_seed_gives_the_same_draws(self):
        (a, i), (b, j), (c, _) = (toy().draw(50, seed) for seed in (3, 3, 4))
        assert torch.equal(a, b) and torch.equal(i, j) and not torch.equal(a, c)

    def test_it_is_what_the_denoiser_inverts(self):
        """No denoiser has a smaller error than E[x0 | x]: it beats the data mean and x itself."""
        model = toy(False)
        x0, _ = model.draw(4000, 5)
        x = x0 + 0.5 * torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)).double()
        error = (model(x, 0.5) - x0).square().mean()
        assert error < (x - x0).square().mean()
        assert error < (x0.mean(0) - x0).square().mean()
        for other in (0.4, 0.6):
            assert error < (model(x, other) - x0).square().mean()

"""What holds for every model of the catalogue, on the CPU."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.checkpoints.catalog import checkpoint
from samplebench.errors import UsageError
from samplebench.protocols import protocol
from samplebench.references import reference as references

SIGMAS = (1e-4, 0.002, 0.1, 1.0, 20.0, 80.0)


@pytest.fixture(scope="module")
def models():
    """`models(model_id)`: the loaded model, once."""
    cache = {}

    def load(model_id):
        if model_id not in cache:
            cache[model_id] = sb.load(model_id, device="cpu")
        return cache[model_id]

    return load


@pytest.fixture
def model(model_id, models):
    return models(model_id)


@pytest.fixture
def rounding(model_id):
    """How far two orders of the same sums may be apart, per unit of sigma above 1."""
    return 1e-12 if checkpoint(model_id).dtype == "float64" else 1e-5


@pytest.fixture
def x(model):
    draw = torch.Generator().manual_seed(0)
    return torch.randn((5, *model.shape), generator=draw, dtype=torch.float64)


@pytest.fixture
def labels(model):
    return torch.arange(5) % model.num_classes if model.num_classes else None


def test_the_model_is_what_the_catalogue_says(model_id, model):
    entry = checkpoint(model_id)
    assert model.shape == entry.shape
    assert model.num_classes == entry.num_classes
    assert model.protocol == entry.protocol
    assert model.provenance["id"] == model_id
    assert model.provenance["sha256"] == entry.sha256
    assert model.device == torch.device("cpu")
    assert 0 <= model.sigma_min < model.sigma_max
    # Everything the entry names exists and fits together.
    rules, reference = protocol(entry.protocol), references.load(entry.reference)
    assert reference.extractor == rules.extractor
    extract = registry.extractors.get(rules.extractor)(device="cpu")
    assert reference.weights_sha256 == extract.weights_sha256
    assert reference.mean.shape == (extract.feature_dim,)
    for name in entry.samplers:
        assert name in registry.samplers
    assert set(entry.params) <= set(entry.samplers)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_denoised_has_the_kind_of_x(model, x, labels, sigma, dtype):
    noisy = (sigma * x).to(dtype)
    before = noisy.clone()
    denoised = model(noisy, sigma, labels)
    assert denoised.shape == noisy.shape
    assert denoised.dtype == dtype
    assert denoised.device == noisy.device
    assert denoised.isfinite().all()
    assert torch.equal(noisy, before)


def test_at_zero_noise_x_is_returned(model, x, labels):
    for zero in (0, 0.0, torch.tensor(0.0), torch.zeros(5)):
        assert torch.equal(model(x, zero, labels), x)
    assert torch.equal(model(x.float(), 0.0, labels), x.float())
    # Also for some of a batch.
    sigma = torch.tensor([0.0, 1.0, 0.0, 2.0, 0.0], dtype=torch.float64)
    some = model(x, sigma, labels)
    assert torch.equal(some[::2], x[::2])
    assert not torch.equal(some[1::2], x[1::2])


def test_little_noise_is_little_change_and_much_noise_leaves_an_image(model, x, labels):
    # What is removed is noise, and 1e-5 of it: a network that never saw so little may be off.
    assert (model(x / 10, 1e-5, labels) - x / 10).abs().max() < 1e-4
    for sigma in (1e3, 1e5, 1e8):
        level = min(sigma, model.sigma_max)
        denoised = model(level * x, level, labels)
        assert denoised.isfinite().all()
        # Noise that a trained network leaves at its highest levels.
        assert denoised.abs().max() < 2 + (0.2 * level if hasattr(model, "network") else 0)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_forms_of_sigma_mean_the_same(model, x, labels, sigma, rounding):
    noisy = sigma * x
    expected = model(noisy, sigma, labels)
    forms = [
        torch.tensor(sigma, dtype=torch.float64),
        torch.full((5,), sigma, dtype=torch.float64),
        torch.tensor([sigma], dtype=torch.float64),
    ]
    for form in forms:
        difference = (model(noisy, form, labels) - expected).abs().max()
        assert difference <= (rounding * max(1, sigma) if hasattr(model, "network") else 0)


def test_each_sample_has_its_own_sigma_and_label(model, x, labels, rounding):
    sigma = torch.tensor([0.01, 0.5, 2.0, 10.0, 70.0], dtype=torch.float64)
    noisy = x * sigma.reshape(-1, 1, 1, 1)
    together = model(noisy, sigma, labels)
    for i in range(5):
        one = slice(i, i + 1)
        alone = model(noisy[one], float(sigma[i]), None if labels is None else labels[one])
        assert (together[one] - alone).abs().max() < rounding * max(1, float(sigma[i]))


def test_rounding_twice_changes_nothing(model):
    for sigma in (model.sigma_min, 1e-3, 0.0123, 1.0, 7.77, 79.9, min(model.sigma_max, 1e4)):
        once = float(model.round_sigma(sigma))
        assert float(model.round_sigma(once)) == once


@pytest.mark.parametrize("mode", ["portable", "nvlabs"])
def test_seeds_are_reproducible(model_id, model, mode):
    (sampler, *_) = checkpoint(model_id).samplers
    first = sb.sample(model, sampler, steps=4, seeds=[5, 6, 7], noise=mode)
    again = sb.sample(
        sb.load(model_id, device="cpu"), sampler, steps=4, seeds=[5, 6, 7], noise=mode
    )
    assert torch.equal(first, again)
    assert first.dtype == model.state_dtype
    turned = sb.sample(model, sampler, steps=4, seeds=[7, 5], noise=mode)
    assert (turned - first[[2, 0]]).abs().max() < (1e-4 if hasattr(model, "network") else 1e-12)


def test_labels(model, x, labels):
    if not model.num_classes:
        with pytest.raises(UsageError, match="unconditional"):
            sb.sample(model, "euler", steps=2, seeds=[0], labels=[0])
        return
    if model.labels_optional:  # for all classes together, which is no single one of them
        each = [model(x, 1.0, torch.full((5,), k)) for k in range(model.num_classes)]
        together = model(x, 1.0)
        assert together.isfinite().all() and not any(torch.equal(together, d) for d in each)
    else:
        with pytest.raises(UsageError, match="labels"):
            model(x, 1.0)
    other = (labels + 1) % model.num_classes
    assert not torch.equal(model(20 * x, 20.0, labels), model(20 * x, 20.0, other))
    for wrong in ([-1], [model.num_classes]):
        with pytest.raises(UsageError, match="labels"):
            sb.sample(model, "euler", steps=2, seeds=[0], labels=wrong)
    one, many = (
        sb.sample(model, "euler", steps=3, seeds=[1, 2], labels=labels)
        for labels in (3 % model.num_classes, [3 % model.num_classes] * 2)
    )
    assert torch.equal(one, many)


def test_labels_outside_the_classes_are_refused_by_the_model_itself(model, x):
    if not model.num_classes:
        pytest.skip("unconditional")
    wrong = torch.full((5,), model.num_classes)
    with pytest.raises((UsageError, IndexError)):
        model(x, 1.0, wrong)


def test_other_precisions_of_the_network(model_id, model, x, labels):
    if checkpoint(model_id).dtype == "float32":
        with pytest.raises(UsageError, match=r"dtype float64.*float32"):
            sb.load(model_id, device="cpu", dtype="float64")
        return
    single = sb.load(model_id, device="cpu", dtype="float32")
    difference = (single(x, 1.0, labels) - model(x, 1.0, labels)).abs().max()
    assert 0 < difference < 1e-2

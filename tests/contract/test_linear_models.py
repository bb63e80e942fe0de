"""What holds for every model of the catalogue on a linear process other than an isotropic one."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.checkpoints.catalog import checkpoint
from samplebench.errors import UsageError
from samplebench.processes.linear import apply
from samplebench.protocols import PROTOCOLS, protocol
from samplebench.references import reference as references


@pytest.fixture(scope="module")
def models():
    cache = {}

    def load(linear_id):
        if linear_id not in cache:
            cache[linear_id] = sb.load(linear_id, device="cpu")
        return cache[linear_id]

    return load


@pytest.fixture
def model(linear_id, models):
    return models(linear_id)


@pytest.fixture
def u(model):
    draw = torch.Generator().manual_seed(0)
    shape = (5, model.process.channels, *model.shape)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


@pytest.fixture
def labels(model):
    return torch.arange(5) % model.num_classes if model.num_classes else None


def test_the_model_is_what_the_catalogue_says(linear_id, model):
    entry = checkpoint(linear_id)
    assert (model.shape, model.num_classes) == (entry.shape, entry.num_classes)
    assert model.process.name == entry.config["process"]
    assert model.protocol == entry.protocol
    assert model.provenance["sha256"] == entry.sha256
    rules, reference = protocol(entry.protocol), references.load(entry.reference)
    assert reference.extractor == rules.extractor
    for name in entry.samplers:
        assert registry.samplers.entry(name).timeline == "linear"
    assert set(entry.params) <= set(entry.samplers)


def test_its_values_are_joined_with_no_isotropic_ones(linear_id):
    rules = protocol(checkpoint(linear_id).protocol)
    changed = rules.override(num_samples=100)
    for other in PROTOCOLS.values():
        if other.name != rules.name:
            assert other.fingerprint() != rules.fingerprint()
            assert other.override(num_samples=100).name != changed.name
    assert changed.override(num_samples=rules.num_samples) is rules


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_eps_has_the_kind_of_u(model, u, labels, dtype):
    given = u.to(dtype)
    before = given.clone()
    for t in model.process.grid(4).tolist():
        eps = model.eps(given, t, labels)
        assert (eps.shape, eps.dtype, eps.device) == (given.shape, dtype, given.device)
        assert eps.isfinite().all()
    assert torch.equal(given, before)


def test_a_sample_does_not_depend_on_its_batch(linear_id, model, u, labels):
    bound = 1e-12 if checkpoint(linear_id).dtype == "float64" else 1e-5
    together = model.eps(u, 0.4, labels)
    for i in range(5):
        one = slice(i, i + 1)
        alone = model.eps(u[one], 0.4, None if labels is None else labels[one])
        assert (together[one] - alone).abs().max() < bound


def test_the_noise_of_noise_is_noise(model, u, labels):
    """At T an image is all but gone."""
    law = model.process
    state = u * u.new_tensor(law.prior_factor).reshape(-1, 1, 1, 1)
    eps = model.eps(state, law.T, labels)
    assert eps.std() == pytest.approx(1, abs=0.1)
    assert (apply(law.R(law.T), eps) - state).abs().mean() < 0.1


def test_seeds_are_reproducible(linear_id, model):
    (sampler, *_) = checkpoint(linear_id).samplers
    first = sb.sample(model, sampler, steps=4, seeds=[5, 6, 7])
    again = sb.sample(sb.load(linear_id, device="cpu"), sampler, steps=4, seeds=[5, 6, 7])
    assert torch.equal(first, again)
    assert first.dtype == model.state_dtype


def test_labels(model, u, labels):
    if not model.num_classes:
        with pytest.raises(UsageError, match="unconditional"):
            sb.sample(model, "gddim", steps=2, seeds=[0], labels=[0])
        return
    if model.labels_optional:  # for all classes together, which is no single one of them
        each = [model.eps(u, 0.5, torch.full((len(u),), k)) for k in range(model.num_classes)]
        together = model.eps(u, 0.5)
        assert together.isfinite().all() and not any(torch.equal(together, e) for e in each)
    else:
        with pytest.raises(UsageError, match="labels"):
            model.eps(u, 0.5)
    other = (labels + 1) % model.num_classes
    assert not torch.equal(model.eps(u, 0.3, labels), model.eps(u, 0.3, other))
    with pytest.raises((UsageError, IndexError)):
        model.eps(u, 0.5, torch.full((5,), model.num_classes))

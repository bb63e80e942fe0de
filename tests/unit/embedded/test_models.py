"""The trained checkpoints that ship, and the code that trains them."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.checkpoints.catalog import catalog
from samplebench.embedded import load_digits, packaged
from samplebench.models.exact_linear import ExactLinearModel

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "benchmarks"))
import train_embedded  # noqa: E402
from embedded_models.data import images_and_labels, split  # noqa: E402
from embedded_models.loop import train  # noqa: E402
from embedded_models.muon import Muon  # noqa: E402
from embedded_models.objectives import Hybrid  # noqa: E402
from embedded_models.posterior import Posterior  # noqa: E402
from embedded_models.recipes import RECIPES, initialise  # noqa: E402

CPU = torch.device("cpu")


def test_the_split_is_fixed_and_stratified():
    trained, held_out = split()
    assert (len(trained), len(held_out)) == (1437, 360)
    assert sorted([*trained.tolist(), *held_out.tolist()]) == list(range(1797))
    labels = load_digits()[1]
    assert np.bincount(labels[held_out]).tolist() == [36] * 10
    assert hashlib.sha256(trained.numpy().tobytes()).hexdigest()[:8] == "1dc3985b"


def test_they_are_small_enough_to_ship():
    sizes = {name: packaged(catalog()[name].file_name).stat().st_size for name in RECIPES}
    assert max(sizes.values()) <= 1_200_000
    assert sum(sizes.values()) <= 11_000_000


@pytest.mark.parametrize("name", RECIPES)
def test_the_catalogue_has_the_recipe_and_the_file(name):
    recipe, entry = RECIPES[name], catalog()[name]
    data = packaged(entry.file_name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry.sha256
    assert entry.format == recipe.container
    assert entry.config == ({} if recipe.container == "edm" else recipe.config)
    assert bool(entry.num_classes) == recipe.conditional
    assert entry.parameters == sum(p.numel() for p in recipe.build().parameters())


@pytest.mark.parametrize("name", RECIPES)
def test_a_written_checkpoint_is_the_trained_average(name, tmp_path):
    recipe = RECIPES[name]
    settings = replace(recipe.settings, steps=3, batch=8)
    images, labels = images_and_labels(split()[0][:64])
    trained = train(recipe, images, labels, settings, tmp_path / "state.pt", CPU)
    assert any(not torch.equal(trained.last[k], trained.average[k]) for k in trained.last)
    path = tmp_path / f"x{train_embedded.SUFFIX[recipe.container]}"
    train_embedded.write(path, recipe, trained)
    model = sb.load(path, format=recipe.container, config=dict(recipe.config), device="cpu")
    found = model.network.state_dict()
    assert found.keys() >= trained.average.keys()
    for key, value in trained.average.items():
        assert torch.equal(found[key].float(), value.half().float())


def test_a_training_that_was_broken_off_ends_with_the_same_bits(tmp_path, monkeypatch):
    from embedded_models import loop

    monkeypatch.setattr(loop, "SAVED_EVERY", 2)
    recipe = RECIPES["digits-edm"]
    images, labels = images_and_labels(split()[0][:64])
    settings = replace(recipe.settings, steps=5, batch=4)
    whole = train(recipe, images, labels, settings, tmp_path / "a.pt", CPU)
    calls = iter(range(3))

    def broken(*args):
        next(calls)  # StopIteration in the fourth step
        return recipe.objective(*args)

    with pytest.raises(StopIteration):
        train(replace(recipe, objective=broken), images, labels, settings, tmp_path / "b.pt", CPU)
    resumed = train(recipe, images, labels, settings, tmp_path / "b.pt", CPU)
    for key, value in whole.average.items():
        assert torch.equal(value, resumed.average[key])


def test_the_bound_is_zero_where_the_model_is_the_posterior():
    """L_t of a network that knows the noise and answers with the posterior's variance."""
    hybrid = RECIPES["digits-adm"].objective
    assert isinstance(hybrid, Hybrid)
    image = images_and_labels(split()[0][:1])[0]
    x0 = image.expand(16, -1, -1, -1)
    noise = []

    def oracle(x_t, t, y):
        j = t.long()
        signal, scale = (hybrid.tables[k][j].float() for k in ("signal", "noise"))
        eps = (x_t - signal * x0) / scale
        noise.append(j)
        return torch.cat([eps, -torch.ones_like(eps)], dim=1)

    rng = torch.Generator().manual_seed(3)
    loss = hybrid(oracle, x0, None, Posterior(image, None), rng)
    assert (noise[0] > 0).all()  # the last step's term is a likelihood, which is not zero
    assert float(loss) < 1e-4


def test_the_posterior_is_bayes_rule():
    images, labels = images_and_labels(split()[0][:64])
    rng = torch.Generator().manual_seed(0)
    x = images[:8] + 0.7 * torch.randn(8, 1, 8, 8, generator=rng)
    sigma = torch.full((8, 1, 1, 1), 0.7)
    for i, mean in enumerate(Posterior(images, labels).mean(x, sigma, labels[:8])):
        same = images[labels == labels[i]]
        weight = (-(x[i] - same).square().flatten(1).sum(1) / (2 * 0.7**2)).softmax(0)
        torch.testing.assert_close(mean, (weight[:, None, None, None] * same).sum(0))


@pytest.mark.parametrize("name", ["digits-cld", "digits-bdm"])
def test_the_linear_objective_is_zero_for_the_exact_noise(name):
    objective = RECIPES[name].objective
    images = images_and_labels(split()[0][:16])[0].double()
    exact = ExactLinearModel(images, None, 1e-6, objective.law)

    def oracle(states, label):
        times = (label.double().exp() / 999).tolist()
        u = states.double().unflatten(1, (objective.law.channels, 1))
        pixels = objective.law.channels == 1
        shown = [objective.law.encode(v[None, 0]) if pixels else v[None] for v in u]
        eps = [exact.eps(v, t) for v, t in zip(shown, times, strict=True)]
        return torch.cat([objective.law.decode(e) if pixels else e.flatten(1, 2) for e in eps])

    known = Posterior(objective.law.encode(images)[:, 0], None)
    loss = objective(oracle, images, None, known, torch.Generator().manual_seed(0))
    assert float(loss) < 1e-3


def test_muon_takes_orthogonal_steps():
    p = torch.nn.Parameter(torch.zeros(32, 16, 3, 3))
    p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(0))
    optimiser = Muon([p])
    optimiser.param_groups[0]["lr"] = 1.0
    optimiser.step()
    values = torch.linalg.svdvals(p.detach().flatten(1))
    assert 0.6 < values.min()
    assert values.max() < 1.3


@pytest.mark.parametrize(
    ("steps", "batch"), [(16, 16), pytest.param(40, 32, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", RECIPES)
def test_every_objective_falls_under_training(name, steps, batch, tmp_path):
    recipe = RECIPES[name]
    images, labels = images_and_labels(split()[0][:256])
    of_class = labels if recipe.conditional else None
    known = Posterior(recipe.encode(images), of_class)

    def loss(network):
        with torch.no_grad():
            rng = torch.Generator().manual_seed(0)
            return float(recipe.objective(network, images, of_class, known, rng))

    fresh = recipe.build()
    initialise(fresh, torch.Generator().manual_seed(0))
    settings = replace(recipe.settings, steps=steps, batch=batch, half_life=2)
    trained = train(recipe, images, labels, settings, tmp_path / "state.pt", CPU)
    fitted = recipe.build()
    fitted.load_state_dict(trained.average)
    assert loss(fitted) < 0.9 * loss(fresh)

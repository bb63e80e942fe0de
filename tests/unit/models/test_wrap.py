"""`sb.wrap` and the native samplers on what it makes: mappings, refusals, guidance, counts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import InputError, UsageError
from samplebench.models.guidance import ClassifierGuidance
from samplebench.networks.preconditioning import EDMPrecond
from samplebench.samplers.ddim import ddim

COSINE = {"noise_schedule": "cosine", "diffusion_steps": 1000}


def white(config, num_classes=0, family="guided-diffusion", seen=None):
    """The exact eps network of unit normal data; with variance channels where they are learned."""

    def network(x, t, y):
        if seen is not None:
            seen.append((t.clone(), y))
        alpha_bar = torch.from_numpy(model.process.alpha_bar).float()[t.clamp(min=0).long()]
        eps = (1 - alpha_bar).sqrt().reshape(-1, 1, 1, 1) * x
        return torch.cat([eps, eps], 1) if config.get("learn_sigma") else eps

    model = sb.wrap(network, family=family, config=config, shape=(1, 2, 2), num_classes=num_classes)
    return model


X = torch.randn(3, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_denoiser_is_that_of_the_data():
    model = white(COSINE)
    for sigma in model.process.sigmas[[5, 300, 900]]:
        # The network answers in float32, and sigma magnifies its rounding.
        found = model(X * sigma, float(sigma))
        assert found.numpy() == pytest.approx(
            (X * sigma / (1 + sigma**2)).numpy(), abs=1e-6 * sigma + 1e-6
        )
    assert torch.equal(model(X, 0.0), X)


def test_the_nearest_step_and_the_level_below_the_table():
    for table, lowest in (("exact", 0), ("edm", -1)):
        seen = []
        model = white({**COSINE, "sigma_table": table}, seen=seen)
        model(X, torch.tensor([0.002, model.sigma_min, model.sigma_max * 2]))
        assert seen[0][0].tolist() == [lowest, 0, 999]
        assert model.round_sigma(model.sigma_min) == model.sigma_min
        for level in model.process.sigmas[[0, 3, 700]]:
            assert model.round_sigma(float(level)) == pytest.approx(level, rel=1e-3)


def test_edm_table_is_for_the_cosine_schedule():
    with pytest.raises(InputError, match="cosine schedule only"):
        white({"sigma_table": "edm"})


@pytest.mark.parametrize("sampler", ["respaced", "ddim", "ddim-reverse"])
def test_what_a_native_sampler_refuses(sampler):
    model = white(COSINE)
    for words, reason in (
        ({"steps": 1}, "one step has no variance"),
        ({"respacing": "1"}, "one step has no variance"),
        ({"steps": 1001}, "1001 steps"),
        ({"steps": 5, "nfe": 5}, "exactly one of steps, nfe and respacing"),
        ({}, "exactly one of steps, nfe and respacing"),
        ({"steps": 5, "rho": 3}, "leave out rho"),
        ({"steps": 5, "discretization": "vp"}, "leave out discretization"),
        ({"steps": 5, "sigma_max": 10}, "leave out sigma_max"),
        ({"steps": 5, "S_churn": 1}, "unknown parameter"),
    ):
        with pytest.raises(UsageError, match=reason):
            sb.sample(model, sampler, latents=X, **words)


def test_a_budget_is_the_number_of_steps_at_most_all():
    model = white(COSINE)
    by_nfe = sb.sample(model, "respaced", nfe=7, latents=X)
    assert torch.equal(by_nfe, sb.sample(model, "respaced", respacing="7", latents=X))
    taken = []
    sb.sample(white({"diffusion_steps": 30}), "ddim", nfe=50, latents=X, callback=taken.append)
    assert len(taken) == 30


def test_the_respacing_of_the_flags_is_only_a_default():
    model = white({**COSINE, "timestep_respacing": "ddim10"})
    assert model.process.steps == 1000
    own = sb.sample(model, "ddim", latents=X)
    assert torch.equal(own, sb.sample(model, "ddim", respacing="ddim10", latents=X))
    assert not torch.equal(own, sb.sample(model, "ddim", steps=10, latents=X))


def test_continuous_models_have_no_steps_of_their_own(mixture):
    model = mixture("tiny3")
    for words, reason in (
        ({"sampler": "respaced", "steps": 5}, "needs a discrete model"),
        ({"sampler": "ddim", "respacing": "5"}, "respacing is for"),
        ({"sampler": "ddim", "steps": 5, "guidance": lambda *args: 0}, "does not support"),
    ):
        with pytest.raises(UsageError, match=reason):
            sb.sample(model, latents=X, **words)


def test_ddim_up_and_down_again():
    model = white(COSINE)
    up = sb.sample(model, "ddim-reverse", respacing="", latents=X / 3, clip_x0=False)
    # Upwards the last step ends in noise alone, where downwards the first one starts.
    down = sb.sample(model, "ddim", respacing="", latents=up, clip_x0=False)
    assert (down - X / 3).abs().max() < 0.02


def test_native_ddim_is_ddim_on_the_same_levels():
    model = white({"diffusion_steps": 1000})
    native = sb.sample(model, "ddim", steps=8, latents=X, clip_x0=False)
    levels = model.process.respaced("8").sigmas[::-1]
    scaled = X * (1 + levels[0] ** -2) ** 0.5
    grid = sb.sample(model, ddim, discretization=levels.tolist(), latents=scaled)
    assert native.numpy() == pytest.approx(grid.numpy(), abs=1e-4)


def test_variance_has_to_be_there():
    assert sb.sample(white(COSINE), "respaced", steps=4, latents=X).isfinite().all()
    with pytest.raises(UsageError, match="no variance channels"):
        sb.sample(white(COSINE), "respaced", steps=4, latents=X, variance="learned")
    with pytest.raises(UsageError, match="did you mean 'fixed_small'"):
        sb.sample(white(COSINE), "respaced", steps=4, latents=X, variance="fixed_smal")
    with pytest.raises(InputError, match="returns 1 channels"):
        bare = sb.wrap(
            lambda x, t, y: x, family="ddpm-ip", config={"learn_sigma": True}, shape=(1, 2, 2)
        )
        sb.sample(bare, "respaced", steps=4, latents=X)


def test_classifier_guidance_moves_samples_and_is_counted_apart():
    def classifier(x, t):
        mean = x.flatten(1).mean(1)
        return torch.stack([-mean, mean], 1)

    guidance = ClassifierGuidance(classifier, 2.0, num_classes=2)
    for sampler in ("respaced", "ddim"):
        taken, seen = [], []
        model = white(COSINE, seen=seen)
        means = [
            sb.sample(
                model, sampler, steps=10, latents=X, labels=label, guidance=guidance,
                clip_x0=False, callback=taken.append,
            ).mean()
            for label in (0, 1)
        ]  # fmt: skip
        assert means[0] < means[1]
        assert (taken[9].nfe, taken[9].guide_nfe) == (10, 10)
        assert all(y is None for _, y in seen)
    with pytest.raises(UsageError, match="does not support"):
        sb.sample(model, "ddim-reverse", steps=4, latents=X, guidance=guidance)


def test_labels_reach_a_conditional_network():
    seen = []
    model = white(COSINE, num_classes=5, seen=seen)
    sb.sample(model, "respaced", steps=2, latents=X, labels=[0, 4, 2])
    assert [y.tolist() for _, y in seen] == [[0, 4, 2]] * 2
    with pytest.raises(UsageError, match="labels are missing"):
        model(X, 1.0)


def test_a_network_of_edm():
    def network(x, sigma, class_labels):
        assert class_labels.shape == (3, 4) and class_labels.dtype == torch.float32
        return x / (1 + sigma.square().reshape(-1, 1, 1, 1))

    config = {"sigma_min": 0.01, "sigma_max": 50}
    model = sb.wrap(network, family="edm", config=config, shape=(1, 2, 2), num_classes=4)
    assert (model.sigma_min, model.sigma_max) == (0.01, 50)
    assert sb.sample(model, "heun", steps=4, latents=X).isfinite().all()
    labels = torch.tensor([0, 1, 3])
    assert torch.equal(model(X, torch.tensor([0.0, 1, 1]), labels)[0], X[0])


def test_what_wrap_refuses():
    with pytest.raises(UsageError, match="did you mean 'guided-diffusion'"):
        sb.wrap(None, family="guided-difusion", config={}, shape=(3, 8, 8))
    with pytest.raises(UsageError, match=r"must be \(C, H, W\)"):
        sb.wrap(None, family="edm", config={}, shape=(8, 8))


@pytest.mark.parametrize("clip", [True, False])
def test_predicting_x0_is_predicting_eps(clip):
    by_eps = white(COSINE)
    alpha_bar = torch.from_numpy(by_eps.process.alpha_bar).float()

    def x0(x, t, y):
        return alpha_bar[t].sqrt().reshape(-1, 1, 1, 1) * x

    config = {**COSINE, "predict_xstart": True}
    by_x0 = sb.wrap(x0, family="guided-diffusion", config=config, shape=(1, 2, 2))
    for j in (0, 500):
        np.testing.assert_allclose(by_eps.predict(X, j)[0], by_x0.predict(X, j)[0], atol=1e-4)
    first, second = (
        sb.sample(m, "ddim", respacing="9", latents=X, clip_x0=clip) for m in (by_eps, by_x0)
    )
    assert (first - second).abs().max() < 5e-3


class Recorder(torch.nn.Module):
    """A module of one precision that notes what it receives."""

    def __init__(self, dtype, channels=1, learned=True):
        super().__init__()
        self.seen = []
        self.layer = torch.nn.Conv2d(1, channels, 1, dtype=dtype) if learned else None
        self.register_buffer("factor", torch.ones((), dtype=dtype))

    def forward(self, x, sigma_or_t, labels=None):
        self.seen.append((x, sigma_or_t, labels))
        return self.factor * x if self.layer is None else self.layer(x)


FED = {
    "edm": {},
    "alpha_bar": COSINE,
    "guided-diffusion": COSINE,
    "improved-diffusion": COSINE,
    "ddpm-ip": COSINE,
}


@pytest.mark.parametrize("family", FED)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("state", [torch.float64, torch.float32, torch.float16])
def test_a_module_receives_its_own_precision(family, dtype, state):
    for learned in (True, False):
        network = Recorder(dtype, learned=learned).train()
        model = sb.wrap(network, family=family, config=FED[family], shape=(1, 2, 2))
        assert not network.training
        denoised = model(X.to(state), 0.7)
        x, level, _ = network.seen[-1]
        assert denoised.dtype == state and x.dtype == dtype
        if family in ("edm", "alpha_bar"):
            assert level.dtype == dtype and level.shape == (3,)


def test_of_mixed_precisions_a_module_receives_the_widest():
    network = Recorder(torch.float16)
    network.norm = torch.nn.GroupNorm(1, 1)
    network.forward = lambda x, sigma, labels: network.seen.append(x) or network.norm(x)
    model = sb.wrap(network, family="edm", config={}, shape=(1, 2, 2))
    assert model(X, 1.0).dtype == torch.float64 and network.seen[0].dtype == torch.float32


@pytest.mark.parametrize(
    "form", [lambda m: m.forward, lambda m: partial(m), lambda m: partial(partial(m.forward))]
)
def test_a_method_or_a_partial_of_a_module_is_fed_like_it(form):
    network = Recorder(torch.float32).train()
    model = sb.wrap(form(network), family="edm", config={}, shape=(1, 2, 2), num_classes=3)
    assert sb.sample(model, "heun", steps=3, latents=X).dtype == torch.float64
    x, sigma, labels = network.seen[-1]
    assert {x.dtype, sigma.dtype, labels.dtype} == {torch.float32} and not network.training


def test_around_a_network_the_arithmetic_is_that_of_the_state():
    """Only what the inner network gets is narrowed: c_skip x has all digits."""
    inner = []
    network = EDMPrecond(img_resolution=2, img_channels=1, model_channels=4, num_blocks=1,
                         channel_mult=[1], attn_resolutions=[])  # fmt: skip
    network.model.register_forward_pre_hook(lambda module, given: inner.append(given[0].dtype))
    model = sb.wrap(network, family="edm", config={}, shape=(1, 2, 2))
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    for sigma in (0.1, torch.tensor(0.1, dtype=torch.float64)):
        assert (model(X, sigma) - X * 0.25 / 0.26).abs().max() < 1e-15
    assert set(inner) == {torch.float32}


def test_a_functions_level_is_not_rounded_on_the_way():
    seen = []

    def network(x, sigma, labels):
        seen.append(sigma)
        return x

    model = sb.wrap(network, family="edm", config={}, shape=(1, 2, 2))
    for form in (0.1, np.float64(0.1), torch.tensor(0.1, dtype=torch.float64)):
        model(X, form)
        assert seen[-1].tolist() == [0.1] * 3
    network.round_sigma = lambda sigma: torch.as_tensor(sigma)
    assert sb.wrap(network, family="edm", config={}, shape=(1, 2, 2)).round_sigma(0.1) == 0.1

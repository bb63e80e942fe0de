"""The ODE's density: closed forms of mixtures, independence of the batch, honest gradients."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.checkpoints.catalog import catalog
from samplebench.embedded import held_out_digits, load_digits
from samplebench.errors import UsageError
from samplebench.likelihood import ode_log_density, score_sde_bits
from samplebench.likelihood.divergence import check_gradients, traced
from samplebench.likelihood.score_sde import score_sde_bits_per_dim, score_sde_dequantized
from samplebench.models.bound import Bound
from samplebench.noise.streams import uniforms

EMBEDDED = [name for name, entry in catalog().items() if entry.embedded]


class Kernels:
    """D(x; sigma) of an isotropic mixture of any dimension, and its density in closed form."""

    num_classes = 0
    sigma_min, sigma_max = 0.0, math.inf
    device, state_dtype = torch.device("cpu"), torch.float64
    provenance: dict = {}  # noqa: RUF012  as models have it

    def __init__(self, dim, std, count=3, seed=0):
        draw = torch.Generator().manual_seed(seed)
        self.shape = (1, 1, dim)
        self.means = torch.randn(count, dim, generator=draw, dtype=torch.float64).mul(0.6)
        self.weights = torch.rand(count, generator=draw, dtype=torch.float64).softmax(0)
        self.std = std

    def logs(self, flat, variance):
        distance = (flat[:, None] - self.means).square().sum(2)
        dim = flat.shape[1]
        constant = dim / 2 * (2 * math.pi * variance).log()
        return self.weights.log() - constant - distance / (2 * variance)

    def __call__(self, x, sigma, labels=None):
        flat = x.flatten(1)
        variance = (self.std**2 + sigma.to(x) ** 2).reshape(-1, 1)
        mean = self.logs(flat, variance).softmax(1) @ self.means
        kept = self.std**2 / variance
        return (kept * flat + (1 - kept) * mean).reshape(x.shape)

    def draw(self, n, seed=1):
        draw = torch.Generator().manual_seed(seed)
        k = torch.multinomial(self.weights, n, True, generator=draw)
        noise = torch.randn(n, self.means.shape[1], generator=draw, dtype=torch.float64)
        return (self.means[k] + self.std * noise).reshape(n, *self.shape)

    def log_density(self, x, sigma):
        variance = torch.tensor(self.std**2 + sigma**2, dtype=torch.float64)
        return torch.logsumexp(self.logs(x.flatten(1), variance), 1)


# In bits per dimension, as 1e-3 is asked for.
def off(found, wanted, dim):
    return float((found - wanted).abs().max()) / (dim * math.log(2))


@pytest.mark.parametrize("std", [0.05, 1.0])
@pytest.mark.parametrize("dim", [2, 8])
def test_mixtures_by_the_exact_trace(dim, std):
    model = Kernels(dim, std)
    x = model.draw(6)
    # So far up that the prior is the mixture's own law.
    found, z = ode_log_density(model, x, sigma_max=1000.0, rtol=1e-5)
    assert off(found, model.log_density(x, 0.002), dim) < 1e-3
    assert z.shape == x.shape and 300 < float(z.std()) < 3000


@pytest.mark.slow
@pytest.mark.parametrize("dim", [2, 8, 64])
def test_mixtures_of_up_to_64_dimensions(dim):
    for std in (0.02, 0.1, 0.5):
        model = Kernels(dim, std, count=5)
        x = model.draw(8)
        found, _ = ode_log_density(model, x, sigma_max=1000.0, rtol=1e-6)
        assert off(found, model.log_density(x, 0.002), dim) < 1e-3


def test_hutchinson_is_right_on_average():
    model = Kernels(16, 0.3)
    x = model.draw(1).expand(400, 1, 1, 16)
    found, _ = ode_log_density(model, x, sigma_max=1000.0, divergence="hutchinson", rtol=1e-5)
    bits = (found - model.log_density(x[:1], 0.002)) / (16 * math.log(2))
    assert bits.std() > 1e-3
    assert abs(float(bits.mean())) < max(1e-3, 4 * float(bits.std()) / 20)


def exact_digits():
    """digits-exact, dequantized images, their classes, and their log-densities within their class
    and over all classes, in closed form."""
    model, (pixels, classes) = sb.load("digits-exact", device="cpu"), load_digits()
    x = torch.from_numpy(score_sde_dequantized(pixels[:3].astype(float), 0.5))
    variance = model.bandwidth**2 + 0.002**2
    logs = -(x.flatten(1)[:, None] - model.images).square().sum(2) / (2 * variance)
    logs = logs - 32 * math.log(2 * math.pi * variance)
    counts = torch.from_numpy(np.bincount(classes))[classes].double()
    labels = torch.from_numpy(classes[:3])
    other = torch.from_numpy(classes)[None] != labels[:, None]
    within = torch.logsumexp((logs - counts.log()).masked_fill(other, -math.inf), 1)
    return model, x, labels, within, torch.logsumexp(logs - (10 * counts).log(), 1)


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [True, False])
def test_the_exact_digits_by_the_exact_trace(labelled):
    model, x, labels, within, over_all = exact_digits()
    given = labels if labelled else None
    found, _ = ode_log_density(model, x, sigma_max=1000.0, rtol=1e-4, labels=given)
    assert off(found, within if labelled else over_all, 64) < 1e-3


def test_the_exact_digits_on_average():
    """Hutchinson's estimates of one image."""
    model, x, labels, within, _ = exact_digits()
    words = {"divergence": "hutchinson", "rtol": 1e-3, "labels": int(labels[0])}
    found, _ = ode_log_density(model, x[:1].expand(48, 1, 8, 8), sigma_max=1000.0, **words)
    bits = (found - within[0]) / (64 * math.log(2))
    assert abs(float(bits.mean())) < 1e-3 + 4 * float(bits.std()) / 48**0.5
    assert float(bits.std()) < 0.1


def test_a_value_does_not_depend_on_its_batch():
    model = sb.load("digits-exact", device="cpu")
    pixels = load_digits()[0][:3].astype(float)
    x = torch.from_numpy(score_sde_dequantized(pixels, uniforms(range(3), (1, 8, 8), 0)))
    e = torch.sign(torch.randn(x.shape, generator=torch.Generator().manual_seed(0)))
    # One of them far from all images, which needs steps of another length.
    x[2] = 3 * x[2] + 1
    words = {"divergence": "hutchinson", "rtol": 1e-3}
    together, ends = ode_log_density(model, x, noise=e, **words)
    for i in range(3):
        alone, end = ode_log_density(model, x[i : i + 1], noise=e[i : i + 1], **words)
        assert abs(float(alone - together[i])) < 1e-9 * abs(float(alone))
        torch.testing.assert_close(end[0], ends[i], rtol=1e-10, atol=1e-10)


def test_draws_are_those_of_the_index():
    model, x = Kernels(8, 0.2), Kernels(8, 0.2).draw(4)
    words = {"divergence": "hutchinson", "rtol": 1e-4}
    found, _ = ode_log_density(model, x, **words)
    again, _ = ode_log_density(model, x[:2].numpy(), **words)
    assert torch.equal(found[:2], again)
    drawn = []
    ode_log_density(model, x, noise=lambda x: drawn.append(x) or torch.ones_like(x), **words)
    assert len(drawn) == 1


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_model_has_gradients_or_is_refused(name):
    model = sb.load(name, device="cpu")
    classes = int(model.num_classes)
    x = torch.from_numpy(load_digits()[0][held_out_digits()[:2]] / 127.5 - 1)
    if tuple(x.shape[1:]) != tuple(model.shape):
        x = model.draw(2, 0)[0]
    labels = torch.tensor([1, 2])[: 2 if classes else 0] if classes else None
    if name in ("digits-cld", "digits-bdm", "digits-cld-exact", "digits-bdm-exact"):
        with pytest.raises(UsageError, match=r"has no D\(x; sigma\)"):
            ode_log_density(model, x, labels=labels)
        return
    bound = Bound(model, labels, 2)
    e = torch.sign(torch.randn(x.shape, generator=torch.Generator().manual_seed(0)))
    e = e.to(x)
    check_gradients(bound, x, e)
    # e^T J e of the full answer at several levels, against a difference of two answers.
    for sigma in (0.1, 0.5, 5.0):
        level = torch.full((2,), sigma, dtype=torch.float64)
        _, found = traced(bound, e)(x, level)
        h = 1e-3 * sigma
        ends = [bound(x + side * h * e, level) for side in (1, -1)]
        slope = ((ends[0] - ends[1]) * e).flatten(1).sum(1) / (2 * h)
        torch.testing.assert_close(found, slope, rtol=0.02, atol=0.3)


def wrapped(network, predicts="D"):
    return sb.wrap(network, predicts=predicts, process="vp", time="sigma", shape=(1, 4, 4))


def half_detached(x, t):
    return 0.5 * x + 0.4 * x.detach()


def a_little_detached(x, t):
    return 0.85 * x + 0.04 * x.detach()


def detached_below(x, t):
    kept = (t > 0.5).to(x).reshape(-1, 1, 1, 1)
    return 0.5 * x + 0.4 * (kept * x + (1 - kept) * x.detach())


def without(x, t):
    with torch.no_grad():
        return 0.9 * x


def constant(x, t):
    return torch.zeros_like(x)


@pytest.mark.parametrize(
    ("network", "predicts"),
    [*itertools.product([half_detached, without], ["eps", "D"]),
     (a_little_detached, "D"), (detached_below, "D")],
)  # fmt: skip
def test_wrong_gradients_are_refused(network, predicts):
    x = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    with pytest.raises(UsageError, match="gradient") as caught:
        ode_log_density(wrapped(network, predicts), x, rtol=1e-3)
    assert "\n" not in str(caught.value)


def rounding(x, t):
    return (0.5 * x).bfloat16().to(x)


def bent(x, t):
    return 0.5 * x + 0.02 * torch.sin(x / 0.02)


@pytest.mark.parametrize("network", [rounding, bent])
def test_right_gradients_are_not_refused(network):
    x = torch.linspace(-1, 1, 32, dtype=torch.float64).reshape(2, 1, 4, 4)
    bound = Bound(wrapped(network, "eps"), None, 2)
    check_gradients(bound, x, torch.ones_like(x))


def test_a_network_of_others_that_is_right():
    """eps = x / sqrt(1 + s^2) is a point mass at 0; D = 0 is a Gaussian path with no divergence."""
    x = torch.full((2, 1, 4, 4), 0.01, dtype=torch.float64)

    def gaussian(y, t):
        # Of x0 ~ N(0, 1) in the state of "vp", which is then N(0, 1) itself.
        return y * (t / (1 + t**2).sqrt()).reshape(-1, 1, 1, 1)

    found, _ = ode_log_density(wrapped(gaussian, "eps"), x, rtol=1e-6)
    std = math.sqrt(1 + 0.002**2)
    normal = torch.distributions.Normal(0.0, std)
    wanted = normal.log_prob(x).flatten(1).sum(1)
    # The prior has no variance of the data: 16 / 2 log(1 + 1 / 80^2) is missing.
    assert off(found, wanted, 16) < 1e-3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"divergence": "hutchinso"}, "did you mean 'hutchinson'"),
        ({"rtol": 1.0}, "rtol=1.0 must be from 1e-11 to 0.01"),
        ({"rtol": 1e-15}, "must be from"),
        ({"sigma_min": 90.0}, "leave no path"),
        ({"sigma_min": "a"}, "sigma_min=a must be a number"),
        ({"sigma_min": -1.0}, "leave no path"),
        ({"noise": torch.ones(3)}, "pass a function like torch.randn_like"),
        ({"noise": "portable"}, "pass a function like torch.randn_like"),
        ({"labels": [1]}, "the model is unconditional"),
    ],
)
def test_words_that_do_not_fit(words, told, refused):
    model = Kernels(4, 0.2)
    refused(lambda: ode_log_density(model, model.draw(2), **words), UsageError, told)


@pytest.mark.parametrize(
    ("x0", "told"),
    [
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "pass x0 / 127.5 - 1"),
        (torch.zeros(2, 1, 4, 5), "x0 have shape [2, 1, 4, 5]; this model needs [N, 1, 4, 4]"),
        (torch.zeros(1, 4, 4), "needs [N, 1, 4, 4]"),
        (torch.zeros(0, 1, 4, 4), "needs [N, 1, 4, 4]"),
        ([[1.0]], "floating-point numbers [N, 1, 4, 4] are needed"),
        (None, "x0 are None"),
    ],
)
def test_what_is_no_image(x0, told, refused):
    refused(lambda: ode_log_density(wrapped(constant), x0), UsageError, told)


def test_the_exact_trace_is_for_small_images(refused):
    model = Kernels(300, 0.2)
    refused(lambda: ode_log_density(model, model.draw(2)), UsageError, "has 300", "hutchinson")


def test_what_is_not_finite_is_no_value(refused):
    def lost(x, t):
        return torch.where(t.reshape(-1, 1, 1, 1) > 3, float("nan"), 0.5) * x

    x = torch.ones(2, 1, 4, 4, dtype=torch.float64)
    call = lambda: ode_log_density(wrapped(lost), x, rtol=1e-2)  # noqa: E731
    refused(call, UsageError, "2 of 2 densities are not finite", "was not finite from evaluation")


def test_too_many_steps_are_told_with_the_tolerance_that_was_asked_for(refused, monkeypatch):
    monkeypatch.setattr("samplebench.samplers.dormand_prince._MOST_STEPS", 5)
    model = Kernels(4, 0.2)
    call = lambda: ode_log_density(model, model.draw(2), rtol=1e-6)  # noqa: E731
    refused(call, UsageError, "density with rtol=1e-06: a sample needs more than 5 steps")


def test_score_sde_needs_its_own_levels(refused):
    model = Kernels(4, 0.2)
    model.sigma_min = 0.1
    call = lambda: score_sde_bits_per_dim(model, model.draw(2))  # noqa: E731
    refused(call, UsageError, "process vp has noise levels from 0.001", "from 0.1 to")
    refused(lambda: score_sde_bits(1.0, 4, data_range=(1, 1)), UsageError, "is not a range")

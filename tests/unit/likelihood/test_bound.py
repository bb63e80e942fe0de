"""The variational bound: exact predictions, batches, networks of others, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.embedded import held_out_digits, load_digits
from samplebench.errors import UsageError
from samplebench.likelihood import VariationalBound, bits_per_dim

FLAGS = {"noise_schedule": "cosine", "diffusion_steps": 50, "rescale_timesteps": False}


def digits(n):
    index = held_out_digits()[:n]
    pixels, labels = load_digits()
    return torch.from_numpy(pixels[index] / 127.5 - 1), torch.from_numpy(labels[index])


def wrapped(network, **flags):
    return sb.wrap(network, family="guided-diffusion", config={**FLAGS, **flags}, shape=(1, 8, 8))


def test_who_knows_the_image_pays_for_its_bytes_alone():
    """A network that answers with x0 itself: no step has a KL, L_0 is that of a hit."""
    x0 = digits(3)[0]
    model = wrapped(lambda x, t, y: x0.to(x), predict_xstart=True, sigma_small=True)
    found = bits_per_dim(model, x0)
    assert isinstance(found, VariationalBound)
    assert found.vb.shape == found.mse.shape == found.xstart_mse.shape == (3, 50)
    torch.testing.assert_close(
        found.vb[:, :-1], torch.zeros(3, 49, dtype=x0.dtype), atol=1e-6, rtol=0
    )
    assert float(found.xstart_mse.max()) < 1e-12
    law = model.process
    std = math.exp(law.posterior_log_variance[0] / 2)
    inner = math.erf((1 / 255) / std / math.sqrt(2))
    hit = -math.log2(inner)
    edge = -math.log2((1 + inner) / 2)
    share = ((x0.abs() > 0.999).double().flatten(1)).mean(1)
    torch.testing.assert_close(found.vb[:, -1], share * edge + (1 - share) * hit, atol=2e-3, rtol=0)


def test_it_adds_up_and_depends_on_its_steps():
    x0, labels = digits(4)
    model = sb.load("digits-adm", device="cpu")
    totals = {}
    for spec in (5, "5", "ddim5", 25):
        found = bits_per_dim(model, x0, respacing=spec, labels=labels)
        torch.testing.assert_close(found.total, found.prior + found.vb.sum(1))
        totals[str(spec)] = float(found.total.mean())
    assert totals["5"] > totals["25"] > 3
    assert totals["ddim5"] != totals["5"]
    assert torch.equal(
        bits_per_dim(model, x0, respacing=5, labels=labels).vb,
        bits_per_dim(model, x0, respacing="5", labels=labels).vb,
    )


def test_a_value_depends_on_its_index_and_not_on_its_batch():
    x0, labels = digits(6)
    model = sb.load("digits-iddpm", device="cpu")
    # Without the last step, whose x0 is rounding times a noise level of 80,000.
    all_of_them = bits_per_dim(model, x0, respacing="ddim4", labels=labels)
    some = bits_per_dim(model, x0[:2], respacing="ddim4", labels=labels[:2])
    torch.testing.assert_close(some.vb, all_of_them.vb[:2], rtol=1e-5, atol=1e-6)


def test_variance_and_clipping_are_words():
    x0 = digits(2)[0]
    model = wrapped(lambda x, t, y: torch.cat([0.9 * x, 0 * x], 1), learn_sigma=True)
    values = {
        word: float(bits_per_dim(model, x0, variance=word).total.mean())
        for word in ("learned", "fixed_small", "fixed_large")
    }
    assert len(set(values.values())) == 3
    assert float(bits_per_dim(model, x0, clip_x0=False).total.mean()) != values["learned"]
    with pytest.raises(UsageError, match="did you mean 'fixed_small'"):
        bits_per_dim(model, x0, variance="fixed-small")


@pytest.mark.parametrize("predicts", ["eps", "x0", "v"])
def test_networks_of_others_on_a_table(predicts):
    """The same exact prediction in whichever words: the same bound."""
    x0 = digits(2)[0]
    betas = np.linspace(1e-3, 0.1, 40)
    a = torch.from_numpy(np.cumprod(1 - betas))

    def network(x, t):
        kept = a[t.long()].reshape(-1, 1, 1, 1)
        guess = 0.8 * x0.to(x)
        eps = (x - kept.sqrt() * guess) / (1 - kept).sqrt()
        return {"eps": eps, "x0": guess, "v": kept.sqrt() * eps - (1 - kept).sqrt() * guess}[
            predicts
        ]

    model = sb.wrap(network, predicts=predicts, betas=betas, shape=(1, 8, 8))
    found = bits_per_dim(model, x0)
    expected = (0.2 * x0).square().flatten(1).mean(1)
    torch.testing.assert_close(
        found.xstart_mse, expected[:, None].expand(2, 40), rtol=1e-6, atol=1e-9
    )
    reference = bits_per_dim(model, x0, noise=torch.zeros(40, *x0.shape))
    assert float((found.vb - reference.vb).abs().max()) < 1e-4


def test_noise_by_a_function_or_as_draws():
    x0 = digits(2)[0]
    model = wrapped(lambda x, t, y: 0.9 * x)
    drawn = []

    def draw(x):
        drawn.append(
            torch.randn(x.shape, generator=torch.Generator().manual_seed(len(drawn))).to(x)
        )
        return drawn[-1]

    one = bits_per_dim(model, x0, noise=draw)
    assert len(drawn) == 50
    other = bits_per_dim(model, x0, noise=torch.stack(drawn))
    assert torch.equal(one.vb, other.vb)
    with pytest.raises(UsageError, match=r"or draws \[50, 2, 1, 8, 8\]"):
        bits_per_dim(model, x0, noise=torch.stack(drawn)[:3])


@pytest.mark.parametrize("name", ["digits-exact", "digits-vp", "digits-cld"])
def test_models_without_discrete_steps(name):
    with pytest.raises(UsageError, match="has no discrete steps"):
        bits_per_dim(sb.load(name, device="cpu"), digits(2)[0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: x.half().double(), None),
        (lambda x: x + 0.002, "not bytes"),
        (lambda x: 1.01 * x, "not bytes"),
        (lambda x: x * float("nan"), "not bytes"),
        (lambda x: x.expand(2, 3, 8, 8), "needs [N, 1, 8, 8]"),
        (lambda x: ((x + 1) * 127.5).to(torch.uint8), "pass x0 / 127.5 - 1"),
    ],
)
def test_only_bytes(change, told, refused):
    x0 = digits(2)[0]
    call = lambda: bits_per_dim(wrapped(lambda x, t, y: 0.9 * x), change(x0), respacing=3)  # noqa: E731
    if told is None:
        assert call().total.isfinite().all()
    else:
        refused(call, UsageError, told)


def test_labels_are_needed_and_checked(refused):
    model, (x0, labels) = sb.load("digits-adm", device="cpu"), digits(2)
    call = lambda **w: bits_per_dim(model, x0, respacing=2, **w)  # noqa: E731
    refused(call, UsageError, "pass labels")
    refused(lambda: call(labels=[10, 0]), UsageError, "must lie in [0, 10)")
    refused(lambda: call(labels=[1, 2, 3]), UsageError, "3 labels for 2 samples")
    assert torch.equal(call(labels=int(labels[0])).vb[0], call(labels=labels).vb[0])
    refused(
        lambda: bits_per_dim(model, x0, respacing=1, labels=labels), UsageError, "keeps one step"
    )

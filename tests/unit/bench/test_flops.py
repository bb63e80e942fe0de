"""Operations of one evaluation: against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import samplebench as sb
from samplebench.bench.flops import gflop_per_evaluation
from samplebench.models.model import Model


class Toy(Model):
    """A network behind the denoiser interface, and the shapes that it saw."""

    shape = (3, 8, 8)
    device, state_dtype = torch.device("cpu"), torch.float32

    def __init__(self, network, num_classes=0):
        self.net, self.num_classes, self.seen = network, num_classes, []

    def __call__(self, x, sigma, labels=None):
        self.seen.append((tuple(x.shape), sigma, None if labels is None else tuple(labels.shape)))
        self.net(x)  # what it answers costs nothing more
        return x


class Attention(nn.Module):
    def forward(self, x):
        q = x.flatten(2).transpose(1, 2)[:, None]  # one head, 64 positions of 3 channels
        return nn.functional.scaled_dot_product_attention(q, q, q)


@pytest.mark.parametrize("name", ["digits-exact", "digits-exact-uncond"])
@pytest.mark.parametrize("batch", [16, 64])
def test_the_exact_model(name, batch):
    """Two products with the K images of D pixels: x with each, and the mean of all."""
    model = sb.load(name)
    images, pixels = model.images.shape
    assert (images, pixels) == (1797, 64)
    assert gflop_per_evaluation(model, batch) == pytest.approx(2 * 2 * images * pixels / 1e9)


def test_what_fills_a_tile_up_is_work_too():
    model = sb.load("digits-exact")
    assert gflop_per_evaluation(model, 1) == pytest.approx(16 * gflop_per_evaluation(model, 16))


@pytest.mark.parametrize(
    ("network", "multiply_adds"),
    [
        (nn.Conv2d(3, 5, 3, padding=1), 64 * 5 * 3 * 9),
        (nn.Conv2d(3, 6, 3, padding=1, groups=3), 64 * 6 * 1 * 9),
        (nn.Conv2d(3, 5, 3, stride=2, padding=1), 16 * 5 * 3 * 9),
        (nn.ConvTranspose2d(3, 5, 2, stride=2), 64 * 3 * 5 * 4),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 7)), 192 * 7),
        (lambda x: torch.einsum("nchw,cd->ndhw", x, torch.ones(3, 5)), 64 * 3 * 5),
        (Attention(), 2 * 64 * 64 * 3),
    ],
    ids=["conv", "grouped", "strided", "transposed", "linear", "einsum", "attention"],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_networks(network, multiply_adds, batch):
    expected = 2 * multiply_adds / 1e9
    assert gflop_per_evaluation(Toy(network), batch) == pytest.approx(expected, rel=1e-12)


def test_what_cannot_be_counted_is_none():
    assert gflop_per_evaluation(Toy(torch.sin), 2) is None


def test_one_evaluation_of_its_own_input():
    model = Toy(nn.Conv2d(3, 5, 3), num_classes=10)
    model.sigma_max = 0.5
    before = torch.random.get_rng_state()
    gflop_per_evaluation(model, 2)
    assert model.seen == [((2, 3, 8, 8), 0.5, (2,))]
    assert torch.equal(torch.random.get_rng_state(), before)

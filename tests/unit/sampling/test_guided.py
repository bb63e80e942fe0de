"""Samplers of others, schedulers of diffusers and cards are guided like all."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.cli import main
from samplebench.errors import UsageError

LABELS = [3, 8]
CFG = {"guidance": "cfg", "guidance_scale": 3}
LATENTS = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture(scope="module")
def digits():
    return sb.load("digits-exact", device="cpu")


class Guided:
    """The guided denoiser as a model of its own."""

    def __init__(self, model):
        self.model, self.shape, self.num_classes = model, model.shape, model.num_classes
        self.sigma_min, self.sigma_max = model.sigma_min, model.sigma_max

    def round_sigma(self, sigma):
        return self.model.round_sigma(sigma)

    def __call__(self, x, sigma, labels=None):
        free = self.model(x, sigma)
        return free + 3 * (self.model(x, sigma, labels) - free)


def sample_mine(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """A k-diffusion function: Euler, asked with a level for each sample."""
    ones = x.new_ones([len(x)])
    for i in range(len(sigmas) - 1):
        denoised = model(x, sigmas[i] * ones)
        x = x + (x - denoised) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
    return x


def same(digits, sampler, **words):
    alone = sb.sample(digits, sampler, latents=LATENTS, labels=LABELS, **words)
    found = sb.sample(digits, sampler, latents=LATENTS, labels=LABELS, **words, **CFG)
    model = sb.sample(Guided(digits), sampler, latents=LATENTS, labels=LABELS, **words)
    assert found.numpy() == pytest.approx(model.numpy(), abs=1e-10)
    assert (found - alone).abs().max() > 1e-3


def test_a_function_of_others(digits):
    same(digits, sample_mine, steps=6)


@pytest.mark.parametrize(
    "name", ["DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler"]
)
def test_a_scheduler_of_diffusers(digits, name):
    pytest.importorskip("diffusers")
    same(digits, f"diffusers:{name}", steps=6)


def test_a_card(digits, tmp_path):
    path = tmp_path / "mine.json"
    assert main(["card", "export", "--sampler", "dpmpp-2m", "--nfe", "6", "--out", str(path)]) == 0
    same(digits, f"card:{path}")


def test_a_timeline_of_others_that_asks_by_itself_is_refused(digits):
    from samplebench.registry import timelines
    from samplebench.timelines.sigma import Sigma

    class Blind(Sigma):
        """Its view asks the model and not what is bound."""

        label = "blind"

        def view(self, bound):
            def ask(x, sigma):
                level = torch.as_tensor(sigma, dtype=torch.float64)
                return bound.ask(lambda x, labels: bound.model(x, level, labels), x)

            return ask

    def blind_euler(model, x, grid, *, noise=None, callback=None):
        for t, t_next in zip(grid.tolist(), grid.tolist()[1:], strict=False):
            x = x + (x - model(x, t)) / t * (t_next - t)
        return x

    timelines.register("blind")(Blind)
    sb.registry.samplers.register("blind-euler", timeline="blind", evaluations=lambda steps: steps)(
        blind_euler
    )
    try:
        with pytest.raises(UsageError, match="does not support guidance: its timeline blind eval"):
            sb.sample(digits, "blind-euler", steps=4, latents=LATENTS, labels=LABELS, **CFG)
        sb.sample(digits, "blind-euler", steps=4, latents=LATENTS, labels=LABELS)
    finally:
        timelines._entries.pop("blind")
        sb.registry.samplers._entries.pop("blind-euler")

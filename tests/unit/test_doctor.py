"""What the doctor says of models that denoise, and of those that do not."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.doctor import SIGMAS, examine, smooth_images
from samplebench.model import Model


class Wiener(Model):
    """The best linear denoiser, channel by channel, of images with the doctor's spectrum."""

    shape, num_classes, sigma_min = (3, 32, 32), 0, 0.15
    device, state_dtype = torch.device("cpu"), torch.float64

    def __init__(self) -> None:
        images = smooth_images(64, self.shape, torch.Generator().manual_seed(1))
        self.power = torch.fft.fft2(images, norm="ortho").abs().square().mean((0, 1))

    def __call__(self, x, sigma, labels=None):
        kept = self.power / (self.power + float(sigma) ** 2)
        return torch.fft.ifft2(kept * torch.fft.fft2(x)).real


class Idle(Wiener):
    def __call__(self, x, sigma, labels=None):
        return x


@pytest.mark.parametrize(
    "name", ["digits-exact", "digits-exact-uncond", "digits-cld-exact", "digits-bdm-exact"]
)
def test_closed_forms_denoise_their_own_images(name):
    model = sb.load(name, device="cpu")
    found = examine(model)
    assert found.healthy and found.parameters is None
    # At the kernel's own width the best estimate leaves half of the noise.
    first = found.findings[0]
    assert first.sigma == model.bandwidth
    # Where high frequencies have faded, all of it is noise.
    assert first.left == pytest.approx(0.3 if model.process == "bdm" else 0.5, abs=0.1)


@pytest.mark.parametrize("name", ["digits-cld-exact", "digits-bdm-exact"])
def test_a_model_that_finds_no_noise_is_no_denoiser(name):
    model = sb.load(name, device="cpu")
    model.eps = lambda u, t, labels=None: torch.zeros_like(u)
    found = examine(model)
    assert not found.healthy
    assert all(f.left > 0.9 for f in found.findings)


def test_a_denoiser_of_smooth_images():
    found = examine(Wiener())
    assert found.healthy
    # A level below the model's range is moved to its end.
    assert [f.sigma for f in found.findings] == [0.15, *SIGMAS[1:]]
    left = [f.left for f in found.findings]
    assert 0.3 < left[0] < 0.7 and left == sorted(left, reverse=True)


def test_what_leaves_the_noise_is_no_denoiser():
    found = examine(Idle())
    assert not found.healthy
    assert all(f.left == pytest.approx(1, abs=0.1) for f in found.findings)


def test_smooth_images_fill_the_range_and_are_smooth():
    images = smooth_images(4, (3, 32, 32), torch.Generator().manual_seed(0))
    assert images.abs().amax((1, 2, 3)) == pytest.approx(torch.ones(4, dtype=torch.float64))
    steps = (images[..., 1:] - images[..., :-1]).square().mean()
    assert steps < 0.7 * images.var()  # 2 for white noise

"""A Gaussian's denoiser, whose solution is known, and latents to start from."""

from __future__ import annotations

import math

import torch

STD = 0.5


class Gauss:
    """D of N(0, STD^2 I) data, whose solution is x(sigma_max) sqrt((v + s^2) / (v + s_max^2))."""

    shape, num_classes = (1, 2, 2), 0

    def __init__(self, sigma_min=0.0, dtype=torch.float64):
        self.sigma_min, self.sigma_max, self.state_dtype = sigma_min, 80.0, dtype
        self.calls = 0

    def __call__(self, x, sigma, labels=None):
        self.calls += 1
        assert x.dtype == self.state_dtype
        assert float(sigma) >= self.sigma_min * (1 - 1e-9)
        variance = torch.tensor(STD**2, dtype=x.dtype)
        return x * (variance / (variance + sigma.to(x) ** 2))


def exact(latents, sigma, sigma_max=80.0):
    scale = math.sqrt((STD**2 + sigma**2) / (STD**2 + sigma_max**2))
    return latents.double() * sigma_max * scale


def latents_of(n=6, dtype=torch.float64, shape=(1, 2, 2)):
    draw = torch.Generator().manual_seed(5)
    return torch.randn((n, *shape), generator=draw, dtype=dtype)

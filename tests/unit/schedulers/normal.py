"""A model on which every flow has a closed form."""

from __future__ import annotations

import torch

from samplebench.models.model import Model

MEAN, STD = 0.3, 0.25


class Normal(Model):
    """D(x; sigma) of one pixel of normal data."""

    shape, device, state_dtype = (1, 1, 1), torch.device("cpu"), torch.float64

    def __call__(self, x, sigma, labels=None):
        variance = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1) ** 2
        return (STD**2 * x + variance * MEAN) / (STD**2 + variance)

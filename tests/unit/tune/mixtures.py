"""Mixtures that count the images which they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from samplebench.models.mixture import GaussianMixture


class Counted(GaussianMixture):
    """A random mixture of a few points of four pixels.

    Attributes:
        images: that it was asked for.
        step: between the levels that it knows, from 0.002 on; 0 where it knows all.
    """

    def __init__(self, seed: int, components: int = 3, step: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        weights = torch.from_numpy(rng.dirichlet(np.full(components, 3.0)))
        means = torch.from_numpy(rng.uniform(-1, 1, (components, 1, 2, 2)))
        variances = torch.from_numpy(np.exp(rng.uniform(-6, -1, (components, 4))))
        super().__init__(weights, means, variances, None)
        self.images, self.step = 0, step

    def __call__(self, x: Any, sigma: Any, labels: Any = None) -> Any:
        self.images += len(x)
        return super().__call__(x, sigma, labels)

    def round_sigma(self, sigma: float) -> float:
        return 0.002 + self.step * round((sigma - 0.002) / self.step) if self.step else sigma

"""The objective of gDDIM's models: critically damped Langevin and blurring diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from embedded_models.objectives import emphasis, normal, slope, uniform
from embedded_models.posterior import Posterior
from samplebench.processes.linear import LinearProcess


@dataclass(frozen=True)
class NoiseOnLinear:
    """Zhang, Tao & Chen 2023, Eq. 8 in the basis R: predict z of u_t = signal_t u_0 + R_t z.

    Every other t is even in ln t instead of in t: the noise level grows like a power of t near 0
    and like an exponential near T.

    Attributes:
        law: the process; `known` holds the images as it encodes them.
    """

    law: LinearProcess

    def __call__(
        self,
        network: nn.Module,
        x0: Tensor,
        labels: Tensor | None,
        known: Posterior,
        rng: torch.Generator,
    ) -> Tensor:
        t = self._times(x0, rng)
        times = t.cpu().numpy()
        root = self.law.R(times)
        # What stands before the image in R^-1 u: only the first channel holds it.
        signal = (np.linalg.inv(root) @ self.law.signal(times))[..., :1]
        stiffness = tensor(signal**2, x0.double()).sum(1)[:, 0]
        # Of the position, or of each frequency.
        levels = stiffness**-0.5
        u0 = self.law.encode(x0.double() + slope(x0, levels[:, :, :1, :1], rng))[:, :1]
        z = normal(u0.expand(-1, self.law.channels, -1, -1, -1), rng)
        seen = on(signal, u0) + z
        pull = on(np.swapaxes(signal, -1, -2), seen)[:, 0]
        mean = known.mean_of(pull, stiffness, labels)[:, None]
        u, label = on(root, seen), (999 * t).log().to(x0.dtype)
        if self.law.channels == 1:
            shown = self.law.decode(u).to(x0.dtype)
            noise = self.law.encode(network(shown, label))
        else:
            noise = network(u.flatten(1, 2).to(x0.dtype), label).reshape(u.shape)
        error = (noise - (seen - on(signal, mean))).square()
        return (error * emphasis(levels)[:, None]).mean()

    def _times(self, like: Tensor, rng: torch.Generator) -> Tensor:
        low, high = self.law.t_min, self.law.T
        t = low + (high - low) * uniform(like, rng)
        t[1::2] = low * (high / low) ** uniform(like, rng)[1::2]
        return t.flatten()


def tensor(matrices: np.ndarray, like: Tensor) -> Tensor:
    """Matrices [N, h, w, E, D] as a tensor [N, E, D, 1, h, w]."""
    return torch.from_numpy(np.moveaxis(matrices, (3, 4), (1, 2))).to(like)[:, :, :, None]


def on(matrices: np.ndarray, u: Tensor) -> Tensor:
    """Matrices [N, h, w, E, D] of one time per state, on states u [N, D, C, H, W]."""
    return (tensor(matrices, u) * u[:, None]).sum(2)

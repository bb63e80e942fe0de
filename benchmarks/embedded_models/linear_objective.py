"""The objective of gDDIM's models: critically damped Langevin and blurring diffusion."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from embedded_models.objectives import emphasis, mixed, normal, slope, uniform
from embedded_models.posterior import Posterior
from samplebench.processes.linear import LinearProcess


@dataclass(frozen=True)
class NoiseOnLinear:
    """Zhang, Tao & Chen 2023, Eq. 8 in the basis R: predict z of u_t = signal_t u_0 + R_t z.

    Attributes:
        law: the process; `known` holds the images as it encodes them.
        times, levels: ln t from t_min to T, and ln sigma there, the mean of all frequencies.
    """

    law: LinearProcess
    times: np.ndarray = field(init=False, repr=False)
    levels: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        times = np.geomspace(self.law.t_min, self.law.T, 200)
        levels = np.log(_levels(self._signal(times, self.law.R(times)))).mean((1, 2))
        object.__setattr__(self, "times", np.log(times))
        object.__setattr__(self, "levels", levels)

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
        signal = self._signal(times, root)
        levels = tensor(_levels(signal)[..., None, None], x0.double())[:, 0, 0]
        u0 = self.law.encode(x0.double() + slope(x0, levels[:, :, :1, :1], rng))[:, :1]
        z = normal(u0.expand(-1, self.law.channels, -1, -1, -1), rng)
        seen = on(signal, u0) + z
        pull = on(np.swapaxes(signal, -1, -2), seen)[:, 0]
        mean = known.mean_of(pull, levels**-2, labels)[:, None]
        u, label = on(root, seen), (999 * t).log().to(x0.dtype)
        if self.law.channels == 1:
            shown = self.law.decode(u).to(x0.dtype)
            noise = self.law.encode(network(shown, label))
        else:
            noise = network(u.flatten(1, 2).to(x0.dtype), label).reshape(u.shape)
        error = (noise - (seen - on(signal, mean))).square()
        return (error * emphasis(levels)[:, None]).mean()

    def _signal(self, times: np.ndarray, root: np.ndarray) -> np.ndarray:
        """What stands before the image in R^-1 u [N, h, w, D, 1]: the first channel holds it."""
        return (np.linalg.inv(root) @ self.law.signal(times))[..., :1]

    def _times(self, x0: Tensor, rng: torch.Generator) -> Tensor:
        """Uniform times float64 [N], or those of other noise levels."""
        t = self.law.t_min + (self.law.T - self.law.t_min) * uniform(x0, rng).cpu().numpy()
        sigma = torch.from_numpy(np.exp(np.interp(np.log(t), self.times, self.levels)))
        low, high = np.exp(self.levels[[0, -1]]).tolist()
        sigma = mixed(sigma.to(x0.device), rng, low, high).flatten().log().cpu()
        t = np.exp(np.interp(sigma.numpy(), self.levels, self.times))
        return torch.from_numpy(t).to(x0.device)


def _levels(signal: np.ndarray) -> np.ndarray:
    """Noise levels [N, h, w] of the position, or of each frequency."""
    return (signal**2).sum((-2, -1)) ** -0.5


def tensor(matrices: np.ndarray, like: Tensor) -> Tensor:
    """Matrices [N, h, w, E, D] as a tensor [N, E, D, 1, h, w]."""
    return torch.from_numpy(np.moveaxis(matrices, (3, 4), (1, 2))).to(like)[:, :, :, None]


def on(matrices: np.ndarray, u: Tensor) -> Tensor:
    """Matrices [N, h, w, E, D] of one time per state, on states u [N, D, C, H, W]."""
    return (tensor(matrices, u) * u[:, None]).sum(2)

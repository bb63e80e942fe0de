"""The law of flow matching on straight paths (Lipman et al. 2023; Liu, Gong & Liu 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from samplebench.errors import UsageError
from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import Times, stacked


@dataclass(frozen=True)
class Flow(Isotropic):
    """u_t = (1 - t) x0 + t n, so sigma = t / (1 - t) for t in [0, 1).

    As a linear process du = -u / (1 - t) dt + sqrt(2 t / (1 - t)) dw. A network of it predicts the
    velocity n - x0. At t = 1 nothing of the image is left to divide by: T stays below.

    Attributes:
        T, t_min: where sampling starts and where its steps end.
    """

    name: ClassVar[str] = "flow"

    T: float = 0.999
    t_min: float = 1e-3

    def check(self) -> None:
        if self.T >= 1:
            raise UsageError(f"process flow: T={self.T:g} must be below 1, where sigma is infinite")
        super().check()

    def sigma(self, t: float) -> float:
        return t / (1 - t)

    def time(self, sigma: float) -> float:
        """The inverse of `sigma`; 1 for an infinite one."""
        return 1 - 1 / (1 + sigma) if sigma > 1 else sigma / (1 + sigma)

    def psi(self, t: Times, s: Times) -> np.ndarray:
        return stacked(((1 - t) / (1 - s),))

    def R(self, t: Times) -> np.ndarray:
        return stacked((t,))

    def F(self, t: Times) -> np.ndarray:
        return stacked((-1 / (1 - t),))

    def GGT(self, t: Times) -> np.ndarray:
        return stacked((2 * t / (1 - t),))

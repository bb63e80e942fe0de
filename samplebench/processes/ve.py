"""The variance-exploding law in the time t = sigma (Song et al. 2021; Karras et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import Times, stacked


@dataclass(frozen=True)
class VE(Isotropic):
    """u_t = x0 + t n: du = sqrt(2 t) dw.

    Polynomials in this time make gDDIM rhoAB-DEIS (Zhang & Chen 2023).

    Attributes:
        T, t_min: the noise levels where sampling starts and where its steps end.
    """

    name: ClassVar[str] = "ve"

    T: float = 80.0
    t_min: float = 0.002

    @property
    def prior_factor(self) -> tuple[float, ...]:
        """There is no stationary law: the noise of T."""
        return (self.T,)

    def sigma(self, t: float) -> float:
        return t

    def time(self, sigma: float) -> float:
        return sigma

    def psi(self, t: Times, s: Times) -> np.ndarray:
        return stacked((np.ones(np.broadcast_shapes(np.shape(t), np.shape(s))),))

    def R(self, t: Times) -> np.ndarray:
        return stacked((t,))

    def F(self, t: Times) -> np.ndarray:
        return stacked((0.0 * t,))

    def GGT(self, t: Times) -> np.ndarray:
        return stacked((2 * t,))

"""Linear laws whose noise is white and whose signal only shrinks: those of D(x; sigma)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

from samplebench.errors import UsageError
from samplebench.processes.linear import LinearProcess


class Isotropic(LinearProcess):
    """u_t = psi(t, 0) (x0 + sigma(t) n): one channel, the same matrix for every pixel."""

    noisy_end: ClassVar[bool] = True

    def sigma(self, t: float) -> float:
        """Noise level of u_t in EDM's convention, R_t / psi(t, 0)."""
        raise NotImplementedError

    def time(self, sigma: float) -> float:
        """The inverse of `sigma`."""
        raise NotImplementedError

    def rescaled(self, half: float) -> Self:
        """The law at the times when images of another unit have the same noise: every level
        divided by `half`."""
        if half == 1:
            return self
        low, high = (self.time(self.sigma(t) / half) for t in (self.t_min, self.T))
        return replace(self, T=high, t_min=low)  # type: ignore[type-var]

    def within(self, sigma_min: float, sigma_max: float) -> Self:
        """The law between the noise levels that a model knows.

        Raises:
            UsageError: it has none of them.
        """
        low, high = max(self.t_min, self.time(sigma_min)), min(self.T, self.time(sigma_max))
        if not low < high:
            raise UsageError(
                f"process {self.name} has noise levels from {self.sigma(self.t_min):.3g} to "
                f"{self.sigma(self.T):.3g}, the model those from {sigma_min:.3g} to {sigma_max:.3g}"
            )
        return replace(self, T=high, t_min=low)  # type: ignore[type-var]

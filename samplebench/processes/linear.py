"""The general linear noise law du = F_t u dt + G_t dw (Zhang, Tao & Chen 2023, gDDIM).

A state u [N, D, C, H, W] has D channels per pixel that couple; on a discretely blurring law the
pixels are frequencies, each with a matrix of its own. All matrices are float64 [..., h, w, D, D]
with (h, w) = (1, 1) or (H, W); a leading axis holds the times where several are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from samplebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

Times = float | np.ndarray
# Of the only transition matrices without a closed form: 0 < lam < 1 where channels couple.
_RTOL, _ATOL = 1e-12, 1e-14


class LinearProcess:
    """Base of the linear laws; what they share follows from psi and R alone.

    The noise of u_t given u_0 is R_t z, z unit normal, with R the factor of its covariance that
    solves dR/dt = (F + 1/2 G G^T Sigma^-1) R: along the probability flow of a single image z then
    stays constant, which is what a network of gDDIM predicts.

    Attributes:
        name: what users type.
        channels: D.
        size: (h, w) of the matrices.
        prior_factor: std of each channel in the stationary law, from which sampling starts.
        denoise: whether its samplers end with `last`, the step from t_min to 0, by default.
        noisy_end: whether the step into t_min of a stochastic sampler adds noise.
    """

    name: ClassVar[str]
    channels: ClassVar[int] = 1
    denoise: ClassVar[bool] = False
    noisy_end: ClassVar[bool] = False

    @property
    def T(self) -> float:
        """Where sampling starts."""
        raise NotImplementedError

    @property
    def t_min(self) -> float:
        """Where its steps end, above 0."""
        raise NotImplementedError

    @property
    def size(self) -> tuple[int, int]:
        return (1, 1)

    @property
    def prior_factor(self) -> tuple[float, ...]:
        return (1.0,)

    def check(self) -> None:
        """Raises `UsageError` where its constants leave no times or no covariance."""
        if not 0 < self.t_min < self.T:
            raise UsageError(
                f"process {self.name}: t_min={self.t_min:g} and T={self.T:g}; need 0 < t_min < T"
            )
        with np.errstate(all="ignore"):  # what is not finite is told below
            ends = self.R(np.array([self.t_min, self.T]))
        if not (np.isfinite(ends).all() and np.all(np.linalg.det(ends) > 0)):
            raise UsageError(f"process {self.name} has no covariance with these constants")

    def psi(self, t: Times, s: Times) -> np.ndarray:
        """Transition matrix of F from s to t: E[u_t | u_s] = psi(t, s) u_s."""
        raise NotImplementedError

    def R(self, t: Times) -> np.ndarray:
        """The factor of the covariance at t, R R^T = Sigma."""
        raise NotImplementedError

    def F(self, t: Times) -> np.ndarray:
        """Drift matrix."""
        raise NotImplementedError

    def GGT(self, t: Times) -> np.ndarray:
        """Diffusion matrix G G^T."""
        raise NotImplementedError

    def encode(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] as states without noise, [N, D, C, H, W]."""
        return images[:, None]

    def decode(self, u: Tensor) -> Tensor:
        """The images [N, C, H, W] in states [N, D, C, H, W]."""
        return u[:, 0]

    def cov(self, t: Times) -> np.ndarray:
        """Sigma_t, covariance of u_t given u_0."""
        root = self.R(t)
        return root @ transposed(root)

    def signal(self, t: Times) -> np.ndarray:
        """What stands before an encoded image in the mean of u_t."""
        return self.psi(t, 0.0)

    def grid(self, steps: int, power: float = 2.0) -> np.ndarray:
        """Times from T down to t_min, uniform in t^(1/power): float64 [steps + 1]."""
        high, low = self.T ** (1 / power), self.t_min ** (1 / power)
        times = (high + np.arange(steps + 1) / steps * (low - high)) ** power
        times[0], times[-1] = self.T, self.t_min
        return times

    def score_factor(self, t: Times) -> np.ndarray:
        """K of score = -K eps, the transposed inverse of R."""
        return transposed(np.linalg.inv(self.R(t)))

    def psi_hat(self, t: float, s: Times, lam: float) -> np.ndarray:
        """Transition matrix from s down to t of F + (1 + lam^2) / 2 G G^T Sigma^-1.

        Args:
            t: below s.
            s: one time or increasing ones [n].
            lam: 0 for the probability flow, 1 for the usual reverse SDE.
        """
        if lam == 0:
            return self.R(t) @ np.linalg.inv(self.R(s))
        if self.channels == 1:
            psi = self.psi(t, s)
            shrunk: np.ndarray = psi * (self.R(t) / self.R(s) / psi) ** (1 + lam * lam)
            return shrunk
        if lam == 1:
            return self.cov(t) @ transposed(self.psi(s, t)) @ np.linalg.inv(self.cov(s))
        return self._integrated(t, np.atleast_1d(s), lam).reshape(self.psi(t, s).shape)

    def _integrated(self, t: float, s: np.ndarray, lam: float) -> np.ndarray:
        """psi_hat = R_t V R_s^-1 with dV/ds = -V lam^2 / 2 R^-1 G G^T R^-T, V = 1 at s = t."""
        from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

        one = np.broadcast_to(np.eye(self.channels), self.psi(t, t).shape)

        def slope(tau: float, flat: np.ndarray) -> np.ndarray:
            inverse = np.linalg.inv(self.R(tau))
            rate = inverse @ self.GGT(tau) @ transposed(inverse)
            change: np.ndarray = -lam * lam / 2 * (flat.reshape(one.shape) @ rate)
            return change.ravel()

        solved = solve_ivp(
            slope, (t, s[-1]), one.ravel(), "DOP853", s, rtol=_RTOL, atol=_ATOL
        )  # fmt: skip
        inner = np.moveaxis(solved.y, -1, 0).reshape(len(s), *one.shape)
        return self.R(t) @ inner @ np.linalg.inv(self.R(s))

    def clean(self, u: Tensor, eps: Tensor, t: float) -> Tensor:
        """The state without noise that a noise prediction at t leaves, u_0 in full."""
        return apply(np.linalg.inv(self.signal(t)), u - apply(self.R(t), eps))

    def last(self, u: Tensor, eps: Tensor, t: float) -> Tensor:
        """The step without noise from t to 0 that `denoise` stands for."""
        return self.clean(u, eps, t)

    def fresh(self, t: float, s: float, lam: float) -> np.ndarray:
        """Covariance of the noise that a stochastic step from s down to t adds."""
        kept = self.psi_hat(t, s, lam)
        return self.cov(t) - kept @ self.cov(s) @ transposed(kept)


def root(covariance: np.ndarray) -> np.ndarray:
    """A factor of positive semidefinite matrices: Cholesky's, where it exists."""
    symmetric = (covariance + transposed(covariance)) / 2
    try:
        return np.linalg.cholesky(symmetric)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(symmetric)
        return vectors * np.sqrt(values.clip(min=0))[..., None, :]


def apply(matrix: np.ndarray, u: Tensor) -> Tensor:
    """matrix [h, w, E, D] on the channels of u [N, D, C, H, W]: [N, E, C, H, W], in u's dtype.

    Entry by entry: the result of a sample does not depend on its batch.
    """
    import torch

    if matrix.size == 1:
        return float(matrix.item()) * u
    columns = torch.from_numpy(np.moveaxis(matrix, (2, 3), (0, 1))[:, :, None]).to(u)
    result = columns[:, 0] * u[:, :1]
    for channel in range(1, u.shape[1]):
        result = result + columns[:, channel] * u[:, channel : channel + 1]
    return result


def transposed(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)


def stacked(*rows: tuple[Times, ...]) -> np.ndarray:
    """Matrices [..., 1, 1, D, D] of entries that are floats or arrays of times [...]."""
    entries = [entry for row in rows for entry in row]
    one = all(np.ndim(entry) == 0 for entry in entries)  # time, which needs no broadcasting
    table = np.array(entries if one else np.broadcast_arrays(*entries), dtype=float)
    square = table.reshape(len(rows), len(rows), *table.shape[1:])
    return np.moveaxis(square, (0, 1), (-2, -1))[..., None, None, :, :]

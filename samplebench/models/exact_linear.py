"""Exact noise predictions on any linear process, of the kernel density of a set of images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from samplebench.models.exact import KernelDensity, tiled
from samplebench.processes.linear import LinearProcess, apply, transposed


class ExactLinearModel(KernelDensity):
    """eps(u, t) of a kernel density in closed form.

    Of kernel k the state at t is normal, the same for every pixel or frequency: its mean is p mu_k
    and its covariance C = bandwidth^2 p p^T + Sigma_t, p the signal's column of the data. With the
    posterior weights r_k, score = -C^-1 (u - p sum_k r_k mu_k) and eps = -R^T score.

    Args:
        images, classes, bandwidth: as for `KernelDensity`.
        process: that the states follow.
    """

    kind = "linear"
    process: LinearProcess

    def __init__(
        self, images: Tensor, classes: Tensor | None, bandwidth: float, process: LinearProcess
    ) -> None:
        super().__init__(images, classes, bandwidth)
        self.process = process
        # A rotation into frequencies leaves the kernels what they are.
        self.encoded = process.encode(images)[:, 0].flatten(1)
        self.squares = self.encoded.square()

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        labels, state = self.labels_of(u, labels), u.to(self.images.dtype)
        p, root = self.process.signal(t)[..., :1], self.process.R(t)
        inverse = np.linalg.inv(self.bandwidth**2 * p @ transposed(p) + self.process.cov(t))
        row = transposed(p) @ inverse
        mean = self._expected(apply(row, state), row @ p, labels)
        return apply(transposed(root) @ inverse, state - apply(p, mean)).to(u.dtype)

    def _expected(self, pull: Tensor, stiffness: np.ndarray, labels: Tensor) -> Tensor:
        """sum_k r_k mu_k, [n, 1, C, H, W].

        Args:
            pull: p^T C^-1 u, [n, 1, C, H, W].
            stiffness: p^T C^-1 p, [h, w, 1, 1].
        """
        each = torch.from_numpy(stiffness[..., 0, 0]).to(pull).expand(pull.shape[2:])
        # -1/2 (u - p mu)^T C^-1 (u - p mu) without what all kernels have in common.
        common = self.squares @ each.flatten() / 2
        means = [
            self.mean(rows @ self.encoded.T - common, of, self.encoded)
            for rows, of in zip(tiled(pull.flatten(1)), tiled(labels), strict=True)
        ]
        return torch.cat(means)[: len(pull)].reshape(pull.shape)

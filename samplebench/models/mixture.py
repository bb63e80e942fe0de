"""Exact denoisers of mixtures of Gaussians, each component with a covariance of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from samplebench.models.exact import tiled
from samplebench.models.model import Model, known_labels

# Rows evaluated at once: always as many, so that a sample does not depend on its batch mates.
_TILE = 64


class GaussianMixture(Model):
    """D(x; sigma) of data x0 = mu_k + A_k sqrt(v_k) n, k with probability w_k, in closed form.

    Noise adds sigma^2 to every variance, so the posterior of component k at x is r_k proportional
    to w_k N(x; mu_k, C_k + sigma^2), with C_k = A_k diag(v_k) A_k^T, and
    D = sum_k r_k (mu_k + C_k (C_k + sigma^2)^-1 (x - mu_k)).

    Args:
        weights: w, [K], positive, of sum 1.
        means: mu, [K, C, H, W] in about [-1, 1].
        variances: v, [K, P] for the P = C H W elements of an image.
        axes: A, orthogonal matrices [K, P, P] whose columns are the principal axes; None where
            these are the elements themselves.
    """

    def __init__(
        self, weights: Tensor, means: Tensor, variances: Tensor, axes: Tensor | None
    ) -> None:
        self.means, self.variances, self.axes = means.flatten(1), variances, axes
        self.weights = weights
        self.shape = tuple(means.shape[1:])  # type: ignore[assignment]
        self.device, self.state_dtype = means.device, means.dtype
        # A product takes a tenth of a millisecond: waking more threads costs more than it gains.
        self.threads = 1

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        known_labels(labels, self.num_classes)
        flat = x.flatten(1).to(self.means.dtype)
        sigma = torch.as_tensor(sigma, dtype=flat.dtype, device=flat.device)
        n, sigma = len(flat), sigma.reshape(-1, 1).expand(len(flat), 1)
        tiles = zip(tiled(flat, _TILE), tiled(sigma, _TILE), strict=True)
        denoised = torch.cat([self._denoise(*tile) for tile in tiles])[:n]
        return torch.where(sigma == 0, x.flatten(1), denoised.to(x.dtype)).reshape(x.shape)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D of flat images [n, P] with sigma [n, 1]."""
        away = x - self.means[:, None]  # [K, n, P], then along the axes
        if self.axes is not None:
            away = away @ self.axes
        total = self.variances[:, None] + sigma**2
        logits = -(away.square() / total + total.log()).sum(2) / 2 + self.weights.log()[:, None]
        kept = away * (self.variances[:, None] / total)
        if self.axes is not None:
            kept = kept @ self.axes.mT
        r = torch.softmax(logits, dim=0)
        return (r[:, :, None] * (self.means[:, None] + kept)).sum(0)

    def draw(self, n: int, seed: int) -> tuple[Tensor, None]:
        """n exact draws of x0 [n, C, H, W]; without labels, as `KernelDensity.draw` has them."""
        rng = np.random.Generator(np.random.Philox(seed))
        weights = self.weights.double().cpu().numpy()
        k = torch.from_numpy(rng.choice(len(weights), size=n, p=weights / weights.sum()))
        normal = torch.from_numpy(rng.standard_normal((n, self.means.shape[1])))
        return self._of_component(k, normal).reshape(n, *self.shape), None

    def draw_from(self, uniforms: Tensor, normals: Tensor, labels: Tensor | None) -> Tensor:
        """The exact draws that these numbers mean, as of `KernelDensity.draw_from`.

        Each component has a part of the unit interval as long as its weight.
        """
        known_labels(labels, self.num_classes)
        ends = self.weights.double().cumsum(0)
        k = torch.searchsorted(ends / ends[-1], uniforms, right=True).clamp(max=len(ends) - 1)
        return self._of_component(k, normals.flatten(1)).reshape(normals.shape).to(normals)

    def _of_component(self, k: Tensor, normal: Tensor) -> Tensor:
        """Draws [n, P] of the components k [n], of unit normal numbers [n, P]."""
        along = normal.to(self.means) * self.variances[k].sqrt()
        if self.axes is not None:
            along = (self.axes[k] @ along[:, :, None])[:, :, 0]
        return self.means[k] + along

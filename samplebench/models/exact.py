"""Exact denoisers: the posterior mean under the kernel density of a set of images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from samplebench.models.model import Model, known_labels

# Rows evaluated at once: always as many, so that a sample does not depend on its batch mates.
_TILE = 16
# The label of a row that has none.
_ALL = -1


class KernelDensity(Model):
    """Data x0 = image k + bandwidth * n with k uniform, given labels over that class.

    A conditional one without labels has every class as likely as another.

    Args:
        images: mu, float64 [K, C, H, W] in [-1, 1].
        classes: int64 [K] for a conditional model, None for an unconditional one.
        bandwidth: standard deviation of the kernel in the same units.
    """

    def __init__(self, images: Tensor, classes: Tensor | None, bandwidth: float) -> None:
        self.images, self.classes, self.bandwidth = images.flatten(1), classes, bandwidth
        self.shape = tuple(images.shape[1:])  # type: ignore[assignment]
        self.num_classes = 0 if classes is None else int(classes.max()) + 1
        if classes is not None:
            self.labels_optional = True
            # Of an image where all classes are meant: its class has 1 / K, and it a share of that.
            self.log_weights = -classes.bincount().to(images.dtype).log()[classes]
        self.device, self.state_dtype = images.device, images.dtype
        # A product takes a tenth of a millisecond: waking more threads costs more than it gains.
        self.threads = 1

    def labels_of(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """One label for each row of x, -1 where none are given.

        Raises:
            UsageError: labels that it does not have.
        """
        known = known_labels(labels, self.num_classes, needed=False)
        nobody = torch.full((len(x),), _ALL, dtype=torch.int64, device=x.device)
        return nobody if known is None else known

    def mean(self, logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """sum_k r_k image_k, [n, P]: r is the softmax of the logits [n, K] within the class."""
        if self.classes is not None:
            of = labels[:, None]
            logits = torch.where(of == _ALL, logits + self.log_weights, logits)
            logits = logits.masked_fill((self.classes != of) & (of != _ALL), -torch.inf)
        return torch.softmax(logits, dim=1) @ images

    def draw(self, n: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """n exact draws of x0 [n, C, H, W] with their labels; a class is as likely as another."""
        rng = np.random.Generator(np.random.Philox(seed))
        images, classes = self.images.cpu().numpy(), None
        if self.classes is None:
            k = rng.integers(len(images), size=n)
        else:
            classes = rng.integers(self.num_classes, size=n)
            members = [
                np.flatnonzero(self.classes.cpu().numpy() == c) for c in range(classes.max() + 1)
            ]
            k = np.array([rng.choice(members[c]) for c in classes])
        x = images[k] + self.bandwidth * rng.standard_normal((n, images.shape[1]))
        drawn = torch.from_numpy(x).reshape(n, *self.shape).to(self.images)
        return drawn, None if classes is None else torch.from_numpy(classes)

    def draw_from(self, uniforms: Tensor, normals: Tensor, labels: Tensor | None) -> Tensor:
        """The exact draws that these numbers mean, each decided by its own alone.

        Args:
            uniforms: float64 [N] in [0, 1], which image of the class each is made of.
            normals: unit normal [N, C, H, W], the kernel's noise.
            labels: int64 [N]; None: of a conditional one every class is as likely as another.

        Returns:
            x0 [N, C, H, W], like the normals.

        Raises:
            UsageError: labels that it does not have.
        """
        known = known_labels(labels, self.num_classes, needed=False)
        noise = normals.flatten(1).to(self.images)
        drawn = self.images[self._kernels(uniforms, known)] + self.bandwidth * noise
        return drawn.reshape(normals.shape).to(normals)

    def _kernels(self, uniforms: Tensor, labels: Tensor | None) -> Tensor:
        """Indices of images: each has an equal part of the unit interval, or of its class's."""
        if self.classes is None:
            return _part(uniforms, torch.tensor(len(self.images), device=uniforms.device))
        if labels is None:
            labels = _part(uniforms, torch.tensor(self.num_classes, device=uniforms.device))
            uniforms = self.num_classes * uniforms - labels
        sizes = self.classes.bincount()
        before = (sizes.cumsum(0) - sizes)[labels]
        return self.classes.argsort(stable=True)[before + _part(uniforms, sizes[labels])]


def _part(uniforms: Tensor, sizes: Tensor) -> Tensor:
    """In which of so many equal parts of the unit interval each number is, from 0."""
    return (uniforms * sizes).long().minimum(sizes - 1)


class ExactModel(KernelDensity):
    """D(x; sigma) of a kernel density in closed form.

    With v = bandwidth^2 + sigma^2 and r_k proportional to exp(-|x - mu_k|^2 / (2 v)):
    D = (bandwidth^2 x + sigma^2 sum_k r_k mu_k) / v.
    """

    def __init__(self, images: Tensor, classes: Tensor | None, bandwidth: float) -> None:
        super().__init__(images, classes, bandwidth)
        self.half_norms = self.images.square().sum(1) / 2

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        labels = self.labels_of(x, labels)
        flat = x.flatten(1).to(self.images.dtype)
        sigma = torch.as_tensor(sigma, dtype=flat.dtype, device=flat.device)
        n, sigma = len(flat), sigma.reshape(-1, 1).expand(len(flat), 1)
        tiles = zip(*(tiled(rows) for rows in (flat, sigma, labels)), strict=True)
        denoised = torch.cat([self._denoise(*tile) for tile in tiles])[:n]
        return torch.where(sigma == 0, x.flatten(1), denoised.to(x.dtype)).reshape(x.shape)

    def _denoise(self, x: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """D of flat images [n, D] with sigma [n, 1] and labels [n], ignored if unconditional."""
        total = self.bandwidth**2 + sigma**2
        # |x|^2 is common to all k and drops out of the softmax.
        logits = (x @ self.images.T - self.half_norms) / total
        mean = self.mean(logits, labels, self.images)
        return (self.bandwidth**2 * x + sigma**2 * mean) / total


def tiled(rows: Tensor, size: int = _TILE) -> Iterator[Tensor]:
    """Rows in tiles of equal size, the last filled up with copies of its last row."""
    for tile in rows.split(size):
        missing = size - len(tile)
        yield torch.cat([tile, tile[-1:].expand(missing, *tile.shape[1:])]) if missing else tile

"""What a noisy image shows of the clean one, when the clean one is a training image."""

from __future__ import annotations

import torch
from torch import Tensor


class Posterior:
    """E[x0 | x] over the training images: the target of "Stable Target Field" (Xu et al. 2023).

    In the place of the x0 that was drawn it leaves a loss's minimum where it is and takes most of
    the noise out of its gradient.

    Args:
        images: [K, C, H, W].
        labels: int64 [K]; None for a model without classes.
    """

    def __init__(self, images: Tensor, labels: Tensor | None) -> None:
        self._flat, self._labels = images.flatten(1).double(), labels
        self._half_squares = self._flat.square() / 2

    def mean(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[x0 | x = x0 + sigma n], of x's shape and dtype.

        Args:
            x: [N, C, H, W].
            sigma: [N, 1, 1, 1].
            labels: int64 [N], the classes of x0, or None.
        """
        precision = sigma.double() ** -2
        return self.mean_of(x * precision, precision, labels).to(x.dtype)

    def mean_of(self, pull: Tensor, stiffness: Tensor, labels: Tensor | None) -> Tensor:
        """E[x0] where an image mu has the log-probability pull mu - stiffness mu^2 / 2.

        Args:
            pull, stiffness: float64 [N, C, H, W] and of a shape that expands to it.
            labels: as above.
        """
        each = stiffness.expand_as(pull).flatten(1)
        log_weights = pull.flatten(1) @ self._flat.T - each @ self._half_squares.T
        if labels is not None and self._labels is not None:
            log_weights.masked_fill_(labels[:, None] != self._labels, -torch.inf)
        return (log_weights.softmax(1) @ self._flat).reshape_as(pull)

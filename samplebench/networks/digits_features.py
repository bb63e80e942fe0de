"""A small convolutional classifier of 8x8 grey digits; its penultimate layer is the features."""

from __future__ import annotations

from torch import Tensor, nn


class DigitsFeatures(nn.Module):
    """Three convolutions and a linear layer to 64 features, then a linear head to 10 classes.

    No layer mixes the images of a batch, and SiLU keeps the features smooth in the pixels.
    """

    feature_dim = 64

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(48, 48, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(48 * 2 * 2, self.feature_dim),
        )
        self.head = nn.Linear(self.feature_dim, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Features [N, 64] of images [N, 1, 8, 8] in [-1, 1], -1 being background."""
        return self.body(x)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores [N, 10] of images [N, 1, 8, 8] in [-1, 1]."""
        return self.head(self(x))

"""What the embedded models are trained on, and what is held out."""

from __future__ import annotations

import torch
from torch import Tensor

from samplebench.embedded import held_out_digits, load_digits


def split() -> tuple[Tensor, Tensor]:
    """Indices of the 1,437 training images and of the 360 held-out ones, 36 of every class."""
    held_out = torch.from_numpy(held_out_digits())
    is_trained = torch.ones(len(load_digits()[1]), dtype=torch.bool)
    is_trained[held_out] = False
    return torch.nonzero(is_trained).flatten(), held_out


def images_and_labels(indices: Tensor) -> tuple[Tensor, Tensor]:
    """Images float32 [N, 1, 8, 8] in [-1, 1] and labels int64 [N]."""
    images, labels = map(torch.from_numpy, load_digits())
    return images[indices].float() / 127.5 - 1, labels[indices]

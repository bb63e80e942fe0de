"""What the embedded models are trained on, and what is held out."""

from __future__ import annotations

import torch
from torch import Tensor

from samplebench.embedded import load_digits

HELD_OUT_PER_CLASS = 36
_SEED = 1797


def split() -> tuple[Tensor, Tensor]:
    """Indices of the 1,437 training images and of the 360 held-out ones, 36 of every class."""
    labels = torch.from_numpy(load_digits()[1])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_SEED))
    held_out = torch.cat([order[labels[order] == c][:HELD_OUT_PER_CLASS] for c in range(10)])
    is_held_out = torch.zeros(len(labels), dtype=torch.bool)
    is_held_out[held_out] = True
    return torch.nonzero(~is_held_out).flatten(), torch.nonzero(is_held_out).flatten()


def images_and_labels(indices: Tensor) -> tuple[Tensor, Tensor]:
    """Images float32 [N, 1, 8, 8] in [-1, 1] and labels int64 [N]."""
    images, labels = map(torch.from_numpy, load_digits())
    return images[indices].float() / 127.5 - 1, labels[indices]

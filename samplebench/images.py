"""Float images in [-1, 1] to uint8, by the rule of the paper one compares with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from samplebench.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

# Before clipping to [0, 255] and truncating. EDM's rounds half up, so that all 256 levels survive a
# round trip; the others make an image half a grey level darker on average.
_RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "edm": lambda x: x * 127.5 + 128,
    "openai": lambda x: (x + 1) * 127.5,
    "score-sde": lambda x: (x + 1) / 2 * 255,
}


def to_uint8(x: Tensor, rule: str) -> Tensor:
    """Quantizes images.

    Args:
        x: images of any shape, nominally in [-1, 1]; values outside are clipped.
        rule: "edm" (NVlabs generate.py), "openai" (guided-diffusion) or "score-sde".
    """
    import torch

    if rule not in _RULES:
        raise unknown("quantization rule", rule, _RULES)
    return _RULES[rule](x).clip(0, 255).to(torch.uint8)


def contact_sheet(images: np.ndarray, columns: int = 8) -> np.ndarray:
    """Tiles uint8 images [N, H, W, C] into one [rows*H, columns*W, C], row by row, without gaps.

    Missing tiles of the last row are black.
    """
    n, h, w, c = images.shape
    rows = -(-n // columns)
    tiles = np.zeros((rows * columns, h, w, c), dtype=images.dtype)
    tiles[:n] = images
    grid = tiles.reshape(rows, columns, h, w, c).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * h, columns * w, c)

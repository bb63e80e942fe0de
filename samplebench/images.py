"""Float images in [-1, 1] to uint8, by the rule of the paper one compares with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from samplebench.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

# scale and offset before clipping to [0, 255] and truncating
_RULES = {
    "edm": (127.5, 128.0),  # rounds half up: all 256 levels survive a round trip
    "openai": (127.5, 127.5),  # truncates: half a grey level darker on average
    "score-sde": (127.5, 127.5),
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
    scale, offset = _RULES[rule]
    if rule == "edm":
        levels = x * scale + offset
    elif rule == "openai":
        levels = (x + 1) * scale
    else:
        levels = (x + 1) / 2 * 255
    return levels.clip(0, 255).to(torch.uint8)


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

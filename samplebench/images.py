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

# Apart from black and white alike.
_GUTTER = 128


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


def gutter(height: int, width: int) -> int:
    """Pixels between two tiles of a contact sheet, a sixteenth of a tile's shorter side."""
    return max(1, min(height, width) // 16)


def contact_sheet(images: np.ndarray, columns: int = 8) -> np.ndarray:
    """Tiles uint8 images [N, H, W, C], row by row, with grey gutters of g pixels between them.

    Image i is at [r*(H+g) : r*(H+g)+H, c*(W+g) : c*(W+g)+W] with r, c = divmod(i, columns) and g
    from `gutter`. Missing tiles of the last row are black.
    """
    n, h, w, c = images.shape
    rows, gap = -(-n // columns), gutter(h, w)
    tiles = np.full((rows * columns, h + gap, w + gap, c), _GUTTER, dtype=images.dtype)
    tiles[:, :h, :w] = 0
    tiles[:n, :h, :w] = images
    grid = tiles.reshape(rows, columns, h + gap, w + gap, c).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * (h + gap), columns * (w + gap), c)[:-gap, :-gap]


def sheet_layout(height: int, width: int, count: int, columns: int = 8) -> tuple[int, int, int]:
    """(H, W, g) of the tiles of a contact sheet: their sides and the gutters between them.

    Args:
        height, width: of the sheet, in pixels.
        count: samples on it.
        columns: as given to `contact_sheet`.

    Raises:
        ValueError: no tiles of one size make such a sheet, with gutters or, as sheets of an older
            version are, without.
    """
    rows = -(-count // columns)
    for gap in (*range(1, width // columns + 1), 0):
        (h, h_rest), (w, w_rest) = (
            divmod(side + gap, tiles) for side, tiles in ((height, rows), (width, columns))
        )
        h, w = h - gap, w - gap
        if h_rest == w_rest == 0 and min(h, w) > 0 and gap in (gutter(h, w), 0):
            return h, w, gap
    raise ValueError(f"{height} x {width} pixels are no contact sheet of {count} samples")

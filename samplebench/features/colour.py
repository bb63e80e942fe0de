"""Images as extractors of photographs take them: uint8, grey or in colour."""

from __future__ import annotations

import torch
from torch import Tensor


def in_colour(images: Tensor, extractor: str) -> Tensor:
    """Images as three channels, of the same memory; grey ones count as three equal channels.

    Args:
        images: uint8 [N, 1 or 3, H, W].
        extractor: its name, for messages.

    Returns:
        uint8 [N, 3, H, W].

    Raises:
        ValueError: another dtype or shape.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"the '{extractor}' extractor takes uint8 images [N, 1 or 3, H, W], "
            f"not {str(images.dtype).removeprefix('torch.')} {list(images.shape)}"
        )
    return images.expand(-1, 3, -1, -1)

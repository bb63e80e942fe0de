"""Random weights in the form of DINOv2's released files, of any size: ViT-L/14 by default."""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor


def shapes_of(width: int = 1024, blocks: int = 24) -> dict[str, tuple[int, ...]]:
    """Shapes by name, as in a released file."""

    def linear(name: str, out: int, *into: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (out, *into), f"{name}.bias": (out,)}

    block = {
        **linear("norm1", width),
        **linear("attn.qkv", 3 * width, width),
        **linear("attn.proj", width, width),
        "ls1.gamma": (width,),
        **linear("norm2", width),
        **linear("mlp.fc1", 4 * width, width),
        **linear("mlp.fc2", width, 4 * width),
        "ls2.gamma": (width,),
    }
    return {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + 37 * 37, width),
        "mask_token": (1, width),
        **linear("patch_embed.proj", width, 3, 14, 14),
        **{f"blocks.{i}.{name}": shape for i in range(blocks) for name, shape in block.items()},
        **linear("norm", width),
    }


def random_dinov2(width: int = 1024, blocks: int = 24, seed: int = 0) -> dict[str, Tensor]:
    """Tensors by name, scaled so that every part of the network matters to its features."""
    draw, tensors = torch.Generator().manual_seed(seed), {}
    for name, shape in shapes_of(width, blocks).items():
        value = torch.randn(shape, generator=draw)
        if len(shape) in (2, 4) and name != "mask_token":
            value *= 1.5 / math.sqrt(math.prod(shape[1:]))
        elif name.endswith("norm.weight") or ".norm" in name:
            value = 0.2 * value + name.endswith("weight")
        elif len(shape) == 1:
            value *= 0.3
        tensors[name] = value
    return tensors


if __name__ == "__main__":
    torch.save(random_dinov2(), sys.argv[1])

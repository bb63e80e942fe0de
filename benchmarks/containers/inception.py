"""Random weights in the form of the released Inception file: 472 tensors, 95.7 MB."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

# Shapes of the 94 convolutions [out, in, height, width] by name.
UNITS = json.loads(Path(__file__).with_name("inception_units.json").read_text(encoding="utf-8"))


def random_inception(seed: int = 0) -> dict[str, Tensor]:
    """Tensors by name, scaled so that the features neither vanish nor explode."""
    draw, tensors = torch.Generator().manual_seed(seed), {}
    for unit, (out, fan, *size) in UNITS.items():
        scale = math.sqrt(2 / (fan * math.prod(size)))
        tensors[f"{unit}.conv.weight"] = scale * torch.randn(out, fan, *size, generator=draw)
        tensors[f"{unit}.bn.weight"] = torch.rand(out, generator=draw) + 0.5
        tensors[f"{unit}.bn.bias"] = 0.1 * torch.randn(out, generator=draw)
        tensors[f"{unit}.bn.running_mean"] = 0.1 * torch.randn(out, generator=draw)
        tensors[f"{unit}.bn.running_var"] = torch.rand(out, generator=draw) + 0.5
    tensors["fc.weight"] = 0.02 * torch.randn(1008, 2048, generator=draw)
    tensors["fc.bias"] = 0.1 * torch.randn(1008, generator=draw)
    return tensors


if __name__ == "__main__":
    torch.save(random_inception(), sys.argv[1])

"""What a device can do at best: a large matrix product in each precision, in the same run."""

from __future__ import annotations

import statistics
import time

import torch

from samplebench.devices import synchronize

_SIZE = {"cuda": 8192, "cpu": 2048}
_RUNS = 5
_PRECISIONS = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def ceiling(dtype: str, device: torch.device) -> float:
    """FLOP/s of a square matrix product, 2 per multiply-add; the median of several.

    Args:
        dtype: "float32", "tf32", "bfloat16" or "float16".
    """
    size = _SIZE.get(device.type, _SIZE["cpu"])
    draw = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(size, size, generator=draw).to(device, _PRECISIONS[dtype]) for _ in range(2)
    )
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    taken = []
    try:
        for _ in range(_RUNS + 1):
            synchronize(device)
            began = time.perf_counter()
            left @ right
            synchronize(device)
            taken.append(time.perf_counter() - began)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * size**3 / statistics.median(taken[1:])

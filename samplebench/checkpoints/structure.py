"""The structure fingerprint of a checkpoint: its tensors' names and shapes, not their values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence


def structure(tensors: Iterable[tuple[str, Sequence[int]]]) -> str:
    """SHA-256 in hex of the sorted lines "name d0xd1x..." of all parameters and buffers.

    Args:
        tensors: (name, shape) pairs, named as in the released file.
    """
    lines = sorted(f"{name} {'x'.join(map(str, shape))}" for name, shape in tensors)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""Data that ship with the package; README.md in this folder says where each file comes from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

_HELD_OUT_PER_CLASS, _SPLIT = 36, 1797


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """The UCI handwritten digits.

    Returns:
        Images uint8 [1797, 1, 8, 8], 0 is background and 255 full ink, and labels int64 [1797]
        in 0..9.
    """
    with (resources.files(__name__) / "digits.npz").open("rb") as file, np.load(file) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def held_out_digits() -> np.ndarray:
    """Which of the digits no embedded network was trained on: int64 [360], increasing.

    36 of every class. The exact models are made of all digits, these among them.
    """
    import torch

    labels = torch.from_numpy(load_digits()[1])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_SPLIT))
    held_out = [order[labels[order] == c][:_HELD_OUT_PER_CLASS] for c in range(10)]
    return torch.cat(held_out).sort().values.numpy()


def packaged(name: str) -> Path:
    """A file that ships inside the package."""
    return Path(str(resources.files(__name__) / name))

"""Data that ship with the package; README.md in this folder says where each file comes from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """The UCI handwritten digits.

    Returns:
        Images uint8 [1797, 1, 8, 8], 0 is background and 255 full ink, and labels int64 [1797]
        in 0..9.
    """
    with (resources.files(__name__) / "digits.npz").open("rb") as file, np.load(file) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def held_out_digits() -> np.ndarray:
    """Indices int64 [360] of the digits that no embedded model was trained on, 36 of every class.

    The exact models are made of all digits, these among them.
    """
    found: np.ndarray = np.load(packaged("digits-held-out.npy"), allow_pickle=False)
    return found.astype(np.int64)


def packaged(name: str) -> Path:
    """A file that ships inside the package."""
    return Path(str(resources.files(__name__) / name))

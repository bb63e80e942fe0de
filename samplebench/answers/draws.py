"""The global random generators: kept as they were, and watched while code of others runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def torch_state(device: torch.device) -> list[Tensor]:
    """Of torch's global generators for the host and this device."""
    import torch

    states = [torch.default_generator.get_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def torch_moved(before: list[Tensor], device: torch.device) -> bool:
    """Whether somebody has drawn from them since."""
    import torch

    return not all(map(torch.equal, before, torch_state(device)))


class Draws:
    """From which global generators was drawn within the block.

    Attributes:
        of: "torch", "numpy", "Python"; filled in at the end of the block.
    """

    def __init__(self) -> None:
        self.of: list[str] = []

    def __str__(self) -> str:
        return " and ".join(f"{name}'s" for name in self.of) + " global generator"


@contextmanager
def watched_generators(seed: int, device: torch.device) -> Iterator[Draws]:
    """Within the block the global generators start from a seed; afterwards they are as before.

    Args:
        seed: what a code of others that draws from them starts from.
        device: whose generator of torch is meant, beside the host's.
    """
    import torch

    devices = [device] if device.type == "cuda" else []
    numpy, python, draws = np.random.get_state(), random.getstate(), Draws()
    with torch.random.fork_rng(devices=devices):
        try:
            torch.default_generator.manual_seed(seed)
            if devices:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            before = (torch_state(device), np.random.get_state(), random.getstate())
            yield draws
            moved = {
                "torch": torch_moved(before[0], device),
                "numpy": not _same(before[1], np.random.get_state()),
                "Python": before[2] != random.getstate(),
            }
            draws.of += [name for name, drawn in moved.items() if drawn]
        finally:
            np.random.set_state(numpy)
            random.setstate(python)


def kept_generators() -> AbstractContextManager[Draws]:
    """The same on the host, for a look at a sampler whose draws do not matter."""
    import torch

    return watched_generators(0, torch.device("cpu"))


def _same(first: Any, second: Any) -> bool:
    """Whether two states of numpy's global generator are equal."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))

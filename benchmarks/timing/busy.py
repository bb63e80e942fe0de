"""How busy a GPU is, as its driver says, while something runs."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_EVERY = 0.05  # seconds


@contextmanager
def utilisation(device: torch.device, found: list[float]) -> Iterator[None]:
    """Within the block the driver is asked now and then; `found` gets the median share.

    Nothing is added where the device is no GPU, or pynvml is not installed.
    """
    seen, done = list[float](), threading.Event()

    def look() -> None:
        while not done.wait(_EVERY):
            try:
                seen.append(torch.cuda.utilization(device) / 100)
            except (ModuleNotFoundError, RuntimeError):
                return

    asking = threading.Thread(target=look, daemon=True)
    if device.type == "cuda":
        asking.start()
    try:
        yield
    finally:
        done.set()
        if asking.is_alive():
            asking.join()
        if seen:
            found.append(statistics.median(seen))

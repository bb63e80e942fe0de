"""Networks that extractors share: loaded once on a device, gone with the last of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

import torch

N = TypeVar("N")


class Shared(Generic[N]):
    """The networks of one kind that are loaded."""

    def __init__(self) -> None:
        self.there: WeakValueDictionary[tuple[str, str], N] = WeakValueDictionary()
        self._one_at_a_time = threading.Lock()

    def on(self, device: torch.device, sha256: str | None, load: Callable[[], N]) -> N:
        """The network on a device, loaded where no extractor has it.

        Args:
            device: to run on.
            sha256: of its weights.
            load: makes it.
        """
        if device.type == "cuda":
            # float32 is to mean float32 here too, where no model has been loaded before.
            torch.backends.cudnn.allow_tf32 = False
        key = str(device), str(sha256)
        with self._one_at_a_time:
            found = self.there.get(key)
            if found is None:
                found = self.there[key] = load()
        return found

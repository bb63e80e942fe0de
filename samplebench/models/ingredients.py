"""What a model in memory is made of, and the hash that tells it from every other."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from samplebench.identity import identify
from samplebench.models.modules import modules_of

_DIGITS = 8  # of the hash, in a name


@dataclass(frozen=True)
class Ingredients:
    """A network, and all that was said of it.

    Attributes:
        network: with its weights, buffers and code.
        config: in words and numbers, as JSON has them.
        code: functions and objects of the user's that are a part of it.
        name: what its results are called; None for its class and the first digits of its hash.
    """

    network: Any
    config: Mapping[str, Any]
    code: tuple[Any, ...] = ()
    name: str | None = None

    def provenance(self) -> dict[str, Any]:
        """{"id", "identity", "config"}: of the network as it is now.

        "identity" is a SHA-256 of weights, buffers, code and configuration, whether the network is
        in training mode or not; "identity_unknown" is there where some of it cannot be told, a line
        that says what.
        """
        with _evaluated(self.network):
            parts = [identify(part) for part in (self.network, *self.code)]
        words = json.dumps(self.config, sort_keys=True)
        text = " ".join([*(part.sha256 for part in parts), words])
        digest = hashlib.sha256(text.encode()).hexdigest()
        name = self.name or f"{called(self.network)}-{digest[:_DIGITS]}"
        found = {"id": name, "identity": digest, "config": dict(self.config)}
        unknown = next((part.unknown for part in parts if part.unknown), "")
        return {**found, "identity_unknown": unknown} if unknown else found


def called(network: Any) -> str:
    """The name of a network's class or function."""
    while isinstance(network, functools.partial):
        network = network.func
    owner = getattr(network, "__self__", None)
    network = network if owner is None else owner
    name = getattr(network, "__qualname__", type(network).__name__)
    return re.sub(r"[^\w-]", "", name.rpartition(".")[2]) or "network"


@contextmanager
def _evaluated(network: Any) -> Iterator[None]:
    """Within the block no module that a network reaches says that it is being trained."""
    parts = [part for module in modules_of(network) for part in module.modules()]
    before = [part.training for part in parts]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part, training in zip(parts, before, strict=True):
            part.training = training

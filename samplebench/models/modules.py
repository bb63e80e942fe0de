"""The torch modules behind a network: where they are and what they compute in."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from samplebench.identity.code import reads

# Helpers of helpers are looked at; what lies deeper is for the trial to find.
_DEEPEST = 3


def device_of(network: Any) -> torch.device:
    """Where a network's tensors are; a function says it by an attribute, or by the modules that it
    reaches, or is on the CPU."""
    told = None if module_of(network) is not None else getattr(network, "device", None)
    if isinstance(told, torch.device | str | int):
        return torch.device(told)
    tensors = (tensor for module in modules_of(network) for tensor in _tensors(module))
    found = next(tensors, None)
    return torch.device("cpu") if found is None else found.device


def dtype_of(network: Any) -> torch.dtype | None:
    """What a network computes in; None for a function, which may take anything.

    Of several the widest: half-precision trunks come with embeddings and norms in float32, and
    narrow their input themselves.
    """
    module = module_of(network)
    if module is None or getattr(module, "takes_any_dtype", False):
        return None
    kinds = [tensor.dtype for tensor in _tensors(module) if tensor.is_floating_point()]
    return functools.reduce(torch.promote_types, kinds) if kinds else None


def module_of(network: Any) -> nn.Module | None:
    """The torch module that a network is, or whose method or partial call it is."""
    while isinstance(network, functools.partial):
        network = network.func
    network = getattr(network, "__self__", network)
    return network if isinstance(network, nn.Module) else None


def modules_of(network: Any) -> list[nn.Module]:
    """The torch modules that a network is or reaches: by its closure and the globals that it
    reads, as attributes, as arguments of a partial."""
    found: dict[int, nn.Module] = {}
    _collect(network, 0, found, set())
    return list(found.values())


def _collect(thing: Any, depth: int, found: dict[int, nn.Module], seen: set[int]) -> None:
    if id(thing) in seen or depth > _DEEPEST:
        return
    seen.add(id(thing))
    if isinstance(thing, nn.Module):
        found[id(thing)] = thing
        return
    for other in _reached(thing, depth):
        _collect(other, depth + 1, found, seen)


def _reached(thing: Any, depth: int) -> Iterator[Any]:
    if isinstance(thing, functools.partial):
        yield from (thing.func, *thing.args, *thing.keywords.values())
    elif isinstance(thing, MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, FunctionType):
        for cell in thing.__closure__ or ():
            with suppress(ValueError):  # it is empty yet
                yield cell.cell_contents
        names = [read.names[0] for read in reads(thing.__code__) if read.kind == "global"]
        yield from (thing.__globals__.get(name) for name in names)
        yield from thing.__defaults__ or ()
    elif depth <= 1:  # the network itself, or what it is a method of
        yield from getattr(thing, "__dict__", {}).values()
        if depth == 0:
            yield type(thing).__call__


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """Its parameters; its buffers where it has none."""
    yield from module.parameters()
    if next(module.parameters(), None) is None:
        yield from module.buffers()

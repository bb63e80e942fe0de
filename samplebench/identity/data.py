"""Values: numbers, texts, containers, arrays and tensors."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from samplebench.identity.walk import Walk


def contents(thing: Any, walk: Walk) -> bool:
    """Describes what a container, an array or a tensor holds; False for other objects.

    Sets have no order; the order of a dictionary is part of it.
    """
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy and isinstance(thing, numpy.ndarray | numpy.generic):
        _array(thing, walk, numpy)
    elif torch and isinstance(thing, torch.Tensor):
        _tensor(thing, walk, torch)
    elif isinstance(thing, dict):
        walk.put("dict", str(dict.__len__(thing)))
        walk.value(getattr(thing, "default_factory", None))
        for key, item in dict.items(thing):
            walk.value(key)
            walk.value(item)
    elif isinstance(thing, set | frozenset):
        walk.put("set", *sorted(walk.apart(item, of=thing) for item in tuple(thing)))
    elif isinstance(thing, list | tuple | deque):
        kind: Any = next(kind for kind in (list, tuple, deque) if isinstance(thing, kind))
        items = list(kind.__iter__(thing))
        walk.put("items", str(len(items)), str(getattr(thing, "maxlen", None)))
        for item in items:
            walk.value(item)
    elif isinstance(thing, bytearray | memoryview):
        walk.put(bytes(thing), getattr(thing, "format", ""), str(getattr(thing, "shape", "")))
    elif isinstance(thing, BaseException):
        walk.value(thing.args)
    else:
        return _number_or_text(thing, walk)
    return True


def _number_or_text(thing: Any, walk: Walk) -> bool:
    kinds: tuple[Any, ...] = (int, float, complex, str, bytes)
    for kind in kinds:
        if isinstance(thing, kind):
            walk.value(kind.__getnewargs__(thing)[0])
            return True
    return False


def _array(array: Any, walk: Walk, numpy: Any) -> None:
    base = numpy.asarray(array)
    walk.put("array", str(base.dtype.descr), str(base.shape))
    if base.dtype.hasobject or base.dtype.kind == "T":  # which hold addresses
        walk.value(base.tolist())
    else:
        walk.put(numpy.ascontiguousarray(base).tobytes())


def _tensor(tensor: Any, walk: Walk, torch: Any) -> None:
    walk.put("tensor", str(tensor.dtype), str(list(tensor.shape)), str(tensor.layout))
    try:
        with torch.no_grad():
            flat = tensor if tensor.layout is torch.strided else tensor.to_dense()
            flat = flat.detach().as_subclass(torch.Tensor).cpu().resolve_conj().resolve_neg()
            flat = flat.contiguous().reshape(-1)
            walk.put(memoryview(flat.view(torch.uint8).numpy()))  # type: ignore[arg-type]
    except Exception as error:  # quantized, on the meta device, of a transformation under way
        walk.obstacle(f"a tensor without values to look at ({type(error).__name__})")

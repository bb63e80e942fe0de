"""Functions: their code, what is bound into them, and what their code reads."""

from __future__ import annotations

import builtins
import sys
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from samplebench.identity.code import Read, code_sha256, reads, words
from samplebench.identity.modules import describe_import, follow, held
from samplebench.identity.origin import named, origin, origin_of_function, origin_of_module
from samplebench.identity.walk import Walk

# Names by which code takes a module that it calls by a text.
_BY_TEXT = {"__import__", "import_module", "modules"}
# What a cached function was when its cache was empty, or first seen.
_CACHED: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def function(thing: FunctionType, walk: Walk) -> None:
    """Code, closure, defaults and attributes; of the user's own also what its code reads."""
    found = origin_of_function(thing)
    home = sys.modules.get(thing.__module__ or "")
    if found and home is not None and named(home, thing.__qualname__) is thing:
        walk.put(found, thing.__module__, thing.__qualname__)
        return
    walk.put(found, code_sha256(thing.__code__))
    if "_torchdynamo_orig_callable" in vars(thing):
        walk.obstacle("a torch.compile result cannot be inspected")
        return
    name = thing.__qualname__
    walk.value(thing.__defaults__, f"a default of {name}")
    walk.values(thing.__kwdefaults__ or {}, f"default {{}} of {name}")
    walk.values(vars(thing), f"attribute {{}} of {name}")
    _closure(thing, walk)
    if found:
        return
    import torch

    walk.put(str(torch.get_default_dtype()))
    walk.value(torch.Tensor)  # whose methods are reached without its name
    for read in reads(thing.__code__):
        if read.kind == "global":
            _global(read, thing.__globals__, walk)
        elif read.kind == "import":
            describe_import(read, thing.__globals__, walk)
    said = set(words(thing.__code__))
    if said & _BY_TEXT:
        if "__name__" in said:
            said.add(str(thing.__globals__.get("__name__")))
        for word in sorted(said & set(sys.modules)):
            walk.value(sys.modules[word])


def _closure(thing: FunctionType, walk: Walk) -> None:
    used: dict[str, list[tuple[str, ...]]] = {}
    for read in reads(thing.__code__):
        if read.kind == "free":
            used.setdefault(read.names[0], []).append(read.names[1:])
    for name, bound in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
        walk.put("free", name)
        where = f"{name!r} in the closure of {thing.__qualname__}"
        for attributes in used.get(name, [()]) if _filled(bound) else ():
            follow(bound.cell_contents, attributes, where, walk)


def _filled(bound: CellType) -> bool:
    try:
        _ = bound.cell_contents
    except ValueError:
        return False
    return True


def _global(read: Read, names: dict[str, Any], walk: Walk) -> None:
    home, name = names.get("__name__", "?"), read.names[0]
    walk.put("global", name)
    if name in names:
        follow(names[name], read.names[1:], f"global {name!r} of {home}", walk)
    elif hasattr(builtins, name):
        follow(getattr(builtins, name), read.names[1:], f"builtin {name!r}", walk)
        if name in ("globals", "eval", "exec"):
            # It may read anything of its module.
            walk.values(held(names), f"global {{}} of {home}")
    else:
        walk.put("missing")


def method(thing: MethodType, walk: Walk) -> None:
    """The function and the object it is bound to."""
    walk.value(thing.__func__)
    walk.value(thing.__self__, f"the object of {thing.__func__.__qualname__}")


def builtin(thing: Any, walk: Walk) -> None:
    """A function or bound method written in C: by name, its object with its state."""
    owner = thing.__self__
    if owner is None or isinstance(owner, ModuleType):
        home = sys.modules.get(thing.__module__ or "")
        found = origin_of_module(home) if home else origin(thing.__module__ or "", None)
        walk.put(found, str(thing.__module__), thing.__qualname__)
        if not found:
            if home is None:
                walk.obstacle(f"builtin function {thing.__qualname__} is of unknown origin")
            else:
                walk.value(home)
        return
    walk.put(thing.__qualname__)
    walk.value(owner)


def partial(thing: Any, walk: Walk) -> None:
    """The function, its bound arguments and attributes."""
    name = getattr(thing.func, "__qualname__", type(thing.func).__qualname__)
    walk.value(thing.func)
    walk.value(tuple(thing.args), f"an argument of a partial of {name}")
    walk.values(thing.keywords, f"argument {{}} of a partial of {name}")
    walk.values({k: v for k, v in vars(thing).items() if k not in ("func", "args", "keywords")})


def cached(thing: Any, walk: Walk) -> None:
    """A function behind a cache, whose entries must not be of other code than the function's."""
    walk.put(repr(sorted(thing.cache_parameters().items())))
    walk.value(thing.__wrapped__)
    if walk.part:
        return
    # By itself, so that it is the same whatever it is reached from.
    inner = walk.apart(thing.__wrapped__, of=thing)
    if not thing.cache_info().currsize:
        _CACHED[thing] = inner
    elif _CACHED.setdefault(thing, inner) != inner:
        name = thing.__wrapped__.__qualname__
        walk.obstacle(f"the cache of {name} holds values of other code; empty it by cache_clear()")


def code(thing: CodeType, walk: Walk) -> None:
    walk.put(code_sha256(thing))


def cell(thing: CellType, walk: Walk) -> None:
    if _filled(thing):
        walk.value(thing.cell_contents)

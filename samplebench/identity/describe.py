"""What a thing is described by, for each kind."""

from __future__ import annotations

import copyreg
import functools
import io
import logging
import os
import pathlib
import random
import re
import sys
import types
import weakref
from collections.abc import Callable
from enum import Enum
from typing import Any

from samplebench.identity import callables, classes
from samplebench.identity.data import contents
from samplebench.identity.modules import describe_module
from samplebench.identity.origin import named, origin_of_class
from samplebench.identity.walk import Walk

# Modules and types whose objects live in C, by what they are.
_IN_C = {
    "numpy.random.": "is a live random generator",
    "torch._C.Generator": "is a live random generator",
    "ctypes.": "is state in C",
    "_ctypes.": "is state in C",
    "_cffi_backend.": "is state in C",
}


def describe(thing: Any, walk: Walk) -> None:
    """Adds a thing to the hash of a walk; what it refers to is queued there."""
    if walk.inside(thing):
        walk.put("the whole")
        return
    for kind in type(thing).__mro__:
        if (known := _KINDS.get(kind)) is not None:
            walk.put(kind.__name__)
            known(thing, walk)
            if not origin_of_class(type(thing)) and kind not in (type, Enum):
                walk.value(type(thing))
                walk.values(classes.state(thing))
            return
    if type(thing).__module__ == "typing":
        walk.put(repr(thing))  # says nothing that is computed with
        return
    _object(thing, walk)


def _object(thing: Any, walk: Walk) -> None:
    """Class and state: what its base holds, attributes and slots."""
    cls = type(thing)
    walk.put("object")
    walk.value(cls)
    names = [f"{each.__module__}.{each.__qualname__}" for each in cls.__mro__]
    for start, reason in _IN_C.items():
        if any(name.startswith(start) for name in names):
            walk.obstacle(f"a {cls.__qualname__} {reason}")
            return
    if hasattr(cls, "__next__") and origin_of_class(cls):
        _under_way(thing, walk)
        return
    walk.values(classes.state(thing), f"attribute {{}} of a {cls.__qualname__}")
    if not contents(thing, walk) and classes.holds_more(cls):
        _reduced(thing, walk)


def _reduced(thing: Any, walk: Walk) -> None:
    """What a type written in C says of itself for a copy."""
    cls = type(thing)
    try:
        rule = copyreg.dispatch_table.get(cls)
        told: Any = rule(thing) if rule else thing.__reduce_ex__(4)
    except Exception:  # of others' types any
        told = ""
    if isinstance(told, str):
        homes = [
            sys.modules.get(str(n)) for n in (getattr(thing, "__module__", ""), cls.__module__)
        ]
        if not any(home and named(home, told) is thing for home in homes):
            walk.obstacle(f"a {cls.__module__}.{cls.__qualname__} has no describable state")
        walk.put("called", told)
        return
    for part in told[:3]:
        walk.value(part)
    for items in told[3:5]:
        walk.value(None if items is None else list(items))


def _random(thing: Any, walk: Walk) -> None:
    walk.obstacle(f"a {type(thing).__qualname__} is a live random generator")


def _file(thing: Any, walk: Walk) -> None:
    walk.obstacle(f"a {type(thing).__qualname__} is an open file")


def _under_way(thing: Any, walk: Walk) -> None:
    walk.obstacle(f"a {type(thing).__qualname__} is under way")


def _member(thing: Enum, walk: Walk) -> None:
    walk.value(type(thing))
    walk.values(classes.state(thing))


def _parts(*names: str) -> Callable[[Any, Walk], None]:
    """Describes a thing by some of its attributes."""

    def parts(thing: Any, walk: Walk) -> None:
        for name in names:
            walk.value(getattr(thing, name))

    return parts


def _nothing(thing: Any, walk: Walk) -> None:
    """Out of reach, or without effect on a number."""


_KINDS: dict[type, Callable[[Any, Walk], None]] = {
    types.FunctionType: callables.function,
    types.MethodType: callables.method,
    types.BuiltinFunctionType: callables.builtin,
    types.MethodWrapperType: callables.builtin,
    types.CodeType: callables.code,
    types.CellType: callables.cell,
    functools.partial: callables.partial,
    functools.partialmethod: callables.partial,
    functools._lru_cache_wrapper: callables.cached,
    types.ModuleType: describe_module,
    type: classes.describe_class,
    **dict.fromkeys(
        (
            types.MethodDescriptorType, types.WrapperDescriptorType,
            types.ClassMethodDescriptorType,
            types.GetSetDescriptorType, types.MemberDescriptorType,
        ),
        classes.descriptor,
    ),
    staticmethod: _parts("__func__", "__dict__"),
    classmethod: _parts("__func__", "__dict__"),
    property: _parts("fget", "fset", "fdel"),
    functools.cached_property: _parts("func"),
    types.MappingProxyType: lambda thing, walk: walk.value(dict(thing)),
    slice: _parts("start", "stop", "step"),
    Enum: _member,
    weakref.ref: lambda thing, walk: walk.value(thing()),
    pathlib.PurePath: lambda thing, walk: walk.put(str(thing)),
    re.Pattern: _parts("pattern", "flags"),
    logging.Logger: _parts("name"),
    types.GenericAlias: lambda thing, walk: walk.put(repr(thing)),
    types.UnionType: lambda thing, walk: walk.put(repr(thing)),
    type(os.environ): _nothing,
    random.Random: _random,
    io.IOBase.__bases__[0]: _file,  # of those written in C too
    types.GeneratorType: _under_way,
    types.CoroutineType: _under_way,
    types.AsyncGeneratorType: _under_way,
}  # fmt: skip

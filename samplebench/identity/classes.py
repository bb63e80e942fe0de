"""Classes and what their instances hold."""

from __future__ import annotations

from functools import cached_property
from types import FunctionType, MemberDescriptorType
from typing import Any

from samplebench.identity.origin import origin_of_class, origin_of_function
from samplebench.identity.walk import Walk

# Of a class: names, texts and what Python makes of the rest.
_IDLE = frozenset(
    "__module__ __qualname__ __doc__ __dict__ __weakref__ __annotations__ __annotate__ "
    "__annotate_func__ __annotations_cache__ __firstlineno__ __static_attributes__ _abc_impl "
    "__orig_bases__ __parameters__".split()
)
_OWN = __name__.partition(".")[0] + "."
_POINTER = object.__basicsize__ // 2
_HEAP, _MANAGED_DICT = 1 << 9, 1 << 4


def describe_class(cls: type, walk: Walk) -> None:
    """Others' by name and version; the user's own by bases, attributes and methods."""
    found = origin_of_class(cls)
    walk.put("class", found)
    if found:
        walk.put(cls.__module__, cls.__qualname__)
        for base in cls.__mro__:
            for name, value in sorted(vars(base).items()):
                if isinstance(value, FunctionType) and not origin_of_function(value):
                    walk.put(name)  # the user's patch
                    walk.value(value)
        return
    walk.value(type(cls))
    for base in cls.__bases__:
        walk.value(base)
    held = {name: value for name, value in vars(cls).items() if name not in _IDLE}
    walk.values(held, f"{{}} of class {cls.__qualname__}")


def descriptor(thing: Any, walk: Walk) -> None:
    """A method or slot of a class, by name."""
    walk.put(thing.__name__)
    walk.value(thing.__objclass__)


def state(thing: Any) -> dict[str, Any]:
    """Attributes and slots of an object.

    Without what samplebench's own classes have worked out of the rest, at whichever call.
    """
    held: dict[str, Any] = {}
    derived: set[str] = set()
    for cls in type(thing).__mro__:
        for name, member in vars(cls).items():
            if isinstance(member, cached_property) and cls.__module__.startswith(_OWN):
                derived.add(name)
            if isinstance(member, MemberDescriptorType) and "__slots__" in vars(cls):
                try:
                    held[f"{cls.__qualname__}.{name}"] = member.__get__(thing, cls)
                except AttributeError:
                    continue
    try:
        attributes: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return held
    return held | {k: v for k, v in attributes.items() if k not in derived}


def holds_more(cls: type) -> bool:
    """Whether instances hold something beside attributes and slots, as types written in C do."""
    size = object.__basicsize__
    size += _POINTER if cls.__dictoffset__ and not cls.__flags__ & _MANAGED_DICT else 0
    size += _POINTER if cls.__weakrefoffset__ > 0 else 0
    for each in cls.__mro__:
        if "__slots__" in vars(each):
            size += _POINTER * sum(isinstance(v, MemberDescriptorType) for v in vars(each).values())
    return cls.__basicsize__ > size or bool(cls.__itemsize__)

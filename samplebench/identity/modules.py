"""Modules: others' by their version, the user's own by what they hold."""

from __future__ import annotations

import functools
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from samplebench.identity.code import Read, code_sha256, reads
from samplebench.identity.origin import (
    origin,
    origin_of_class,
    origin_of_function,
    origin_of_module,
)
from samplebench.identity.walk import Walk, plain

_MISSING = object()


def describe_module(module: ModuleType, walk: Walk) -> None:
    """The user's own whole: the code of its file and its globals as they are now."""
    found = origin_of_module(module)
    walk.put("module", found)
    if found:
        walk.put(module.__name__)
        return
    _file(vars(module).get("__file__"), walk)
    walk.values(held(vars(module)), f"global {{}} of {module.__name__}")


def held(names: dict[str, Any]) -> dict[str, Any]:
    """The globals of a module without those that Python gives it."""
    return {k: v for k, v in names.items() if not (k.startswith("__") and k.endswith("__"))}


def follow(thing: Any, attributes: tuple[str, ...], where: str, walk: Walk) -> None:
    """Adds a thing, of a module only the attribute that is read from it, if it is there."""
    foreign = False
    while isinstance(thing, ModuleType) and attributes:
        foreign = bool(origin_of_module(thing))
        found = _attribute(thing, attributes[0], foreign)
        if found is _MISSING:
            walk.put("missing", attributes[0])
            if foreign:
                return
            break
        where = f"{attributes[0]!r} of module {thing.__name__}"
        walk.put("of", thing.__name__ if foreign else "", attributes[0])
        thing, attributes = found, attributes[1:]
    if foreign and not isinstance(thing, ModuleType):
        _of_others(thing, where, walk)
    else:
        walk.value(thing, where)


def _attribute(module: ModuleType, name: str, foreign: bool) -> Any:
    held = vars(module)
    if name in held:
        return held[name]
    if (part := sys.modules.get(f"{module.__name__}.{name}")) is not None:
        return part
    if not foreign:
        return _MISSING
    try:
        return getattr(module, name)  # some make their attributes when they are asked for
    except Exception:  # and may fail in any way
        return _MISSING


def _of_others(thing: Any, where: str, walk: Walk) -> None:
    """An attribute of others' module: its version says what it is, unless the user replaced it."""
    values = isinstance(thing, list | dict | set | tuple) and not where.endswith(" sys")
    if values or _users(thing) or plain(thing) is not None:
        walk.value(thing, where)
    elif isinstance(thing, FunctionType | BuiltinFunctionType | type):
        walk.put(str(thing.__module__), thing.__qualname__)
    else:
        walk.put(type(thing).__qualname__)


def _users(thing: Any) -> bool:
    """Whether a thing found in others' module is the user's own code."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    if isinstance(thing, MethodType):
        thing = thing.__func__
        return isinstance(thing, FunctionType) and not origin_of_function(thing)
    if isinstance(thing, FunctionType):
        return not origin_of_function(thing)
    cls = thing if isinstance(thing, type) else type(thing)
    return cls.__module__ in sys.modules and not origin_of_class(cls)


def describe_import(read: Read, names: dict[str, Any], walk: Walk) -> None:
    """An import within a function: what it takes, or the file where nothing was imported yet."""
    module = _absolute(read, names)
    loaded = sys.modules.get(module)
    file = None if loaded is not None else _file_of(module)
    found = origin_of_module(loaded) if loaded is not None else origin(module, file)
    walk.put("import", found, module if found else "", *read.names)
    if loaded is None:
        if not found:
            _file(file, walk)
        return
    if not read.names and not found:
        # `import a.b` binds a, and code reads a.b from it.
        walk.value(sys.modules.get(module.partition(".")[0]))
        walk.value(loaded)
    for name in read.names:
        if not found or _users(_attribute(loaded, name, True)):
            follow(loaded, (name,), "", walk)


def _absolute(read: Read, names: dict[str, Any]) -> str:
    """The name of the module that is imported."""
    if not read.level:
        return read.module
    home = str(names.get("__package__") or names.get("__name__", "").rpartition(".")[0])
    base = home.rsplit(".", read.level - 1)[0]
    return f"{base}.{read.module}" if read.module else base


def _file_of(module: str) -> str | None:
    """Where a module is that nobody has imported; None where there is none."""
    path, spec, parts = None, None, module.split(".")
    for i in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: i + 1]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return None if spec is None else spec.origin


@functools.lru_cache(maxsize=64)
def _compiled(path: str, modified: int) -> Any:
    return compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)


def _file(path: str | None, walk: Walk) -> None:
    """The code of a file, whatever its comments and lines; another kind of file as it is."""
    if path is None or not Path(path).is_file():
        return
    try:
        if path.endswith(".py"):
            code = _compiled(path, Path(path).stat().st_mtime_ns)
            walk.put(code_sha256(code), *(read.module for read in reads(code)))
            return
    except (SyntaxError, ValueError):
        pass
    walk.put(Path(path).read_bytes())

"""What code a user's function is: the text that decides whether a cell may be reused."""

from __future__ import annotations

import functools
import hashlib
import inspect
from types import CodeType
from typing import Any


def fingerprint(thing: Any) -> str:
    """SHA-256 of a callable's code and of the values bound into it.

    Covers the source of its module (of a script or notebook only its own), closures, the arguments
    of a functools.partial and the attributes of an instance; modules it imports are not followed.
    """
    return hashlib.sha256(_describe(thing).encode()).hexdigest()


def _describe(thing: Any) -> str:
    if isinstance(thing, functools.partial):
        return (
            f"partial({_describe(thing.func)}, {thing.args!r}, {sorted(thing.keywords.items())!r})"
        )
    if not inspect.isroutine(thing) and not inspect.isclass(thing):
        return f"instance({_describe(type(thing))}, {sorted(vars(thing).items())!r})"
    bound = [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    values = [_describe(v) if inspect.isfunction(v) else repr(v) for v in bound]
    return f"{thing.__qualname__}({_source(thing)}, {values!r})"


def _source(thing: Any) -> str:
    module = inspect.getmodule(thing)
    shared = module is not None and module.__name__ != "__main__"
    for part in (module, thing) if shared else (thing,):
        try:
            return inspect.getsource(part)  # type: ignore[arg-type]
        except (OSError, TypeError):
            continue
    return _code(thing.__code__) if hasattr(thing, "__code__") else repr(thing)


def _code(code: CodeType) -> str:
    """Instructions and constants, where there is no source text; nested functions included."""
    constants = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"

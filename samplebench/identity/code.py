"""Code objects: what they do, without where they stand, and the names they read."""

from __future__ import annotations

import dis
import hashlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_FREE = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
# Of the flags those that say how it runs, not in what it is nested or what its file begins with.
_FLAGS = (
    inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE
    | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR
)  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A name that code reads.

    Attributes:
        kind: "global", "free" (of a closure) or "import".
        names: the name and the attributes that are read from it at once; of an import the names
            that are imported from the module.
        module: of an import, the module's name.
        level: of an import, its leading dots.
    """

    kind: str
    names: tuple[str, ...]
    module: str = ""
    level: int = 0


@lru_cache(maxsize=4096)
def code_sha256(code: CodeType) -> str:
    """Of instructions, constants and names; not of file, line numbers, docstring and own name."""
    used = {each.arg for each in dis.get_instructions(code) if each.opcode in dis.hasconst}
    constants = [_text(c) if i in used else "" for i, c in enumerate(code.co_consts)]
    parts = (
        code.co_code, code.co_exceptiontable, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount,
        code.co_flags & _FLAGS, constants,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _text(constant: Any) -> str:
    if isinstance(constant, CodeType):
        return code_sha256(constant)
    if isinstance(constant, tuple):
        return f"({', '.join(map(_text, constant))})"
    if isinstance(constant, frozenset):
        return f"{{{', '.join(sorted(map(_text, constant)))}}}"
    return f"{type(constant).__name__} {constant!r}"


@lru_cache(maxsize=4096)
def words(code: CodeType) -> frozenset[str]:
    """All names and texts in code, nested functions included."""
    inner = [words(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return frozenset(c for c in code.co_consts if isinstance(c, str)).union(code.co_names, *inner)


@lru_cache(maxsize=4096)
def reads(code: CodeType) -> tuple[Read, ...]:
    """All names that code reads, nested functions included, each once and in a fixed order."""
    found = dict.fromkeys(_reads(code))
    return tuple(sorted(found, key=lambda read: (read.kind, read.names, read.module, read.level)))


def _reads(code: CodeType) -> Iterator[Read]:
    steps = [each for each in dis.get_instructions(code) if each.opname != "EXTENDED_ARG"]
    for i, step in enumerate(steps):
        if step.opname in _GLOBAL | _FREE:
            end = i + 1
            while end < len(steps) and steps[end].opname in _ATTRIBUTE:
                end += 1
            names = tuple(each.argval for each in steps[i:end])
            yield Read("global" if step.opname in _GLOBAL else "free", names)
        elif step.opname == "IMPORT_NAME":
            level, names = steps[i - 2].argval, steps[i - 1].argval
            yield Read("import", tuple(names or ()), step.argval, int(level))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _reads(constant)

"""Names to objects: the one class behind everything pluggable.

A name resolves in this order: what the package's own folder registers, what an installed
distribution offers under the entry-point group `samplebench.<registry>`, and, for names that
contain a colon, what a scheme makes of the rest ("card:file.json"), or the object at
`./file.py:attribute` (`python_files`) or `package.module:attribute`.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import entry_points
from pathlib import PurePath
from typing import Any, Generic, TypeVar, cast

from samplebench.answers.blame import line_of, said
from samplebench.answers.parameters import word
from samplebench.errors import InputError, UsageError, unknown
from samplebench.registry import python_files
from samplebench.registry.entry import Entry

T = TypeVar("T")
E = TypeVar("E", bound=Entry)


def name_of(obj: Any) -> str:
    """What a bare callable is called: "module:qualname".

    A partial has its arguments behind the name of its function, an object without a name of its own
    that of its class; a `__qualname__` that the user gives it comes before these.
    """
    qualname = getattr(obj, "__qualname__", None)
    if isinstance(qualname, str):
        return f"{getattr(obj, '__module__', None) or '__main__'}:{qualname}"
    if isinstance(obj, partial):
        return f"{name_of(obj.func)}({_bound(obj)})"
    return f"{type(obj).__module__}:{type(obj).__qualname__}"


def _bound(obj: partial[Any]) -> str:
    """The arguments of a partial, in short: "2 by=0.5 table=Tensor"."""
    simple = (str, int, float, type(None))
    named = {"": obj.args, **{f"{key}=": (value,) for key, value in sorted(obj.keywords.items())}}
    return " ".join(
        key + (word(value) if isinstance(value, simple) else type(value).__qualname__)
        for key, values in named.items()
        for value in values
    )


def _summary(obj: Any) -> str:
    while isinstance(obj, partial):
        obj = obj.func
    return (getattr(obj, "__doc__", None) or "").strip().split("\n")[0]


@dataclass(frozen=True)
class Scheme(Generic[E]):
    """How names of one prefix are read.

    Attributes:
        form: what users type.
        summary: one line for `samplebench list`.
        read: what follows the colon -> entry, whose name may be another.
    """

    form: str
    summary: str
    read: Callable[[str], E]


class Registry(Generic[E]):
    """Names to objects, filled by a decorator, by entry points and by import paths.

    Args:
        kind: singular noun used in messages, e.g. "sampler".
        homes: modules or packages whose import registers what samplebench ships.
        entry: what is known of each object; its fields are the facts of a registration.
        public: whether an installed distribution may add to it by an entry point.
    """

    def __init__(
        self, kind: str, homes: tuple[str, ...], entry: type[E], *, public: bool = True
    ) -> None:
        self.kind, self.homes, self.made = kind, homes, entry
        self.facts = {f.name for f in fields(entry)} - {f.name for f in fields(Entry)}
        self.group = f"samplebench.{kind}s" if public else ""
        self._entries: dict[str, E] = {}
        self._schemes: dict[str, Scheme[E]] = {}
        self._fallback: Callable[[str], E | None] = _nothing
        self._added: set[str] = set()  # names of bare callables, which no import need find
        self._loaded = False

    def register(self, name: str, *, summary: str = "", **facts: Any) -> Callable[[T], T]:
        """Decorator that files an object under `name`.

        Raises:
            UsageError: the name is taken by another object, or a fact is not one of this registry.
        """
        extra = set(facts) - self.facts
        if extra:
            raise UsageError(f"{self.kind} '{name}': unknown facts {sorted(extra)}")

        def file(obj: T) -> T:
            taken = self._entries.get(name)
            if taken is not None and name_of(taken.obj) != name_of(obj):
                raise UsageError(
                    f"{self.kind} '{name}' is already registered by {taken.obj.__module__}; "
                    "choose another name"
                )
            self._entries[name] = self.unfiled(name, obj, summary, **facts)
            return obj

        return file

    def unfiled(self, name: str, obj: Any, summary: str = "", **facts: Any) -> E:
        """The entry that `register` would file."""
        return self.made(name, obj, summary or _summary(obj), _own(obj), **facts)

    def scheme(self, prefix: str, form: str, summary: str) -> Callable[[T], T]:
        """Decorator that files a function by which "prefix:rest" is read, rest -> entry.

        Args:
            form: what users type, e.g. "card:FILE.json".
            summary: one line for `samplebench list`.
        """

        def file(read: T) -> T:
            self._schemes[prefix] = Scheme(form, summary, cast("Callable[[str], E]", read))
            return read

        return file

    def fallback(self, find: Callable[[str], E | None]) -> Callable[[str], E | None]:
        """Decorator that files who makes an entry of a name without a colon that is not registered,
        or None."""
        self._fallback = find
        return find

    def schemes(self) -> list[Scheme[E]]:
        """How names are written that nobody registers, by their prefix."""
        self._load()
        return [self._schemes[prefix] for prefix in sorted(self._schemes)]

    def entry(self, name: str) -> E:
        """The entry called `name`, what a scheme reads, or that at a file's or a module's name.

        Raises:
            UsageError: no such name; the message holds the nearest one.
        """
        self._load()
        prefix, colon, rest = name.partition(":")
        if prefix in self._schemes and colon:
            if name not in self._entries:
                found = self._schemes[prefix].read(rest)
                # By its own name, too: a cell is run by that.
                self._entries[name] = self._entries[found.name] = found
        elif name in self._added:
            pass
        elif python_files.is_place(name):
            if name not in self._entries:
                found = self._of(python_files.find(name, self.kind), python_files.name_at(name))
                self._entries[name] = self._entries[found.name] = found
        elif colon:
            self._import_path(name)
        found_late = None if name in self._entries or colon else self._fallback(name)
        try:
            return found_late or self._entries[name]
        except KeyError:
            raise self._missing(name) from None

    def _missing(self, name: str) -> UsageError:
        """That there is no such name, and what may have been meant."""
        if name in self._schemes:
            return UsageError(
                f"{self.kind} '{name}' names no file; write {self._schemes[name].form}"
            )
        for prefix, scheme in self._schemes.items():
            suffix = PurePath(scheme.form).suffix
            if suffix and name.endswith(suffix):
                return UsageError(f"{self.kind} '{name}' is not a name; write {prefix}:{name}")
        return unknown(self.kind, name, self.names(), f"samplebench list {self.kind}s")

    def get(self, name: str) -> Any:
        """The object called `name`; see `entry`."""
        return self.entry(name).obj

    def add(self, obj: Any) -> E:
        """Files a bare callable under "module:qualname" and returns its entry.

        Raises:
            UsageError: it cannot be called.
        """
        if not callable(obj):
            article = "an" if self.kind[0] in "aeiou" else "a"
            raise UsageError(
                f"{line_of(repr(obj))} is not {article} {self.kind}; give a name or a function"
            )
        name = name_of(obj)
        for entry in self._entries.values():
            if entry.obj is obj and (entry.name == name or ":" not in entry.name):
                return entry
        self._entries[name] = self.made(name, obj, _summary(obj))
        self._added.add(name)
        return self._entries[name]

    def renew(self, name: str) -> None:
        """Has a name be read or imported anew when it is next looked up.

        Of a scheme, of a file, or of a bare callable that has the name "module:qualname".
        """
        if name.partition(":")[0] in self._schemes:
            self._entries.pop(name, None)
        elif name not in self._added and python_files.is_place(name):
            for each in (name, python_files.name_at(name)):
                self._entries.pop(each, None)
            python_files.forget(name)
        elif ":" in name and name in self._added:
            module = sys.modules.get(name.partition(":")[0])
            if hasattr(module, name.partition(":")[2]):
                self._added.discard(name)

    def differ(self, one: str, other: str) -> bool:
        """Whether two names mean two things, which may be called the same."""
        if python_files.is_place(one) and python_files.is_place(other):
            return not python_files.same(one, other)
        return bool(self.entry(one).obj != self.entry(other).obj)

    def names(self) -> list[str]:
        """All registered names, sorted; import paths used so far are left out."""
        self._load()
        return sorted(name for name in self._entries if ":" not in name)

    def __iter__(self) -> Iterator[E]:
        return (self._entries[name] for name in self.names())

    def __contains__(self, name: str) -> bool:
        self._load()
        return name in self._entries

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        for home in self.homes:
            package = importlib.import_module(home)
            for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
                importlib.import_module(f"{home}.{module.name}")
        for point in entry_points(group=self.group) if self.group else ():
            if point.name not in self._entries:
                try:
                    obj = point.load()
                except (Exception, SystemExit) as error:
                    raise InputError(
                        f"{self.kind} '{point.name}' of an installed plugin cannot be loaded "
                        f"({said(error)}); fix or uninstall {point.value}"
                    ) from error
                # A plugin that used the decorator has said more than its entry point can.
                if point.name not in self._entries:
                    self.register(point.name)(obj)

    def _import_path(self, path: str) -> None:
        module_name, _, attribute = path.partition(":")
        if os.getcwd() not in sys.path:  # a console script's path lacks the folder one works in
            sys.path.append(os.getcwd())
        try:
            module = importlib.import_module(module_name)
            obj = getattr(module, attribute)
        except (Exception, SystemExit) as error:  # a module may fail in any way, or call exit()
            raise UsageError(
                f"{self.kind} '{path}' cannot be imported: {said(error)}; write "
                "package.module:function of a module in this folder or on PYTHONPATH"
            ) from error
        if not callable(obj):
            raise UsageError(f"{self.kind} '{path}' is not callable")
        self._entries[path] = self._of(obj, path)

    def _of(self, obj: Any, name: str) -> E:
        """The entry of an object found by its place: that of its registration, if it has one."""
        for entry in self._entries.values():
            if entry.obj is obj and (entry.name == name or ":" not in entry.name):
                return entry
        return self.made(name, obj, _summary(obj))


def _nothing(name: str) -> None:
    return None


def _own(obj: Any) -> bool:
    """Whether samplebench itself wrote it; a wrapper in the name of what it wraps is the user's."""
    homes = [getattr(obj, "__module__", None)]
    if hasattr(obj, "__wrapped__"):
        homes.append(getattr(obj, "__globals__", {}).get("__name__"))
    return all(str(home).startswith("samplebench.") for home in homes)

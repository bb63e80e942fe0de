"""Objects in files of the user's own: "./file.py:function".

A file is run as a module of its own, whose name no package can have. Its folder is importable
while it runs and after, behind all others.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from samplebench.answers.blame import line_of, said
from samplebench.errors import WHERE, UsageError, unknown
from samplebench.files import texts
from samplebench.files.atomic import expanded
from samplebench.identity.origin import origin_of_module

_SUFFIX = ".py"
# Files that were run, and those that are running.
_MODULES: dict[Path, ModuleType] = {}
_UNDER_WAY: set[Path] = set()
# What they imported from beside them, by file.
_NEIGHBOURS: dict[Path, dict[str, ModuleType]] = {}
_FOLDERS: list[str] = []


def is_place(name: str) -> bool:
    """Whether a name says a file, as "./file.py:function" or "file.py" do."""
    path, colon, _ = name.rpartition(":")
    if not colon:
        return name.endswith(_SUFFIX)
    return path.endswith(_SUFFIX) or "/" in path or os.sep in path


def name_at(name: str) -> str:
    """What a thing at a place is called wherever its file is: "file.py:function"."""
    path, attribute = _parts(name)
    return f"{path.name}:{attribute}"


def same(one: str, other: str) -> bool:
    """Whether two places are one."""
    return _resolved(one) == _resolved(other)


def find(name: str, kind: str) -> Any:
    """The object at a place, its file run where it was not.

    Args:
        name: the place.
        kind: of the object, for messages.

    Raises:
        UsageError: there is no such file or function, or the file cannot be run.
    """
    path, attribute = _parts(name)
    who = f"{kind} '{line_of(name)}'"
    real = _checked(path, who)
    module = _MODULES.get(real) or _run(real, who)
    held = [key for key, value in vars(module).items() if _offered(key, value, module)]
    if not attribute:
        listed = ", ".join(held) or "which it has none"
        raise UsageError(f"{who} names no function; write {path}:NAME, of {listed}")
    if attribute not in vars(module):
        raise unknown(f"function of {path}", attribute, held)
    if not callable(vars(module)[attribute]):
        raise UsageError(f"{who} is not callable; {path.name} has {', '.join(held) or 'nothing'}")
    return vars(module)[attribute]


def forget(name: str) -> None:
    """Has the file of a place be run anew, with what it imports from beside it."""
    real, _ = _resolved(name)
    _MODULES.pop(real, None)
    for helper, module in _NEIGHBOURS.pop(real, {}).items():
        if sys.modules.get(helper) is module:
            del sys.modules[helper]


def _parts(name: str) -> tuple[Path, str]:
    if "\0" in name:
        raise UsageError(f"{line_of(name)} is not a path")
    path, colon, attribute = name.rpartition(":")
    return expanded(path if colon else name), attribute if colon else ""


def _resolved(name: str) -> tuple[Path, str]:
    path, attribute = _parts(name)
    return Path(os.path.realpath(path)), attribute


def _offered(name: str, value: Any, module: ModuleType) -> bool:
    """Whether a global is a function that the file itself has."""
    own = getattr(value, "__module__", module.__name__) == module.__name__
    return callable(value) and (own or isinstance(value, partial)) and not name.startswith("_")


def _checked(path: Path, who: str) -> Path:
    """Where a file really is."""
    if os.path.isdir(path):
        raise UsageError(f"{who}: {path} is a folder; name a file of it")
    if not os.path.exists(path):
        if not os.path.isdir(path.parent):
            raise UsageError(f"{who}: there is no folder {path.parent}")
        beside = [str(each) for each in path.parent.glob(f"*{_SUFFIX}")]
        if not beside:
            raise UsageError(f"{who}: there is no file {path}, and no other {_SUFFIX} beside it")
        raise unknown("file", str(path), beside)
    if path.suffix != _SUFFIX:
        raise UsageError(f"{who}: {path} is not a {_SUFFIX} file")
    return Path(os.path.realpath(path))


def _run(path: Path, who: str) -> ModuleType:
    """Runs a file as a module and keeps it."""
    if path in _UNDER_WAY:
        raise UsageError(
            f"{who} is used by its own file while that is being read; put that code under if "
            "__name__ == '__main__':"
        )
    # As no package's name, it hides none, and says nothing of the folder.
    module = ModuleType(f"./{path.name}")
    module.__file__, module.__package__ = str(path), ""
    code = _compiled(path, who)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    _UNDER_WAY.add(path)
    try:
        with _beside(path):
            exec(code, vars(module))
        _MODULES[path] = module
    except (Exception, SystemExit) as error:  # it may fail in any way, or call exit()
        raise UsageError(
            f"{who}: {path.name} fails when it is run{_line(error, path)} ({said(error)}){WHERE}"
        ) from error
    finally:
        _UNDER_WAY.discard(path)
        if path not in _MODULES:
            sys.modules.pop(module.__name__, None)
            if before is not None:
                sys.modules[module.__name__] = before
    return module


def _compiled(path: Path, who: str) -> CodeType:
    try:
        text = texts.decoded(texts.read_bytes(path, texts.MOST_TEXT))
        return compile(text, str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise UsageError(f"{who}: {path} cannot be read ({error.strerror})") from None
    except SyntaxError as error:
        raise UsageError(
            f"{who}: {path.name} is not Python, line {error.lineno}: {line_of(str(error.msg))}"
        ) from None
    except ValueError as error:
        raise UsageError(f"{who}: {path.name} is {line_of(str(error))}") from None
    except (RecursionError, MemoryError):
        raise UsageError(f"{who}: {path.name} is not Python: nested too deeply") from None


def _line(error: BaseException, path: Path) -> str:
    """Of the file, at which it failed."""
    found = [each for each in traceback.extract_tb(error.__traceback__)]
    lines = [each.lineno for each in found if each.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Its folder importable, in place of those of other files; what it imports there is noted."""
    folder = str(path.parent)
    others = [each for each in _FOLDERS if each != folder]
    for each in others:
        while each in sys.path:
            sys.path.remove(each)
    _make_way(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)
        _FOLDERS.append(folder)
    known, writes = {*sys.modules}, sys.dont_write_bytecode
    # A compiled helper is told by its second and its size, which an edit may leave as they were.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        sys.path += [each for each in others if each not in sys.path]
        _NEIGHBOURS[path] = {
            name: module
            for name, module in [*sys.modules.items()]
            if name not in known and _within(module, folder)
        }


def _make_way(folder: Path) -> None:
    """Drops the helpers of other files that have the names of helpers in a folder."""
    for real, helpers in _NEIGHBOURS.items():
        for name, module in helpers.items():
            top = name.partition(".")[0]
            here = (folder / f"{top}{_SUFFIX}").exists() or (folder / top).is_dir()
            if real.parent != folder and here and sys.modules.get(name) is module:
                del sys.modules[name]


def _within(module: Any, folder: str) -> bool:
    """Whether a module is the user's own and Python code in a folder."""
    file = getattr(module, "__file__", None)
    if not (isinstance(module, ModuleType) and isinstance(file, str) and file.endswith(_SUFFIX)):
        return False
    return os.path.realpath(file).startswith(f"{folder}{os.sep}") and not origin_of_module(module)

"""Whose code a module is: Python's, an installed package's, samplebench's, or the user's own."""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from functools import cache
from importlib import metadata
from types import FunctionType, ModuleType
from typing import Any

_PYTHON = f"python {platform.python_version()}"
_SITES = ("site-packages", "dist-packages")


@cache
def origin(name: str, file: str | None) -> str:
    """What stands for the code of a module: "python 3.11.7", "numpy 2.3.0", "samplebench".

    The user's own, which has to be looked at itself, is "": all that is neither Python's nor an
    installed distribution, editable installs and installs of a folder included.
    """
    top = name.partition(".")[0]
    if top == "samplebench":
        return top  # NUMERICS covers it
    if file is None or file.startswith("<frozen "):
        return _PYTHON if top in sys.stdlib_module_names else ""
    if file.startswith("<"):
        return ""  # of exec or a console
    parts = os.path.realpath(file).split(os.sep)
    for site in _SITES:
        if site in parts[:-1]:
            return _installed(parts[parts.index(site) + 1].partition(".")[0])
    return _PYTHON if any(_within(parts, folder) for folder in _library()) else ""


def origin_of_module(module: ModuleType) -> str:
    """The same of a module that is imported."""
    content = vars(module)
    file = content.get("__file__") or next(iter(content.get("__path__", ())), None)
    return origin(str(content.get("__name__", "")), file)


def origin_of_function(function: FunctionType) -> str:
    """The same of the module a function was written in, whatever its `__module__` says."""
    home = sys.modules.get(function.__globals__.get("__name__", ""))
    if home is not None and vars(home) is function.__globals__:
        return origin_of_module(home)
    return origin("", function.__code__.co_filename)


def origin_of_class(cls: type) -> str:
    """The same of a class; one made at run time in another's name is the user's own."""
    home = sys.modules.get(cls.__module__)
    if home is None or not (found := origin_of_module(home)):
        return ""
    made_in_c = not cls.__flags__ & 1 << 9 or cls.__flags__ & 1 << 8  # static or immutable
    local = "<locals>" in cls.__qualname__
    return found if made_in_c or local or named(home, cls.__qualname__) is cls else ""


def named(module: ModuleType, qualname: str) -> Any:
    """The object at a dotted name of a module, None where there is none."""
    found: Any = module
    for part in qualname.split("."):
        try:
            found = vars(found).get(part)
        except TypeError:
            return None
    return found


def _within(parts: list[str], folder: str) -> bool:
    inside = folder.split(os.sep)
    return parts[: len(inside)] == inside


@cache
def _library() -> set[str]:
    return {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}


@cache
def _installed(top: str) -> str:
    """Name and version of the distributions that a folder of site-packages belongs to."""
    try:
        found = [metadata.distribution(top)]
    except metadata.PackageNotFoundError:
        names = sorted(set(metadata.packages_distributions().get(top, ())))
        found = [metadata.distribution(name) for name in names]
    if any(_of_a_folder(each) for each in found):
        return ""
    return ", ".join(f"{each.metadata['Name']} {each.version}" for each in found)


def _of_a_folder(distribution: metadata.Distribution) -> bool:
    """Installed from a folder of this machine: its version says little."""
    text = distribution.read_text("direct_url.json")
    return text is not None and "dir_info" in json.loads(text)

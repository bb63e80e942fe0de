"""diffusers itself: whether it is installed, and what it names."""

from __future__ import annotations

import importlib
from typing import Any

from samplebench.extras import extra

PREFIX = "diffusers"


def called(scheduler: type[Any]) -> str:
    """What a request and the results call a class."""
    return f"{PREFIX}:{scheduler.__name__}"


def names() -> list[str]:
    """The schedulers that the installed diffusers names."""
    return sorted(name for name in dir(home()) if name.endswith("Scheduler"))


def version() -> str:
    """diffusers' own."""
    return str(_package().__version__)


def home() -> Any:
    """Its module of schedulers.

    Raises:
        EnvironmentError_: diffusers is not installed.
    """
    return importlib.import_module(f"{_package().__name__}.schedulers")


def _package() -> Any:
    return extra("diffusers", "diffusers' schedulers")

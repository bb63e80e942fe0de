"""diffusers itself: whether it is installed, what it names, and quiet while it is called."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from samplebench.answers.blame import said
from samplebench.errors import EnvironmentError_

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


@contextmanager
def unlogged() -> Iterator[None]:
    """Within the block diffusers does not log what whoever writes a loop should know."""
    logger = logging.getLogger("diffusers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def hushed() -> Iterator[None]:
    """The same, and without warnings: for a block that calls diffusers alone."""
    # Recorded, too, as some are let through any filter.
    with unlogged(), warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        yield


def _package() -> Any:
    try:
        with hushed():
            return importlib.import_module("diffusers")
    except ImportError as error:  # it is not there, or lacks what it needs itself
        raise EnvironmentError_(
            f"diffusers' schedulers need diffusers ({said(error)}): "
            'pip install "samplebench[diffusers]"'
        ) from error


def home() -> Any:
    """Its module of schedulers.

    Raises:
        EnvironmentError_: diffusers is not installed.
    """
    return importlib.import_module(f"{_package().__name__}.schedulers")

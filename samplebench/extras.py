"""Packages that only some requests need: imported when asked for, and quiet while called."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from samplebench.errors import EnvironmentError_, in_one_line


def extra(name: str, who: str, group: str = "diffusers") -> Any:
    """A package of one of the extras.

    Args:
        name: of the module.
        who: needs it, for the message, e.g. "diffusers' schedulers".
        group: the extra.

    Raises:
        EnvironmentError_: it is not installed, or lacks what it needs itself.
    """
    try:
        with hushed():
            return importlib.import_module(name)
    except ImportError as error:
        why = in_one_line(f"{type(error).__name__}: {error}")
        raise EnvironmentError_(
            f'{who} need {name} ({why}): pip install "samplebench[{group}]"'
        ) from error


@contextmanager
def absent_where_broken(name: str) -> Iterator[None]:
    """Within the block a package that cannot be imported counts as not installed.

    One that others look for without needing it: built for another torch it fails as it is imported.
    """
    if name in sys.modules or importlib.util.find_spec(name) is None:
        yield
        return
    try:
        with hushed():
            importlib.import_module(name)
    except Exception:
        # What is None here is not found, and not looked for.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if sys.modules.get(name, name) is None:
            del sys.modules[name]


@contextmanager
def unlogged() -> Iterator[None]:
    """Within the block they do not log what whoever writes a loop or a client should know."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "huggingface_hub")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def hushed() -> Iterator[None]:
    """The same, and without warnings: for a block that calls such a package alone."""
    # Recorded, too, as some are let through any filter.
    with unlogged(), warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        yield

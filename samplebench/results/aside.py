"""What accidents and killed runs leave in a results folder: set aside, or swept up."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samplebench.results.damage import Damaged

_SUFFIX = ".corrupt"
# A file that `atomic` was writing.
_HALF = re.compile(r"\..+\.[0-9]+\.tmp")
_log = logging.getLogger(__name__)


def set_aside(path: Path, check: Callable[[Path], Any], then: str) -> None:
    """Renames a damaged file, so that nothing is lost and nothing stumbles over it.

    Args:
        path: of the file.
        check: raises `Damaged` where it is.
        then: what comes of it, for the message.
    """
    try:
        check(path)
    except Damaged as damaged:
        names = (f"{path.name}{_SUFFIX}{f'.{n}' if n else ''}" for n in itertools.count())
        aside = next(a for a in map(path.with_name, names) if not os.path.lexists(a))
        os.replace(path, aside)
        _log.warning("%s is damaged (%s); kept as %s, %s", path, damaged.reason, aside.name, then)


def is_aside(path: Path) -> bool:
    """Whether a file was set aside."""
    return _SUFFIX in path.name


def halves(out: Path) -> list[Path]:
    """Half-written files of a results folder."""
    found = (*out.glob(".*.tmp"), *out.glob("*/.*.tmp"))
    return [path for path in found if _HALF.fullmatch(path.name) and path.is_file()]

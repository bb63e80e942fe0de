"""The folder that downloads live in: <root>/<name>/<file name>, so that people find them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samplebench.download.artefact import Artefact
from samplebench.errors import EnvironmentError_

_RESERVE = 10**9


def root() -> Path:
    """SAMPLEBENCH_CACHE, else XDG_CACHE_HOME/samplebench, else ~/.cache/samplebench.

    Raises:
        EnvironmentError_: the user whose home it would be has none.
    """
    try:
        if own := os.environ.get("SAMPLEBENCH_CACHE"):
            return Path(own).expanduser().absolute()
        # A relative XDG path is to be ignored (XDG Base Directory Specification).
        shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (shared if shared.is_absolute() else Path.home() / ".cache") / "samplebench"
    except (RuntimeError, OSError) as error:
        raise EnvironmentError_(
            f"no folder for downloads ({error}); set SAMPLEBENCH_CACHE to a full path"
        ) from None


def path_of(artefact: Artefact) -> Path:
    """Where its verified file is, or will be; a file put there by hand is used too."""
    return root() / artefact.name / artefact.file_name


def free(path: Path) -> int:
    """Free bytes on the disk that will hold `path`."""
    folder = next(p for p in (path, *path.parents) if p.is_dir())
    return shutil.disk_usage(folder).free


def need(path: Path, size: int) -> None:
    """Before a download: is there room for `size` more bytes?

    Raises:
        EnvironmentError_: there is not.
    """
    if size > (there := free(path)):
        raise EnvironmentError_(
            f"{path.name} needs {megabytes(size)} more on the disk of {path.parent}, "
            f"{megabytes(there)} are free; make room or set SAMPLEBENCH_CACHE to another folder"
        )


def keep(path: Path, size: int) -> None:
    """Under a download whose end nobody announced: it may not fill the disk.

    Args:
        path: that is written.
        size: bytes so far, for the message.

    Raises:
        EnvironmentError_: less than a reserve is free: 5 % of the disk, 1 GB at most.
    """
    disk = shutil.disk_usage(path.parent)
    if disk.free < min(_RESERVE, disk.total // 20):
        raise EnvironmentError_(
            f"{path.name} came without a length, and after {megabytes(size)} only "
            f"{megabytes(disk.free)} are free on the disk of {path.parent}; stopped: free space, "
            "or set SAMPLEBENCH_CACHE to another folder"
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around looks into the cache: a missing permission or too long a path is told in one line.

    Raises:
        EnvironmentError_: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise EnvironmentError_(
            f"{path} cannot be read ({error.strerror or error}); fix its permissions, or set "
            "SAMPLEBENCH_CACHE to another folder"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around writes into the cache: a full disk or a missing permission is told in one line.

    Raises:
        EnvironmentError_: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise EnvironmentError_(
            f"{error.filename or path} cannot be written ({error.strerror or error}); make room, "
            "or set SAMPLEBENCH_CACHE to another folder"
        ) from error


def megabytes(size: int) -> str:
    """A size for people, e.g. "223.2 MB"."""
    return f"{size / 1e6:,.1f} MB"

"""Locks between processes, also on file systems that have none."""

from __future__ import annotations

import errno
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.files.places import file_at

if TYPE_CHECKING:
    from filelock import BaseFileLock

# What network and fused file systems answer instead.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
_log = logging.getLogger(__name__)
_told: set[Path] = set()
# Ends the name of a file that stands for a lock.
SOFT = ".soft"


def soft(path: Path) -> Path:
    """The file that stands for the lock at `path` where there are no locks."""
    return path.with_name(f"{path.name}{SOFT}")


def held(path: Path) -> bool:
    """Whether another process, or another lock of this one, holds the lock at `path`.

    Whoever wants it at the same time may find it held.
    """
    from filelock import Timeout

    try:
        acquire(path, timeout=0).release()
    except Timeout:
        return True
    return False


def acquire(path: Path, *, timeout: float = -1) -> BaseFileLock:
    """The lock at `path`, held; `release()` it.

    Where the file system has no locks a file takes their place: it outlives a run that is killed on
    another machine, and somebody must then delete it.

    Args:
        path: of a file that is made.
        timeout: seconds to wait for it; -1 waits for ever.

    Raises:
        filelock.Timeout: another process holds it.
        InputError: something else than a file is there.
        OSError: the file cannot be made.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    file_at(path)
    lock: BaseFileLock = FileLock(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a fallback like this one
            lock.acquire(timeout=timeout)
        return lock
    except Timeout:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
    if path not in _told:
        _told.add(path)
        _log.warning(
            "%s: its file system does not support locks; using the lock file %s",
            path,
            soft(path).name,
        )
    file_at(soft(path))
    lock = SoftFileLock(soft(path))
    lock.acquire(timeout=timeout)
    return lock

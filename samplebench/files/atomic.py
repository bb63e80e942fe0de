"""Writing files so that a reader never sees half of one; reading only what is a file."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from samplebench.errors import InputError
from samplebench.files.held import standing
from samplebench.files.places import FILE, KINDS, OTHER, file_at

# What file systems that cannot wait for the disk answer.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def regular(path: Path) -> Path:
    """`path`, where a regular file is, through links; every file of others is opened after this.

    Raises:
        InputError: a folder, pipe, socket or device is there.
        OSError: nothing is there, or it cannot be looked at.
    """
    kind = KINDS.get(stat.S_IFMT(path.stat().st_mode), OTHER)
    if kind != FILE:
        raise InputError(f"{path} is {kind}, not a file")
    return path


def expanded(text: str) -> Path:
    """The path that a user wrote, with `~` as the shell expands it."""
    return Path(os.path.expanduser(text))


@contextmanager
def atomic(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which takes its place if the block succeeds.

    It is on the disk before it does, so that no crash of the machine leaves half of it.

    Args:
        path: of the file.
        sync: off for files that would not be missed: nothing waits for the disk.

    Raises:
        InputError: something else than a file is at `path`.
        EnvironmentError_: its folder is held, and gone.
    """
    with standing(path):
        file_at(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            yield temporary
            if sync:
                synced(temporary)
            os.replace(temporary, path)
            if sync:
                with suppress(PermissionError):  # Windows opens no folder
                    _sync(path.parent, os.O_RDONLY)
        finally:
            temporary.unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Waits until a file is on the disk."""
    _sync(path, os.O_RDWR)


def _sync(path: Path, flags: int) -> None:
    number = os.open(path, flags)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(number)


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> Path:
    """Writes `data` to `path`, which is returned; `sync` as of `atomic`."""
    with atomic(path, sync=sync) as temporary:
        temporary.write_bytes(data)
    return path


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

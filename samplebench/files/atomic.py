"""Writing files so that a reader never sees half of one; reading only what is a file."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from samplebench.errors import InputError
from samplebench.files.held import standing
from samplebench.files.places import FILE, KINDS, OTHER, file_at

# Bytes of a name that a temporary one keeps; file systems take 255.
_KEPT = 200
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
        OSError: of `path`, not of the temporary one: it cannot be written.
        EnvironmentError_: its folder is held, and gone.
    """
    temporary = _beside(path)
    with standing(path), named(path, temporary):
        file_at(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made here and by nobody else: in a shared folder a link may wait under any name.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
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


def _beside(path: Path) -> Path:
    """A name that no other process takes, be it of the same number on another machine."""
    name = os.fsencode(path.name)[:_KEPT].decode("utf-8", "ignore")
    return path.with_name(f".{name}.{secrets.randbelow(10**12)}.tmp")


@contextmanager
def named(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Around writing: of an OSError without a name, or with that of a temporary file, `path` is it.

    A write that finds the disk full does not say of which file.
    """
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None or str(error.filename) == str(temporary)
        if unnamed and error.errno is not None:  # without a number it is all text
            error.filename, error.filename2 = str(path), None
        raise


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

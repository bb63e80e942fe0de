"""Writing files so that a reader never sees half of one; reading only what is a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samplebench.errors import InputError

# What opening would wait for, or read without end.
_OTHER = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular(path: Path) -> Path:
    """`path`, where a regular file is, through links; every file of others is opened after this.

    Raises:
        InputError: a folder, pipe, socket or device is there.
        OSError: nothing is there, or it cannot be looked at.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        raise InputError(f"{path} is {_OTHER.get(kind, 'something else')}, not a file")
    return path


def expanded(text: str) -> Path:
    """The path that a user wrote, with `~` as the shell expands it."""
    return Path(os.path.expanduser(text))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which takes its place if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> Path:
    """Writes `data` to `path`, which is returned."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)
    return path


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

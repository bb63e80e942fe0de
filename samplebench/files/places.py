"""What is at a path: a file, a folder, nothing, or what opening would wait for."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from samplebench.errors import EnvironmentError_, InputError

FILE, FOLDER, NOTHING = "a file", "a folder", ""
KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
OTHER = "something else"
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def what(path: Path) -> str:
    """What is at `path`, through links, in words; "" for nothing.

    Raises:
        EnvironmentError_: it cannot be looked at.
    """
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode), OTHER)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return "a link to nothing" if path.is_symlink() else NOTHING
        raise unreadable(path, error) from None


def file_at(path: Path) -> bool:
    """Whether a file is at `path`, through links.

    Raises:
        InputError: something else is.
        EnvironmentError_: it cannot be looked at.
    """
    found = what(path)
    if found not in (FILE, NOTHING):
        raise InputError(f"{path} is {found}, not a file; move it away")
    return found == FILE


def folder_at(path: Path) -> bool:
    """Whether a folder is at `path`, through links; raises as `file_at` does."""
    found = what(path)
    if found not in (FOLDER, NOTHING):
        raise InputError(f"{path} is {found} where a folder is needed; move it away")
    return found == FOLDER


def check_readable(path: Path) -> None:
    """Looks at a file before a library does, whose complaint would be of its content.

    Raises:
        InputError: something else is there.
        EnvironmentError_: it cannot be read.
    """
    file_at(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> EnvironmentError_:
    """That a file cannot be read, which says nothing of what is in it."""
    reason = error.strerror or error
    return EnvironmentError_(f"{path} cannot be read ({reason}); make it readable and try again")

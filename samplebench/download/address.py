"""Where a file is asked for: its own address, or the mirror's."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urlsplit, urlunsplit

from samplebench.download.artefact import Artefact, on_web
from samplebench.download.cache import path_of
from samplebench.download.words import harmless
from samplebench.errors import InputError, UsageError

_DRIVE = re.compile(r"/(?:file/d|drive/folders)/([\w-]+)(?:/.*)?")


def address(artefact: Artefact) -> str | None:
    """The address a plain HTTP client asks; None where only Google Drive has the file.

    SAMPLEBENCH_MIRROR=http://host/base takes the place of scheme and host:
    https://nvlabs-fi-cdn.nvidia.com/edm/pretrained/x.pkl becomes
    http://host/base/edm/pretrained/x.pkl. A file of Google Drive has no path of its own: it is
    http://host/base/<name>/<file name>.

    Raises:
        UsageError: the variable is no base address.
        InputError: an address of Google Drive that is neither a file's nor a folder's.
    """
    on_drive = drive_id(artefact) is not None
    base = os.environ.get("SAMPLEBENCH_MIRROR", "").rstrip("/")
    if not base:
        return None if on_drive else artefact.url
    if not on_web(base) or urlsplit(base).query or urlsplit(base).fragment:
        raise UsageError(
            f"SAMPLEBENCH_MIRROR={harmless(base)} is not a base address; write http://host/base"
        )
    if on_drive:
        return f"{base}/{quote(artefact.key)}"
    own = urlsplit(artefact.url)
    return base + urlunsplit(("", "", own.path, own.query, ""))


def drive_id(artefact: Artefact) -> str | None:
    """The id of its file or folder on Google Drive; None for every other address.

    Raises:
        InputError: an address of Google Drive that is neither a file's nor a folder's.
    """
    parts = urlsplit(artefact.url)
    if parts.hostname != "drive.google.com":
        return None
    if found := _DRIVE.fullmatch(parts.path):
        return found[1]
    raise InputError(
        f"{artefact.name}: {shown(artefact.url)} is not an address of Google Drive that "
        "samplebench knows; give https://drive.google.com/file/d/ID/view or https://drive.google.com/drive/folders/ID"
    )


def is_folder(artefact: Artefact) -> bool:
    """Whether its Google Drive address is a folder's."""
    return urlsplit(artefact.url).path.startswith("/drive/folders/")


def shown(url: str) -> str:
    """An address for messages and records: one line, without the password a mirror's may hold."""
    return harmless(url, 1 << 16)


def by_hand(artefact: Artefact) -> str:
    """The manual step, as the end of a message."""
    return (
        f"download {artefact.file_name} from {shown(artefact.url)} in a browser and put it at "
        f"{path_of(artefact)}, or give its path with {artefact.option}"
    )

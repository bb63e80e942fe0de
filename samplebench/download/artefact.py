"""A released file: where it is published and what is known of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from samplebench.download.words import harmless
from samplebench.errors import InputError

# A name that is one plain file name on every system, neither hidden nor one of the cache's own.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+= -]{0,150}(?<![. ])")
_OWN = (".part", ".part.json", ".lock", ".drive", ".wrong")


def safe(name: str) -> bool:
    """Whether a name may be that of a folder or a file."""
    return bool(_SAFE.fullmatch(name)) and not name.lower().endswith(_OWN)


def on_web(url: str) -> bool:
    """Whether it is an address of the web that a client can ask."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    # An unclosed bracket, a port beyond 65535.
    except ValueError:
        return False


@dataclass(frozen=True)
class Artefact:
    """One file to fetch.

    Attributes:
        name: its folder in the cache, e.g. the catalogue's id.
        url: as printed at its source, http(s); a Google Drive file or folder among them.
        file_name: in the cache; of a Google Drive folder, which of its files.
        size: in bytes, where published.
        sha256: in hex, where published.
        option: what names a file downloaded by hand, for messages.
        container: how the file must begin, see `kinds`; "": any way but as a web page or a pointer.
        most: bytes that the file cannot exceed, where no size is published but that is known.

    Raises:
        InputError: a value that could lead elsewhere than into the cache or to the web.
    """

    name: str
    url: str
    file_name: str
    size: int | None = None
    sha256: str | None = None
    option: str = "--file PATH"
    container: str = ""
    most: int | None = None

    def __post_init__(self) -> None:
        for what, value in (("name", self.name), ("file name", self.file_name)):
            if not safe(value):
                raise InputError(
                    f"{value!r} is not a safe {what} for a file of the cache; use letters, digits "
                    "and . _ - + = only"
                )
        if not on_web(self.url):
            raise InputError(
                f"{self.name}: {harmless(self.url)!r} is not an address; it starts with https://"
            )
        if self.size is not None and self.size <= 0:
            raise InputError(f"{self.name}: a size of {self.size} bytes; give the file's size")
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise InputError(
                f"{self.name}: sha256 {self.sha256!r} is not 64 hexadecimal digits in lower case"
            )

    @property
    def key(self) -> str:
        """What tells it from all others: "name/file_name"."""
        return f"{self.name}/{self.file_name}"

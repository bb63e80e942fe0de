"""What each file was when it was first verified: trust on first use.

`trust.lock` in the cache's root is TOML with one line per file. Where no hash is published, a
file that differs from its line is refused; whoever means to accept it deletes the line. The line
also remembers size and modification time, so that an unchanged file is not hashed at each start.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import tomlkit

from samplebench.download import cache
from samplebench.download.words import harmless
from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import locks, texts
from samplebench.files.atomic import write_atomic

_log = logging.getLogger(__name__)
# In place of an address, of a file that was not downloaded here.
BY_HAND = "by hand"
_HEAD = "One line per file: what it was when it was first verified. Delete a line to accept another"


@dataclass(frozen=True)
class TrustRecord:
    """One line of the file.

    Attributes:
        url: where the bytes came from, or "by hand".
        size: in bytes.
        sha256: in hex.
        date: of the first verification, YYYY-MM-DD.
        mtime_ns: modification time of the cached file when it was hashed; 0 if it never was.
    """

    url: str
    size: int
    sha256: str
    date: str
    mtime_ns: int

    def remembers(self, stat: os.stat_result) -> bool:
        """Whether the cached file is as it was when it was hashed."""
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.mtime_ns)


# Of caches that cannot be written.
_unwritten: dict[tuple[Path, str], TrustRecord] = {}


def file() -> Path:
    """Where the lines are."""
    return cache.root() / "trust.lock"


def record(key: str) -> TrustRecord | None:
    """The line of an artefact's key.

    Raises:
        InputError: the file is damaged.
        EnvironmentError_: it cannot be read.
    """
    try:
        table = texts.toml(_content()).get(key)
    except FileNotFoundError:
        table = None
    except OSError as error:
        raise EnvironmentError_(
            f"{file()} cannot be read ({error.strerror or error}); repair or delete it"
        ) from None
    except ValueError as error:
        raise InputError(f"{file()} is damaged ({harmless(error)}); repair or delete it") from None
    if table is None:
        return _unwritten.get((file(), key))
    types = {"url": str, "size": int, "sha256": str, "date": str, "mtime_ns": int}
    if not isinstance(table, dict) or {k: type(v) for k, v in table.items()} != types:
        wanted = ", ".join(field.name for field in fields(TrustRecord))
        raise InputError(f"{file()}: the line of {key} does not hold {wanted}; delete the line")
    if not re.fullmatch("[0-9a-f]{64}", table["sha256"]):
        raise InputError(f"{file()}: the line of {key} holds no SHA-256; delete the line")
    return TrustRecord(**table)


def keep(key: str, entry: TrustRecord) -> None:
    """Remembers a line until the process ends, where the cache cannot be written."""
    if (file(), key) not in _unwritten:
        _log.warning(
            "%s: no hash is published and %s cannot be written: used without verification, "
            "sha256 %s",
            key, file(), entry.sha256,
        )  # fmt: skip
    _unwritten[file(), key] = entry


def write(key: str, entry: TrustRecord) -> None:
    """Adds a line or replaces it; the other lines and comments stay.

    Raises:
        InputError: the file is damaged.
        EnvironmentError_: the cache cannot be written.
    """
    with _editing() as document:
        line = tomlkit.inline_table()
        line.update(asdict(entry))
        document[key] = line


def forget(key: str) -> None:
    """Removes a line, where there is one.

    Raises:
        EnvironmentError_: the cache cannot be written.
    """
    if _unwritten.pop((file(), key), None) is None and record(key) is not None:
        with _editing() as document:
            document.remove(key)


@contextmanager
def _editing() -> Iterator[tomlkit.TOMLDocument]:
    """The file's content, to be changed and written back; no other process does so meanwhile."""
    path = file()
    with cache.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = locks.acquire(path.with_name(".trust.guard"))
        try:
            document = _document()
            yield document
            write_atomic(path, tomlkit.dumps(document).encode())
        finally:
            lock.release()


def _content() -> bytes:
    return texts.read_bytes(file(), texts.MOST_TOML)


def _document() -> tomlkit.TOMLDocument:
    """Raises `InputError` where the file is damaged."""
    try:
        return tomlkit.parse(texts.decoded(_content()))
    except FileNotFoundError:
        document = tomlkit.document()
        document.add(tomlkit.comment(_HEAD))
        return document
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file()} is damaged ({harmless(error)}); repair or delete it") from None

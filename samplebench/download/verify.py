"""Is a file the one that was asked for? Page, size, hash; the structure is its adapter's matter."""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from pathlib import Path

from samplebench.download import trust
from samplebench.download.artefact import Artefact
from samplebench.download.cache import path_of
from samplebench.download.kinds import HEAD, wrong_head, wrong_tail
from samplebench.errors import EnvironmentError_, InputError
from samplebench.files.atomic import sha256


def verify(artefact: Artefact, path: Path) -> str:
    """Verifies a file that is here, in the cache or anywhere else.

    Where no hash is published, the first file verified is trusted and later ones must equal it.
    Where that cannot be recorded, the file is taken as it is, and a warning says so.
    The cached file is hashed once, and again whenever its size or modification time changes.

    Returns:
        Its SHA-256 in hex.

    Raises:
        InputError: it is not the file; the message says what is wrong.
        EnvironmentError_: it cannot be read.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path} is not a file; give the path of {artefact.file_name}")
        known, stat = _recorded(artefact), path.stat()
        cached, found = path == path_of(artefact), fault(artefact, path)
        if (
            cached
            # An older version may have trusted what is none.
            and not found
            and known is not None
            and known.remembers(stat)
            and artefact.sha256 in (None, known.sha256)
            and artefact.size in (None, known.size)
        ):
            return known.sha256
        digest = "" if found else sha256(path)
    except OSError as error:
        raise EnvironmentError_(
            f"{path} cannot be read ({error.strerror or error}); fix its permissions"
        ) from None
    if found := found or distrust(artefact, digest):
        then = "move it away, then fetch it again" if cached else "download it again"
        raise InputError(f"{path} {found}; {then}")
    try:
        remember(artefact, stat, digest, trust.BY_HAND, cached=cached)
    except EnvironmentError_:
        # Somebody filled a cache that is read only here.
        trust.keep(artefact.key, _entry(stat, digest, trust.BY_HAND, cached))
    return digest


def _recorded(artefact: Artefact) -> trust.TrustRecord | None:
    """What is remembered of a file; damaged notes are in nobody's way where a hash is published."""
    try:
        return trust.record(artefact.key)
    except InputError:
        if artefact.sha256 is None:
            raise
        return None


def _entry(stat: os.stat_result, digest: str, url: str, cached: bool) -> trust.TrustRecord:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return trust.TrustRecord(url, stat.st_size, digest, today, stat.st_mtime_ns if cached else 0)


def fault(artefact: Artefact, path: Path) -> str | None:
    """What is wrong with a whole file before it is hashed, as the rest of a sentence."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return (
        wrong_head(head, artefact.container)
        or wrong_size(artefact, path.stat().st_size)
        or wrong_tail(path, artefact.container)
    )


def wrong_size(artefact: Artefact, size: int) -> str | None:
    """What is wrong with a file of `size` bytes."""
    if size == 0:
        return "is empty"
    if artefact.size is None or size == artefact.size:
        return None
    kind = "it is truncated" if size < artefact.size else "it is another file"
    return f"has {size:,} bytes where {artefact.size:,} are published: {kind}"


def distrust(artefact: Artefact, digest: str) -> str | None:
    """What is wrong with a file of this SHA-256."""
    if artefact.sha256 is not None:
        if digest == artefact.sha256:
            return None
        return f"has sha256 {digest} where {artefact.sha256} is published: it is another file"
    known = trust.record(artefact.key)
    if known is None or known.sha256 == digest:
        return None
    return (
        f"has sha256 {digest}, but on its first use ({known.date}, {known.url}) it had "
        f"{known.sha256} (to accept the new one delete the line of {artefact.key} in "
        f"{trust.file()})"
    )


def remember(
    artefact: Artefact, stat: os.stat_result, digest: str, url: str, *, cached: bool
) -> None:
    """Records a verified file, the first time and when the cached file's time stamp moved.

    Raises:
        EnvironmentError_: a first use that cannot be recorded.
    """
    known = _recorded(artefact)
    entry = _entry(stat, digest, url, cached)
    if known is not None and known.sha256 == digest:
        if not cached or known.remembers(stat):
            return
        entry = replace(entry, url=known.url, date=known.date)
    try:
        trust.write(artefact.key, entry)
    except (EnvironmentError_, InputError):
        # In a cache that others fill or damage, what is known already need not be written.
        if artefact.sha256 is None and (known is None or known.sha256 != digest):
            raise

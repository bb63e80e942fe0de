"""Verified downloads: a released file in the cache, or one line that says why not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from samplebench.download import cache, drive, trust
from samplebench.download.address import address, by_hand, shown
from samplebench.download.artefact import Artefact
from samplebench.download.cache import path_of
from samplebench.download.partial import PartialFile
from samplebench.download.verify import distrust, fault, remember, verify
from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import locks
from samplebench.files.atomic import sha256
from samplebench.ticker import say

__all__ = ["Artefact", "FetchPlan", "fetch", "known_sha256", "path_of", "plan", "reject", "verify"]


@dataclass(frozen=True)
class FetchPlan:
    """What `fetch` has in front of it.

    Attributes:
        path: of the file in the cache.
        present: it is there; `fetch` only verifies it.
        size: of the whole file in bytes; None where nobody says.
        free: bytes on the cache's disk.
        url: that would be asked; None where only a browser helps.
    """

    path: Path
    present: bool
    size: int | None
    free: int
    url: str | None


def plan(artefact: Artefact, *, ask: bool = False) -> FetchPlan:
    """What is there, and what would be fetched.

    Args:
        artefact: the file.
        ask: ask the server for a size that is not known; a server that does not answer is none.
    """
    path, url = path_of(artefact), address(artefact)
    size = artefact.size
    with cache.reading(path):
        if present := path.is_file():
            size = path.stat().st_size
        free = cache.free(path)
    if not present and size is None and ask and url is not None and not no_connection():
        from samplebench.download.transfer import size_at

        size = size_at(url)
    if url is None and drive.available():
        url = artefact.url
    return FetchPlan(path, present, size, free, url and shown(url))


def fetch(
    artefact: Artefact,
    *,
    offline: bool = False,
    progress: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """The verified file in the cache, downloaded where it is not there.

    Args:
        artefact: the file.
        offline: open no connection (so does SAMPLEBENCH_OFFLINE=1).
        progress: a bar and notes on stderr.
        sleep: waits between attempts.

    Raises:
        InputError: the file is not what is published, or not what it was on its first use.
        EnvironmentError_: no network, no space, not there and offline.
    """
    path = path_of(artefact)
    with cache.reading(path):
        there = path.exists()
    if not there:
        if offline or no_connection():
            raise EnvironmentError_(
                f"{artefact.key} is not in the cache, and --offline opens no connection; fetch "
                f"it on a machine with internet access, or {by_hand(artefact)}"
            )
        with _locked(path, progress):
            # Another process may have brought it meanwhile.
            if not path.exists():
                _download(artefact, path, progress, sleep)
    verify(artefact, path)
    return path


def known_sha256(artefact: Artefact) -> str | None:
    """The SHA-256 that the file has or will have; None before a first use tells."""
    if artefact.sha256 is not None:
        return artefact.sha256
    known = trust.record(artefact.key)
    return known.sha256 if known is not None else None


def reject(artefact: Artefact, path: Path, error: InputError) -> InputError:
    """What to say of a file that was verified, but holds something else.

    Where only its first use vouched for it, it is no longer trusted. One that was downloaded is
    set aside, so that the next fetch starts anew; one that the user put there is left alone.

    Args:
        artefact: what it should be.
        path: where it is, in the cache or elsewhere.
        error: what is wrong with it.
    """
    if artefact.sha256 is not None:
        return error
    known = None
    with suppress(EnvironmentError_, InputError):  # the file's own fault is what must be told
        known = trust.record(artefact.key)
        trust.forget(artefact.key)
    if path != path_of(artefact):
        return error
    aside = path.with_name(f"{path.name}.wrong")
    if known is not None and known.url != trust.BY_HAND:
        try:
            os.replace(path, aside)
        # In a cache that others fill.
        except OSError:
            return InputError(f"{error} (move {path} away, then fetch again)")
        return InputError(f"{error} (it was set aside as {aside}; fetch again)")
    return InputError(f"{error} (move {path} away, then fetch again)")


def _download(
    artefact: Artefact, path: Path, progress: bool, sleep: Callable[[float], None]
) -> None:
    url = address(artefact)
    if url is None:
        cache.need(path, artefact.size or 0)
        raw = drive.download(artefact, path, progress=progress)
        _accept(artefact, raw, shown(artefact.url), lambda: sha256(raw), progress)
        with cache.writing(path):
            os.replace(raw, path)
        return
    from samplebench.download.transfer import transfer

    partial = PartialFile(path, shown(url), checked=artefact.sha256 is not None)
    cache.need(path, (artefact.size or 0) - partial.size)
    transfer(artefact, url, partial, progress=progress, sleep=sleep)
    try:
        _accept(artefact, partial.path, shown(url), lambda: partial.sha256, progress)
    except InputError:
        partial.discard()
        raise
    partial.move(path)


def _accept(
    artefact: Artefact, raw: Path, url: str, hashed: Callable[[], str], progress: bool
) -> None:
    """Verifies a finished download and records its first use; a wrong one is removed."""
    wrong = fault(artefact, raw) or distrust(artefact, digest := hashed())
    if wrong:
        with cache.writing(raw):
            raw.unlink()
        raise InputError(f"what {url} sent {wrong}; {by_hand(artefact)}")
    first = artefact.sha256 is None and trust.record(artefact.key) is None
    remember(artefact, raw.stat(), digest, url, cached=True)
    if first and progress:
        print(
            f"{artefact.key}: no hash is published; trusted on first use as sha256 {digest}",
            file=sys.stderr,
        )


@contextmanager
def _locked(path: Path, progress: bool) -> Iterator[None]:
    """Holds the file against other processes that want it."""
    with cache.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        guard = path.with_name(f".{path.name}.lock")
        try:
            lock = locks.acquire(guard, timeout=0)
        except Timeout:
            if progress:
                say(f"{path.name}: waiting for another process")
            lock = locks.acquire(guard)
    try:
        yield
    finally:
        lock.release()


def no_connection() -> bool:
    """Whether SAMPLEBENCH_OFFLINE forbids connections."""
    return os.environ.get("SAMPLEBENCH_OFFLINE", "") not in ("", "0")

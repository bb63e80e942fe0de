"""A download under way: `<file>.part`, and beside it what its server said of the whole file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from samplebench.download import cache
from samplebench.download.words import sendable
from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import texts
from samplebench.files.atomic import write_atomic

_BLOCK = 1 << 20
# Bytes of the notes beside a download, at most.
_NOTE = 1 << 16


@dataclass(frozen=True)
class Whole:
    """What a server says of the whole file.

    Attributes:
        url: that was asked.
        etag: a strong one, else "".
        modified: Last-Modified, else "".
        size: in bytes, where it says so.
    """

    url: str
    etag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def validator(self) -> str:
        """For If-Range; "" where nothing tells one version of the file from another."""
        return self.etag or self.modified

    def continues(self, earlier: Whole, *, checked: bool) -> bool:
        """Whether the bytes of both belong to one file.

        Args:
            earlier: what came with the bytes so far.
            checked: a hash will tell, so that silence is taken for consent.
        """
        pairs = (
            (self.etag, earlier.etag), (self.modified, earlier.modified), (self.size, earlier.size),
        )  # fmt: skip
        if any(mine != theirs for mine, theirs in pairs if mine and theirs):
            return False
        return checked or (bool(earlier.validator) and self.validator == earlier.validator)


class PartialFile:
    """The bytes so far and their running SHA-256.

    Args:
        target: the final path.
        url: that will be asked; bytes that came from another are not continued.
        checked: a hash is published, so that bytes without a validator may be continued too.

    Raises:
        EnvironmentError_: a folder is in the way.
    """

    def __init__(self, target: Path, url: str, *, checked: bool) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._facts = target.with_name(f"{target.name}.part.json")
        self._hash = hashlib.sha256()
        self.size = 0
        self._make_way()
        earlier = self._read_facts()
        self.whole = earlier if earlier.url == url else Whole(url)
        self.checked = checked
        if earlier.url == url:
            self._count()

    @property
    def resumable(self) -> bool:
        """Whether what the server sends now is sure to continue what is here."""
        return self.size > 0 and (bool(self.whole.validator) or self.checked)

    @property
    def complete(self) -> bool:
        """Whether all bytes that were announced are here."""
        return self.whole.size is not None and 0 < self.size == self.whole.size

    @property
    def sha256(self) -> str:
        """Of the bytes so far, in hex."""
        return self._hash.hexdigest()

    def restart(self, whole: Whole) -> None:
        """Drops the bytes; those to come belong to `whole`.

        Raises:
            EnvironmentError_: the cache cannot be written.
        """
        # In this order, so that no moment leaves old bytes with new facts.
        self.discard()
        self.learn(whole)

    def learn(self, whole: Whole) -> None:
        """Keeps what a server says of the file that the bytes belong to.

        Raises:
            EnvironmentError_: the cache cannot be written.
        """
        with cache.writing(self._facts):
            write_atomic(self._facts, json.dumps(asdict(whole)).encode())
        self.whole = whole

    def append(self, chunks: Iterable[bytes]) -> Iterator[int]:
        """Writes the chunks, and yields the size after each.

        Raises:
            EnvironmentError_: no space.
        """
        with cache.writing(self.path):
            # Unbuffered: what is counted and hashed is what a killed process leaves.
            file = open(self.path, "ab", buffering=0, opener=_plain)
        with file:
            for chunk in chunks:
                with cache.writing(self.path):
                    if file.write(chunk) < len(chunk):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._hash.update(chunk)
                self.size += len(chunk)
                yield self.size

    def move(self, target: Path) -> None:
        """Gives the bytes their final name; they are on the disk by then.

        Raises:
            EnvironmentError_: the cache cannot be written.
        """
        with cache.writing(target):
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(self.path, target)
            self._facts.unlink(missing_ok=True)

    def discard(self) -> None:
        """Removes the bytes and what is known of them.

        Raises:
            EnvironmentError_: the cache cannot be written.
        """
        with cache.writing(self.path):
            self._facts.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        self._hash, self.size = hashlib.sha256(), 0
        self.whole = Whole(self.whole.url)

    def _make_way(self) -> None:
        """Removes what is no plain file: a link would be written through, a pipe waited for."""
        for path in (self.path, self._facts):
            if path.is_dir() and not path.is_symlink():
                raise EnvironmentError_(
                    f"{path} is a folder, but the download needs this path; move it away"
                )
            if path.is_symlink() or (path.exists() and not path.is_file()):
                with cache.writing(path):
                    path.unlink()

    def _read_facts(self) -> Whole:
        """What is beside the bytes; whatever is not as it was written here counts as nothing."""
        try:
            facts = texts.json_value(texts.read_bytes(self._facts, _NOTE))
        except (OSError, ValueError, InputError):
            return Whole("")
        words = ("url", "etag", "modified")
        if not isinstance(facts, dict) or {*facts} != {*words, "size"}:
            return Whole("")
        if not all(isinstance(facts[k], str) for k in words):
            return Whole("")
        # One of them goes into If-Range.
        if not (sendable(facts["etag"]) and sendable(facts["modified"])):
            return Whole("")
        size = facts["size"]
        known = type(size) is int and 0 < size < 10**18
        return Whole(**facts) if known or size is None else Whole("")

    def _count(self) -> None:
        """Hashes what an earlier attempt left."""
        try:
            with self.path.open("rb") as file:
                while block := file.read(_BLOCK):
                    self._hash.update(block)
                    self.size += len(block)
        except FileNotFoundError:
            return
        except OSError as error:
            raise EnvironmentError_(
                f"{self.path} cannot be read ({error.strerror or error}); delete it"
            ) from None
        if self.whole.size is not None and self.size > self.whole.size:
            self.discard()


def _plain(path: str, flags: int) -> int:
    """Opens what is no link: one that was put there meanwhile would be written through."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)

"""A file system that fails at a chosen moment: every way by which a file is written is counted."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Disk:
    """What is written below some folders, in order; from a chosen operation on it fails.

    Args:
        roots: of what counts.
        at: the operation that fails first, from 0; None for none.
        number: the error, of `errno`.
        lasting: whether all later ones fail, too, as on a full disk.
        kinds: of operations that count: "open", "write", "sync", "replace", "mkdir"; all without.

    Attributes:
        done: (kind, path) of each operation.
        failed: of the first one that failed, None before.
    """

    def __init__(
        self,
        *roots: Path,
        at: int | None = None,
        number: int = errno.ENOSPC,
        lasting: bool = True,
        kinds: frozenset[str] | None = None,
    ) -> None:
        self._roots = [os.path.realpath(root) for root in roots]
        self._at, self._number, self._lasting, self._kinds = at, number, lasting, kinds
        self.done: list[tuple[str, str]] = []
        self.failed: tuple[str, str] | None = None

    def counts(self, path: object) -> bool:
        try:
            full = os.path.realpath(os.fsdecode(path))
        except (TypeError, ValueError):
            return False
        return any(full == root or full.startswith(root + os.sep) for root in self._roots)

    def touch(self, kind: str, path: Any) -> None:
        """Counts an operation; raises OSError where it is to fail."""
        if not self.counts(path) or (self._kinds and kind not in self._kinds):
            return
        place = len(self.done)
        self.done.append((kind, os.fsdecode(path)))
        if self._at is not None and (place >= self._at if self._lasting else place == self._at):
            self.failed = self.failed or self.done[-1]
            if kind in ("write", "sync"):  # which know no name
                raise OSError(self._number, os.strerror(self._number))
            raise OSError(self._number, os.strerror(self._number), os.fsdecode(path))

    @contextlib.contextmanager
    def watched(self) -> Iterator[Disk]:
        """Within the block all files are opened on this disk."""
        real = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "mkdir")}
        opened = io.open

        def fsync(number):
            self.touch("sync", os.readlink(f"/proc/self/fd/{number}"))
            return real["fsync"](number)

        def moved(name):
            def move(source, target, **how):
                self.touch("replace", target)
                return real[name](source, target, **how)

            return move

        def mkdir(path, *words, **how):
            if not os.path.isdir(path):
                self.touch("mkdir", path)
            return real["mkdir"](path, *words, **how)

        def opening(file, mode="r", buffering=-1, *words, **how):
            named = isinstance(file, str | bytes | os.PathLike)
            if not named or not set(mode) & set("wax+") or not self.counts(file):
                return opened(file, mode, buffering, *words, **how)
            self.touch("open", file)
            return _file(self, file, mode, buffering, *words, **how)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            patched.setattr(os, "replace", moved("replace"))
            patched.setattr(os, "rename", moved("rename"))
            patched.setattr(os, "mkdir", mkdir)
            patched.setattr(io, "open", opening)
            patched.setattr(builtins, "open", opening)
            yield self


class _Raw(io.FileIO):
    """A file whose writes count."""

    def __init__(self, disk: Disk, path: Any, mode: str) -> None:
        super().__init__(path, mode)
        self._disk, self._path = disk, path

    def write(self, data: Any, /) -> int:
        if len(data):
            self._disk.touch("write", self._path)
        return super().write(data) or 0


def _file(disk, path, mode, buffering, encoding=None, errors=None, newline=None, **rest):
    raw = _Raw(disk, path, mode.replace("b", "").replace("t", ""))
    if buffering == 0:
        return raw
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    if "b" in mode:
        return buffered
    return io.TextIOWrapper(buffered, encoding, errors, newline)

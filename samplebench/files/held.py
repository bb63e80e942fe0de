"""Folders that must stay what and where they are while they are written to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from samplebench.errors import EnvironmentError_

_held: list[_Held] = []


class _Held:
    """One folder; open, as the number of one that is removed may be given to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._text = str(folder).rstrip(os.sep)
        self._here = os.stat(folder)
        try:
            self._open = os.open(folder, os.O_RDONLY)
        except OSError:  # Windows opens no folder
            self._open = -1

    def holds(self, text: str) -> bool:
        """Whether a path, as text, is the folder or below it."""
        return text.startswith(self._text) and text[len(self._text) :][:1] in ("", os.sep)

    def check(self) -> None:
        try:
            same = os.path.samestat(self._here, os.stat(self.folder))
        except (FileNotFoundError, NotADirectoryError):
            same = False
        if not same:
            raise EnvironmentError_(
                f"{self.folder} was removed, renamed or replaced during the run, so its results "
                "are incomplete; restore it, and the same command computes what is missing"
            )

    def close(self) -> None:
        if self._open >= 0:
            os.close(self._open)


@contextmanager
def held(folders: Iterable[Path]) -> Iterator[None]:
    """Within the block nothing is written below these folders where they are not the same ones."""
    with ExitStack() as ended:
        for folder in folders:
            one = _Held(folder)
            ended.callback(one.close)
            _held.append(one)
            ended.callback(_held.remove, one)
        yield


def check(path: Path) -> None:
    """Raises `EnvironmentError_` where a held folder, `path` or above it, is gone."""
    text = str(path)
    for one in _held:
        if one.holds(text):
            one.check()


@contextmanager
def standing(path: Path) -> Iterator[None]:
    """Around reading or writing at `path`; what fails because a held folder is gone says so.

    Raises:
        EnvironmentError_: a held folder above it is gone.
    """
    check(path)
    try:
        yield
    except OSError:
        check(path)
        raise

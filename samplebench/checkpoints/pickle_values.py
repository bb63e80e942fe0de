"""What a pickle machine handles besides plain data, and how it says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

from samplebench.files.shown import NamedRecord, kind


class Refused(Exception):
    """Why a file is refused, without its name; `advice` is what the message ends with."""

    advice = "refused"


class DamagedFile(Refused):
    """The file is not what was written; another copy may be."""

    advice = "download it again"


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A byte string that was not read: `length` bytes of `file` from `start`.

    Attributes:
        text: the bytes are the UTF-8 of a str.
    """

    file: BufferedIOBase
    start: int
    length: int
    text: bool = False

    def read(self, count: int, start: int = 0) -> bytes:
        """Up to `count` bytes from `start` on; the file's position stays where it was."""
        position = self.file.tell()
        self.file.seek(self.start + start)
        data = self.file.read(max(0, min(count, self.length - start)))
        self.file.seek(position)
        return data


@dataclass(frozen=True, slots=True, eq=False)
class Global(NamedRecord):
    """What a (module, name) pair stands for.

    Attributes:
        name: for messages.
        reduce: called with the arguments of REDUCE, one tuple; None: may not be called.
        new: called by NEWOBJ, which may not bring arguments; None: no class.
    """

    name: str
    reduce: Callable[[tuple[Any, ...]], Any] | None = None
    new: Callable[[], Any] | None = None


class Buildable:
    """A record that BUILD may complete."""

    __slots__ = ()

    def build(self, state: Any) -> None:
        """Takes over `state`.

        Raises:
            Refused: the state is not what the genuine object would have written.
        """
        raise NotImplementedError


def expect(name: str, arguments: tuple[Any, ...], *types: type) -> tuple[Any, ...]:
    """`arguments`, if they are of exactly these types."""
    if len(arguments) != len(types):
        raise Refused(f"{name} is called with {len(arguments)} arguments, not {len(types)}")
    for value, wanted in zip(arguments, types, strict=True):
        if type(value) is not wanted:
            raise Refused(f"{name} is called with {kind(value)} for a {wanted.__name__}")
    return arguments

"""What a pickle machine handles besides plain data, and how it says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

SCALARS = (str, int, float, bool, type(None))


class Refused(Exception):
    """Why a file is refused, without its name; `advice` is what the message ends with."""

    advice = "refused"


class Damaged(Refused):
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
class Global:
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


def shown(value: object) -> str:
    """A value out of a file, fit for a message: printable ASCII on one line, not too long."""
    # Of a container only the kind: written out it could be endless.
    line = ascii(str(value))[1:-1] if type(value) in SCALARS else kind(value)
    return line if len(line) <= 80 else f"{line[:77]}..."


def kind(value: object) -> str:
    """What sort of thing a value out of a file is, for a message."""
    if value is None:
        return "None"
    if type(value) is Global:
        return value.name
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def expect(name: str, arguments: tuple[Any, ...], *types: type) -> tuple[Any, ...]:
    """`arguments`, if they are of exactly these types."""
    if len(arguments) != len(types):
        raise Refused(f"{name} is called with {len(arguments)} arguments, not {len(types)}")
    for value, wanted in zip(arguments, types, strict=True):
        if type(value) is not wanted:
            raise Refused(f"{name} is called with {kind(value)} for a {wanted.__name__}")
    return arguments

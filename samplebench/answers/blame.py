"""Whose fault a failure is: code that samplebench did not write is named, in one line."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

from samplebench.answers.memory import out_of_memory
from samplebench.errors import (
    WHERE,
    EnvironmentError_,
    SamplebenchError,
    UsageError,
    in_one_line,
)

_LONGEST = 200


class Failed(Exception):
    """A cell can have no value, because something is not finite; the message says what, a line."""


def ours(thing: Any) -> bool:
    """Whether samplebench itself defines a function, a class or an object's class."""
    home = getattr(thing, "__module__", None) or type(thing).__module__
    return isinstance(home, str) and home.split(".")[0] == "samplebench"


def line_of(text: str) -> str:
    """The first line that says something, printable and not endless."""
    first = next(filter(None, map(in_one_line, text.splitlines())), "")
    return first if len(first) <= _LONGEST else f"{first[: _LONGEST - 3]}..."


def said(error: BaseException) -> str:
    """An exception in one line: its type, and its message where it has one."""
    try:
        line = line_of(str(error))
    except BaseException:  # an exception of others may not even be able to speak
        line = ""
    kind = line_of(type(error).__name__)
    return f"{kind}: {line}" if line else kind


class Blame:
    """Turns any failure within the block into one line that names `who`.

    Also what would end the process: a network that calls exit() has failed. Memory that ran out is
    told as the machine's. samplebench's own errors pass, and so does a KeyboardInterrupt wherever
    Ctrl-C may have raised it.
    """

    def __init__(self, who: str) -> None:
        self.who = who

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, SamplebenchError | Failed):
            return
        if isinstance(error, KeyboardInterrupt) and _interruptible():
            return
        if out_of_memory(error):
            raise EnvironmentError_(
                f"out of memory in {self.who} ({said(error)}); use a smaller --batch-size or free "
                "memory"
            ) from error
        raise UsageError(f"{self.who} failed ({said(error)}){WHERE}") from error


def blame(who: str, thing: Any) -> AbstractContextManager[None]:
    """`Blame` for what others wrote; a failure of samplebench's own code stays what it is."""
    return nullcontext() if ours(thing) else Blame(who)


def _interruptible() -> bool:
    """Whether Ctrl-C raises KeyboardInterrupt now; a run that listens for signals notes it only."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler

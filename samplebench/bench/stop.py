"""Ctrl-C and SIGTERM: finish the block under way, keep it, stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal after it had kept its state.

    Attributes:
        exit_code: 128 + the signal's number, as shells report it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Stop:
    """Whether a signal has asked the run to stop.

    Args:
        once: whether a second signal acts at once; else whoever started the process kills it, and
            sends the same one more than once.
    """

    def __init__(self, once: bool = True) -> None:
        self.signal: int | None = None
        self._once = once

    @property
    def requested(self) -> bool:
        return self.signal is not None

    def check(self) -> None:
        """Raises `Interrupted` if a signal has come."""
        if self.signal is not None:
            raise Interrupted(self.signal)

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Catches SIGINT and SIGTERM within the block."""

        def note(number: int, frame: FrameType | None) -> None:
            self.signal = number
            if self._once:
                signal.signal(number, before[signal.Signals(number)])

        before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number in before:
                signal.signal(number, note)
        except ValueError:  # not the main thread: its owner handles signals
            yield self
            return
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

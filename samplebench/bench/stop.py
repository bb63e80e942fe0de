"""Ctrl-C, SIGTERM and a closed terminal: finish the block under way, keep it, stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Windows has no SIGHUP.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(KeyboardInterrupt):
    """A signal ended what was under way.

    Attributes:
        exit_code: 128 + the signal's number, as shells report it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupted(Stopped):
    """A run was stopped by a signal after it had kept its state."""


def _signals() -> list[signal.Signals]:
    """Those that stop a command; a hang-up only where nohup did not say to ignore it."""
    found = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [s for s in found if s.name != "SIGHUP" or signal.getsignal(s) != signal.SIG_IGN]


@contextmanager
def unwinding() -> Iterator[None]:
    """Within the block a signal that would kill the process raises `Stopped` instead.

    So half-written files are removed on the way out. A second one kills, as it would have.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    ours = [s for s in _signals() if signal.getsignal(s) == signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, stop)
    except ValueError:  # not the main thread: its owner handles signals
        yield
        return
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


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
        """Catches these signals within the block."""

        def note(number: int, frame: FrameType | None) -> None:
            self.signal = number
            if self._once:
                signal.signal(number, before[signal.Signals(number)])

        before = {s: signal.getsignal(s) for s in _signals()}
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

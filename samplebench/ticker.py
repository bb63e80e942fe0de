"""Progress on stderr: a bar on a terminal, elsewhere whole lines now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

# Seconds between two lines of one piece of work.
EVERY = 30.0


def terminal() -> bool:
    """Whether stderr is one, so that a bar can be drawn over itself."""
    asked = getattr(sys.stderr, "isatty", None)
    return bool(asked and asked())


def say(text: str) -> None:
    """One line on stderr, there at once."""
    if sys.stderr is not None:
        # Whoever read the log may have gone, or its disk is full; the work goes on.
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """In words: "40 s", "12 min", "3.4 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


class Ticker:
    """How far some work is and how long the rest takes, by the pace so far.

    Args:
        total: units of work; None where nobody knows.
        done: of these, what was there before: it says nothing about the pace.
    """

    def __init__(self, total: float | None, done: float = 0) -> None:
        self.total, self.done = total, done
        self._first, self._began = done, time.monotonic()
        self._said = self._began

    @property
    def finished(self) -> bool:
        return self.total is not None and self.done >= self.total

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def advance(self, units: float) -> bool:
        """Counts work that is done; whether it is time for a line."""
        self.done += units
        due = time.monotonic() - self._said >= EVERY
        if due:
            self._said = time.monotonic()
        return due

    def skip(self, units: float) -> None:
        """Counts work that was done before."""
        self.done += units
        self._first += units

    def __str__(self) -> str:
        """E.g. "45%, about 2 min left"."""
        if not self.total:
            return f"under way for {duration(self.seconds)}"
        if self.finished:
            return f"100% in {duration(self.seconds)}"
        share, made = f"{100 * self.done / self.total:.0f}%", self.done - self._first
        if made <= 0:
            return share
        left = self.seconds * max(0, self.total - self.done) / made
        return f"{share}, about {duration(left)} left"


def drawn(**how: Any) -> Any:
    """A bar of tqdm on stderr, by the clock that nobody sets.

    By the other one it would stand still after a step back, until that time comes again.
    """
    from tqdm import tqdm

    found: Any = tqdm(file=sys.stderr, mininterval=0.2, unit_scale=True, dynamic_ncols=True, **how)
    found._time = time.monotonic
    found.start_t = found.last_print_t = time.monotonic()
    return found


@contextlib.contextmanager
def bar(total: int | None, title: str, unit: str, quiet: bool) -> Iterator[Callable[..., None]]:
    """Progress over `total` units: moved by (units) or by (units, what is under way)."""
    if not terminal():
        ticker, last = Ticker(total), title

        def tick(units: int, text: str = title) -> None:
            nonlocal last
            last = text
            if ticker.advance(units) and not quiet and not ticker.finished:
                say(f"{text}: {ticker}")

        yield tick
        if not quiet:
            say(f"{last}: done in {duration(ticker.seconds)}")
        return
    with drawn(total=total, desc=title, unit=unit, disable=quiet) as shown:

        def move(units: int, text: str = title) -> None:
            shown.set_description(text, refresh=False)
            shown.update(units)

        yield move

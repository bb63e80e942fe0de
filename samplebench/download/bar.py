"""Progress of one download on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from tqdm import tqdm

from samplebench.ticker import Ticker, drawn, say, terminal


class Bar:
    """Bytes so far, size and rate; it survives the attempts of one download.

    Args:
        name: of the file.
        shown: False: print nothing.
    """

    def __init__(self, name: str, shown: bool) -> None:
        self._name, self._shown = name, shown
        self._bar: Any = None  # of tqdm
        self._ticker: Ticker | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._ticker is not None and self._shown and error is None:
            self._line(self._ticker)

    def reach(self, size: int, total: int | None) -> None:
        """Shows `size` of `total` bytes; the first call sets where the rate is counted from."""
        if not terminal():
            self._tick(size, total)
            return
        if self._bar is None:
            self._bar = drawn(
                desc=self._name, initial=size, total=total, unit="B", disable=not self._shown
            )
        self._bar.total = total
        self._bar.update(size - self._bar.n)

    def _tick(self, size: int, total: int | None) -> None:
        if self._ticker is None:
            self._ticker = Ticker(total, size)
        self._ticker.total = total
        if self._ticker.advance(size - self._ticker.done) and self._shown:
            self._line(self._ticker)

    def _line(self, ticker: Ticker) -> None:
        sizes = "/".join(tqdm.format_sizeof(n) for n in (ticker.done, ticker.total) if n)
        say(f"{self._name}: {ticker} ({sizes})")

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        if self._shown and self._bar is not None:
            tqdm.write(text, file=sys.stderr)
        elif self._shown:
            say(text)

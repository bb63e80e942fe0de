"""Progress of one download on stderr."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm


class Bar:
    """Bytes so far, size and rate; it survives the attempts of one download.

    Args:
        name: of the file.
        shown: False: print nothing.
    """

    def __init__(self, name: str, shown: bool) -> None:
        self._name, self._shown = name, shown
        self._bar: tqdm | None = None

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

    def reach(self, size: int, total: int | None) -> None:
        """Shows `size` of `total` bytes; the first call sets where the rate is counted from."""
        if self._bar is None:
            self._bar = tqdm(
                desc=self._name,
                initial=size,
                total=total,
                unit="B",
                unit_scale=True,
                disable=not self._shown,
                mininterval=0.2 if sys.stderr.isatty() else 10.0,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        self._bar.total = total
        self._bar.update(size - self._bar.n)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        if self._shown:
            tqdm.write(text, file=sys.stderr)

"""How long a server is waited for, and how often it is asked again after a failure."""

from __future__ import annotations

import random

# Seconds to connect, and seconds without a byte.
TIMEOUTS = (15.0, 60.0)
# Failures in a row that bring less than _PROGRESS new bytes.
ATTEMPTS = 5
_PROGRESS = 1 << 20
# Seconds: the first pause, and the longest that a server may ask for.
_FIRST = 1.0
_LONGEST = 120.0


class Cut(Exception):
    """A request that failed and may be made again.

    Attributes:
        retry_after: seconds, where the server says so.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Patience:
    """Counts failures; a download that gets on is never given up.

    Args:
        size: bytes at the start.
    """

    def __init__(self, size: int) -> None:
        self.failures = 0
        self._best = size

    def pause(self, cut: Cut, size: int) -> float | None:
        """Seconds to wait before the next attempt; None: give up.

        Args:
            cut: what has failed.
            size: bytes by now.
        """
        if size - self._best >= _PROGRESS:
            self.failures, self._best = 0, size
        self.failures += 1
        if self.failures >= ATTEMPTS or (cut.retry_after or 0) > _LONGEST:
            return None
        # Jitter keeps the many processes of a cluster from coming back all at once.
        backoff = _FIRST * 2 ** (self.failures - 1) * random.uniform(0.75, 1.25)
        return max(backoff, cut.retry_after or 0)

"""An error that is told in another process than where it happened: plain values."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from samplebench.bench.stop import Interrupted
from samplebench.errors import EnvironmentError_, InputError, SamplebenchError, UsageError


@dataclass(frozen=True)
class Failure:
    """An error, told where it did not happen.

    Attributes:
        kind: the class of the error that is raised for it.
        text: its message.
        signal: that stopped the run, 0 for none.
    """

    kind: str
    text: str
    signal: int = 0

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        if isinstance(error, Interrupted):
            return cls("", str(error), error.exit_code - 128)
        if isinstance(error, KeyboardInterrupt):
            return cls("", "SIGINT", signal.SIGINT)
        kind = next((k for k in _KINDS if isinstance(error, _KINDS[k])), "")
        return cls(kind, str(error) if kind else f"{type(error).__name__}: {error}")

    def error(self) -> BaseException:
        """What is to be raised."""
        if self.signal:
            return Interrupted(self.signal)
        return _KINDS.get(self.kind, RuntimeError)(self.text)


_KINDS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (UsageError, InputError, EnvironmentError_, SamplebenchError)
}

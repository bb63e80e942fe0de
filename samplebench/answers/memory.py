"""Memory that ran out, on whatever device and in whoever's words."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from samplebench.errors import EnvironmentError_

# Torch's CPU allocator (Linux; Windows), C++, CUDA's, HIP's and Metal's, and CUDA's libraries.
_WORDS = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "bad allocation",
    "out of memory",
    "insufficient memory",
    "unable to allocate",
    "alloc_failed",
)


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception says that a device, the host or the process has no more memory."""
    torch = sys.modules.get("torch")
    kinds = (MemoryError, *((torch.OutOfMemoryError,) if torch else ()))
    if isinstance(error, kinds):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if not isinstance(error, RuntimeError) or isinstance(error, RecursionError):
        return False
    try:
        text = str(error).lower()
    except Exception:  # an exception of others may not even be able to speak
        return False
    return any(word in text for word in _WORDS)


@contextmanager
def memory_of(where: object, advice: str) -> Iterator[None]:
    """Around work on a device: says in one line that its memory ran out, and what to do.

    Raises:
        EnvironmentError_: it did.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not out_of_memory(error):
            raise
        raise EnvironmentError_(f"out of memory on {where}; {advice}") from error

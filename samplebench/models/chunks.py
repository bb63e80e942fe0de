"""As many images at once as fit into a device's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.answers.memory import out_of_memory
from samplebench.errors import EnvironmentError_

if TYPE_CHECKING:
    from torch import Tensor


class Chunks:
    """How many images a model evaluates at once: halved when memory runs out, and kept.

    Attributes:
        size: that number; None for as many as are given.
    """

    def __init__(self) -> None:
        self.size: int | None = None

    def ask(self, question: Callable[..., Any], x: Tensor, *others: Any) -> Any:
        """A question's answer, in pieces of x and of all that has an entry for each image.

        Raises:
            EnvironmentError_: a single image does not fit.
        """
        n = len(x)
        while True:
            size = min(self.size or n, n)
            try:
                parts = []
                for first in range(0, n, size):
                    piece = slice(first, first + size)
                    parts.append(question(x[piece], *(_part(o, piece, n) for o in others)))
            except (MemoryError, RuntimeError, OSError) as error:
                if not out_of_memory(error):
                    raise
                if size == 1:
                    raise EnvironmentError_(
                        f"out of memory on {x.device} with a single image; free memory there or "
                        "choose another --device"
                    ) from None
                self.size, parts = size // 2, []
            else:
                # One piece as it is: whoever asked looks at what it is.
                return parts[0] if len(parts) == 1 else _joined(parts)
            _give_back(x.device.type)


def _joined(parts: list[Any]) -> Any:
    """Answers to pieces as one: tensors, or tuples of tensors and None."""
    import torch

    if not isinstance(parts[0], tuple):
        return torch.cat(parts)
    columns = zip(*parts, strict=True)
    return tuple(None if column[0] is None else torch.cat(column) for column in columns)


def _give_back(kind: str) -> None:
    """What torch keeps of a device's memory for later."""
    import torch

    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()


def _part(value: Any, piece: slice, n: int) -> Any:
    if getattr(value, "ndim", 0) == 0 or len(value) != n:
        return value
    return value[piece]

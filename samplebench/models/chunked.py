"""A model that evaluates as many images at once as fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.answers.memory import out_of_memory
from samplebench.errors import EnvironmentError_
from samplebench.models.around import Around

if TYPE_CHECKING:
    from torch import Tensor


class Chunked(Around):
    """A model whose batch is halved when the device runs out of memory, and stays halved.

    Args:
        model: whose attributes it has.

    Attributes:
        size: images evaluated at once; None for as many as are given.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.size: int | None = None

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        import torch

        (denoised,) = self._pieces(
            lambda x, sigma, labels: (self.inner(x, sigma, labels),),
            x,
            sigma if torch.is_tensor(sigma) else torch.tensor(sigma, dtype=torch.float64),
            labels,
        )
        return denoised

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        (noise,) = self._pieces(lambda u, labels: (self.inner.eps(u, t, labels),), u, labels)
        return noise

    def predict(
        self, x_t: Tensor, j: int, labels: Tensor | None = None, process: Any = None
    ) -> tuple[Tensor, Tensor | None]:
        return self._both(super().predict, x_t, j, labels, process)

    def predict_x0(
        self, x_t: Tensor, j: int, labels: Tensor | None = None, process: Any = None
    ) -> tuple[Tensor, Tensor | None]:
        return self._both(super().predict_x0, x_t, j, labels, process)

    def _both(
        self,
        ask: Callable[..., tuple[Tensor, Tensor | None]],
        x: Tensor,
        j: int,
        labels: Tensor | None,
        process: Any,
    ) -> tuple[Tensor, Tensor | None]:
        def both(x: Tensor, labels: Tensor | None) -> tuple[Tensor, ...]:
            first, v = ask(x, j, labels, process)
            return (first,) if v is None else (first, v)

        first, *v = self._pieces(both, x, labels)
        return first, v[0] if v else None

    def _pieces(
        self, function: Callable[..., tuple[Tensor, ...]], x: Tensor, *others: Tensor | None
    ) -> tuple[Tensor, ...]:
        """The function's results over pieces of x and of all that has an entry for each image."""
        import torch

        n = len(x)
        while True:
            size = min(self.size or n, n)
            try:
                parts = []
                for first in range(0, n, size):
                    piece = slice(first, first + size)
                    parts.append(function(x[piece], *(_part(o, piece, n) for o in others)))
            except (MemoryError, RuntimeError, OSError) as error:
                if not out_of_memory(error):
                    raise
                if size == 1:
                    raise EnvironmentError_(
                        f"out of memory on {self.inner.device} with a single image; free memory "
                        "there or choose another --device"
                    ) from None
                self.size, parts = size // 2, []
            else:
                if len(parts) == 1:  # as it is: whoever asked looks at what it is
                    return parts[0]
                return tuple(torch.cat(column) for column in zip(*parts, strict=True))
            _give_back(x.device.type)


def _give_back(kind: str) -> None:
    """What torch keeps of a device's memory for later."""
    import torch

    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()


def _part(value: Tensor | None, piece: slice, n: int) -> Tensor | None:
    if value is None or value.ndim == 0 or len(value) != n:
        return value
    return value[piece]

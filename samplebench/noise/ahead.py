"""A stream whose next draw is made by a thread while the network runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from samplebench.noise.streams import PortableNoise

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def pays_ahead(device: torch.device) -> bool:
    """Whether a thread that draws pays: beside a network on the host it only takes its cores."""
    return device.type != "cpu"


@contextmanager
def drawn_ahead(
    stream: Callable[[Tensor], Tensor] | None, shape: Sequence[int], draws: int
) -> Iterator[Callable[[Tensor], Tensor] | None]:
    """Within the block the same stream, number by number, each draw made before it is asked for.

    Args:
        stream: that has started; any other source of noise stays as it is.
        shape: of the noise of one sample, as far as is known; another is drawn when it is asked
            for.
        draws: how many are planned; with 0 there is no thread, and further ones are made when
            they are asked for.
    """
    if not (draws and isinstance(stream, PortableNoise)):
        yield stream
        return
    with ThreadPoolExecutor(1, "noise") as thread:
        yield _Ahead(stream, thread, tuple(shape), stream.draw + draws)


class _Ahead:
    """Of a stream; `last` is the last draw that is planned."""

    def __init__(
        self, stream: PortableNoise, thread: ThreadPoolExecutor, shape: tuple[int, ...], last: int
    ) -> None:
        self._stream, self._thread, self._last = stream, thread, last
        self._next = self._begun(shape)

    def _begun(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Future[Tensor]] | None:
        """The following draw under way, where it is planned."""
        draw = self._stream.draw + 1
        if draw > self._last:
            return None
        return shape, self._thread.submit(self._stream.made, shape, draw)

    def __call__(self, x: Tensor) -> Tensor:
        stream, shape = self._stream, tuple(x.shape[1:])
        # Waited for in any case: there is one generator.
        made = None if self._next is None else (self._next[0], self._next[1].result())
        if made is None or made[0] != shape:
            noise = stream(x)
        else:
            stream.draw += 1
            noise = stream.sent(made[1]).to(x)
        self._next = self._begun(shape)
        return noise

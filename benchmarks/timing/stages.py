"""Seconds by stage, measured around the product's own calls: nothing of it is changed."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch

from samplebench.bench import block as blocks
from samplebench.bench import filing
from samplebench.bench.loaded import LoadedExtractor
from samplebench.devices import synchronize
from samplebench.metrics.moments import BlockedMoments
from samplebench.models.bound import Bound

# What a cell is made of, in its order.
STAGES = ("network", "noise", "solver", "quantise", "features", "moments", "scores", "store")


class Watch:
    """Wall and CPU seconds of stages, each without those within it.

    What another thread does meanwhile is hidden: it is not on the way of the images. CPU seconds
    are of all threads, those that wait in a loop as well.

    Attributes:
        wall, cpu: seconds by stage.
        images: that the network was asked for.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.images = device, 0
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self._within: list[tuple[float, float]] = []
        self._thread = threading.get_ident()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The block is a stage; the device's queue is empty at its end."""
        if threading.get_ident() != self._thread:
            yield
            return
        self._within.append((0.0, 0.0))
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            synchronize(self.device)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            inner = self._within.pop()
            self.wall[name] += wall - inner[0]
            self.cpu[name] += cpu - inner[1]
            if self._within:
                outer = self._within[-1]
                self._within[-1] = outer[0] + wall, outer[1] + cpu

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call as a stage."""

        @wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return call(*args, **kwargs)

        return timed

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(self.wall.values())

    @property
    def outside(self) -> tuple[float, float]:
        """Shares of wall and CPU seconds that are not the network's."""
        return tuple(
            1 - seconds["network"] / sum(seconds.values()) for seconds in (self.wall, self.cpu)
        )  # type: ignore[return-value]


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Within the block `watch` is told of what a cell is made of; the rest of `run_block` and of
    `Filing` is told by whoever calls them."""
    ask, stream = Bound.ask, blocks.stream

    def asked(bound: Bound, question: Any, x: Any, *given: Any, **rows: Any) -> Any:
        watch.images += len(x)
        with watch.stage("network"):
            return ask(bound, question, x, *given, **rows)

    with ExitStack() as stack:

        def put(owner: Any, name: str, found: Any) -> None:
            stack.enter_context(patch.object(owner, name, found))

        put(Bound, "ask", asked)
        put(blocks, "stream", lambda *args, **kwargs: _Timed(stream(*args, **kwargs), watch))
        put(blocks, "to_uint8", watch.around("quantise", blocks.to_uint8))
        put(LoadedExtractor, "features_of", watch.around("features", LoadedExtractor.features_of))
        put(BlockedMoments, "of", watch.around("moments", BlockedMoments.of))
        put(filing, "scored_cell", watch.around("scores", filing.scored_cell))
        yield


class _Timed:
    """A stream of noise whose draws are a stage."""

    def __init__(self, stream: Any, watch: Watch) -> None:
        self._stream = stream
        self.start = watch.around("noise", stream.start)
        self._draw = watch.around("noise", stream)

    def __call__(self, x: Any) -> Any:
        return self._draw(x)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

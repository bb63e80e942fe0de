"""Work behind the sampling: a block's features and their filing, while the next one is sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from samplebench.answers.blame import ours
from samplebench.bench.loaded import Bench
from samplebench.devices import TF32

if TYPE_CHECKING:
    import torch

Work = Callable[[], None]


def overlaps(bench: Bench) -> bool:
    """Whether a block's features are made beside the next one's sampling.

    On the host they would take the network's cores. Code of others is watched for its draws from
    the global generators, which two threads would share, as they do the products of a network in
    tf32: features never see those.
    """
    networks = (bench.model, *(guide.network for guide in bench.guides.values()))
    alone = bench.model.device.type == "cpu" or any(
        getattr(network, "precision", None) == TF32 for network in networks
    )
    return not alone and all(ours(one.function) for one in bench.extractors)


class Behind:
    """Takes work one after the other.

    Args:
        thread: that does it, None for whoever asks.
        device: in a stream of its own there.
    """

    def __init__(self, thread: ThreadPoolExecutor | None, device: torch.device) -> None:
        self._thread, self._stream = thread, _stream(device) if thread else nullcontext
        self._pending: Future[None] | None = None

    def take(self, work: Work) -> None:
        """Does it, or begins it where the last one is done; raises what that one raised."""
        if self._thread is None:
            work()
            return
        self.wait()
        self._pending = self._thread.submit(self._do, work)

    def wait(self) -> None:
        """Until all is done; raises what it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _do(self, work: Work) -> None:
        with self._stream():
            work()


@contextmanager
def behind(bench: Bench) -> Iterator[Behind]:
    """All work that was taken within the block is done after it, also where the block fails."""
    device = bench.model.device
    if not overlaps(bench):
        yield Behind(None, device)
        return
    with ThreadPoolExecutor(1, "features") as thread:
        taken = Behind(thread, device)
        yield taken
        taken.wait()


def _stream(device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Makes contexts in which work on a device has one stream of its own."""
    import torch

    if device.type != "cuda":
        return nullcontext
    own = torch.cuda.Stream(device)
    return lambda: torch.cuda.stream(own)

"""Messages between the processes that torchrun starts: whole, in order, and no wait without end.

They go over gloo, as nothing that is sent lies on a GPU. Who is alive says so; a peer that has said
nothing for `PATIENCE` seconds is lost, however long its block takes.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, Protocol

from samplebench.bench.engines.failure import Failure
from samplebench.errors import EnvironmentError_, SamplebenchError

# Seconds: between two signs of life; until a peer without one is given up.
BEAT, PATIENCE = 10.0, 300.0
# What torchrun sets; other launchers that set the same will do.
_SET = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_ALIVE = b""
_log = logging.getLogger(__name__)


class PeerLost(Exception):
    """A peer ended, or is silent, and will send nothing more."""


class Told(SamplebenchError):
    """The run ended with an error that rank 0 tells.

    Attributes:
        failure: that error.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Link(Protocol):
    """Bytes to and from the other processes.

    Attributes:
        rank: of this process, from 0.
        world: number of processes.
    """

    rank: int
    world: int

    def send(self, to: int, data: bytes) -> None:
        """Sends; raises `PeerLost`."""

    def receive(self, sender: int) -> bytes:
        """What was sent next; raises `PeerLost`."""


def several() -> bool:
    """Whether this process is one of several that share a sweep."""
    whole = all(os.environ.get(name) for name in _SET)
    return whole and os.environ["WORLD_SIZE"].isdecimal() and int(os.environ["WORLD_SIZE"]) > 1


class Gloo:
    """The processes of torchrun; their group is made once and kept."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self._group = _group()
        self.rank, self.world = dist.get_rank(), dist.get_world_size()

    def send(self, to: int, data: bytes) -> None:
        import torch
        import torch.distributed as dist

        try:
            dist.send(torch.tensor([len(data)]), to, self._group)
            if data:
                dist.send(torch.frombuffer(bytearray(data), dtype=torch.uint8), to, self._group)
        except RuntimeError as error:
            raise PeerLost(str(error)) from None

    def receive(self, sender: int) -> bytes:
        import torch
        import torch.distributed as dist

        size = torch.zeros(1, dtype=torch.int64)
        try:
            dist.recv(size, sender, self._group)
            data = torch.empty(int(size), dtype=torch.uint8)
            if len(data):
                dist.recv(data, sender, self._group)
        except RuntimeError as error:
            raise PeerLost(str(error)) from None
        return data.numpy().tobytes()


@cache
def _group() -> Any:
    """A gloo group of all processes; of a program's own one, that is, beside it.

    Raises:
        EnvironmentError_: the processes do not find each other.
    """
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    from samplebench.bench.engines.ranks.meeting import meet

    patience = timedelta(seconds=PATIENCE)
    try:
        if dist.is_initialized():
            return dist.new_group(backend="gloo", timeout=patience)
        store, rank, world = next(rendezvous("env://", timeout=patience))
        own = PrefixStore(meet(store, rank, world, PATIENCE), store)
        dist.init_process_group("gloo", store=own, rank=rank, world_size=world, timeout=patience)
    except (RuntimeError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0]
        raise EnvironmentError_(
            f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']} cannot reach the others "
            f"({reason}); start all of them with torchrun"
        ) from None
    return dist.group.WORLD


class Peer:
    """What is said to a peer, and heard from it, each in a thread of its own.

    Args:
        link: to all peers.
        peer: its rank.
        heard: called with each message in turn, the last one `PeerLost` or one that ends the line.
        ends: whether a message is the last one.
    """

    def __init__(
        self, link: Link, peer: int, heard: Callable[[int, Any], None], ends: Callable[[Any], bool]
    ) -> None:
        self._link, self._peer, self._heard, self._ends = link, peer, heard, ends
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._safely, args=(work,), name=f"rank {peer}", daemon=True)
            for work in (self._speak, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def say(self, message: Any) -> None:
        """Sends a message; returns at once."""
        self._outbox.put(message)

    def close(self, seconds: float) -> None:
        """Waits until both sides have said their last, at most so long."""
        for thread in self._threads:
            thread.join(seconds)

    def _safely(self, work: Callable[[], None]) -> None:
        """However a thread ends, whoever waits for the peer is told."""
        try:
            work()
        except Exception as error:
            _log.debug("the connection to rank %d failed", self._peer, exc_info=True)
            self._heard(self._peer, PeerLost(f"{type(error).__name__}: {error}"))

    def _speak(self) -> None:
        while True:
            try:
                message = self._outbox.get(timeout=BEAT)
            except queue.Empty:
                message, data = None, _ALIVE
            else:
                data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
            try:
                self._link.send(self._peer, data)
            except PeerLost:
                return  # whoever listens says so
            if message is not None and self._ends(message):
                return

    def _listen(self) -> None:
        while True:
            try:
                data = self._link.receive(self._peer)
            except PeerLost as lost:
                self._heard(self._peer, lost)
                return
            if data == _ALIVE:
                continue
            message = pickle.loads(data)
            self._heard(self._peer, message)
            if self._ends(message):
                return

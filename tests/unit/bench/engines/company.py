"""Ranks without torchrun: forks of this process, joined by pipes in the place of gloo."""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from samplebench.bench import plan as planning
from samplebench.bench.engines.ranks.helper import Helper
from samplebench.bench.engines.ranks.leader import Leader
from samplebench.bench.engines.ranks.wire import PeerLost, Told
from samplebench.bench.request import Request

# How a rank ends, as its exit code.
ENDED, TOLD, FAILED = 0, 41, 42


class Pipes:
    """A link whose ends are sockets, one to each peer."""

    def __init__(self, rank: int, world: int, ends: dict[int, socket.socket]) -> None:
        self.rank, self.world = rank, world
        self._files = {peer: end.makefile("rwb") for peer, end in ends.items()}
        self._ends = ends

    def send(self, to: int, data: bytes) -> None:
        try:
            self._ends[to].sendall(len(data).to_bytes(8, "big") + data)
        except OSError as error:
            raise PeerLost(str(error)) from None

    def receive(self, sender: int) -> bytes:
        head = self._read(sender, 8)
        return self._read(sender, int.from_bytes(head, "big"))

    def _read(self, sender: int, size: int) -> bytes:
        try:
            data = self._files[sender].read(size)
        except OSError as error:  # one that was killed before it had read all
            raise PeerLost(str(error)) from None
        if data is None or len(data) < size:
            raise PeerLost("closed")
        return data

    def close(self) -> None:
        for end in self._ends.values():
            end.shutdown(socket.SHUT_RDWR)
            end.close()


def assist(link: Pipes, words: dict) -> int:
    """What another rank does; its exit code."""
    helper = Helper(link)
    try:
        try:
            helper.assist(planning.make(Request.of(**words)))
        except BaseException as error:
            helper.leave(error)
            raise
        helper.leave(None)
    except Told:
        return TOLD
    return ENDED


@contextmanager
def company(
    world: int, words: dict, work: Callable[[Pipes, dict], int] = assist
) -> Iterator[tuple[Leader, list[int], Callable[[], list[int]]]]:
    """Rank 0, the ids of the other processes, and what waits for them and says how they ended.

    Args:
        work: of the others.
    """
    pairs = {rank: socket.socketpair() for rank in range(1, world)}
    children = []
    for rank in pairs:
        child = os.fork()
        if child == 0:
            code = FAILED
            try:
                for other, (ours, theirs) in pairs.items():
                    ours.close()
                    if other != rank:
                        theirs.close()
                signal.alarm(60)
                code = work(Pipes(rank, world, {0: pairs[rank][1]}), words)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    for _, theirs in pairs.values():
        theirs.close()
    link = Pipes(0, world, {rank: ours for rank, (ours, _) in pairs.items()})

    def ended() -> list[int]:
        return [os.waitstatus_to_exitcode(os.waitpid(children.pop(0), 0)[1]) for _ in [*children]]

    try:
        yield Leader(link), children, ended
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        link.close()

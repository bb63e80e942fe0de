"""A server of raw bytes on this machine: what it sends need not be HTTP."""

from __future__ import annotations

import re
import socket
import socketserver
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

# In place of bytes: the connection is reset.
RESET = object()


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        number: how many requests came before it.
        start: of its Range; None where the whole file is asked for.
        path: with the query.
    """

    number: int
    start: int | None
    path: str


class BadServer(socketserver.ThreadingTCPServer):
    """Attributes: behaviour, from a request to the steps of its answer; asked, requests so far.

    A step is bytes to send, seconds to wait, or RESET; after the last the connection ends.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour: Callable[[Request], Iterator] = lambda _: iter(())
        self.asked: list[Request] = []
        self.over = Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        # Clients go away; whatever else it is, the test sees no right answer.
        pass


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := self.request.recv(4096)):
                return
            head += more
            # TLS: whoever speaks no TLS answers at once, in plain text.
            if head.startswith(b"\x16"):
                head = b"GET / HTTP/1.1\r\n\r\n"
        found = re.search(rb"\r\nRange: bytes=(\d+)-\r\n", head)
        asked = self.server.asked
        path = head.split(b" ", 2)[1].decode()
        asked.append(Request(len(asked), int(found[1]) if found else None, path))
        for step in self.server.behaviour(asked[-1]):
            if step is RESET:
                linger = struct.pack("ii", 1, 0)
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.request.close()
                return
            if isinstance(step, bytes):
                self.request.sendall(step)
            elif self.server.over.wait(step):
                return


@contextmanager
def bad_serving() -> Iterator[BadServer]:
    """A server on a free port."""
    with BadServer() as server:
        words = {"poll_interval": 0.005}
        Thread(target=server.serve_forever, kwargs=words, daemon=True).start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()

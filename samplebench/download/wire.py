"""The bytes of an HTTP answer as they come in: neither endlessly slow nor of endless lines.

A timeout of a socket begins anew with every byte. What is counted here is how much arrived in the
time that was spent waiting for it: status line, headers, body and trailers alike.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

# Over so many seconds of waiting at least so many bytes a second have to come.
SPAN = 60.0
SLOWEST = 1000
# Bytes of a line (as in http.client), and lines without anything between: headers, 1xx, trailers.
_LINE = 1 << 16
_LINES = 1000


class Slow(OSError):
    """The server sends so little that the file would take forever."""


class _Paced(io.RawIOBase):
    """A socket's bytes; reading raises `Slow`."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self._waited, self._came = raw, 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        begun = time.monotonic()
        size = self._raw.readinto(buffer)
        self._waited += time.monotonic() - begun
        self._came += size or 0
        if self._waited >= SPAN:
            if size and self._came < SLOWEST * self._waited:
                raise Slow(
                    f"{self._came / self._waited:,.0f} bytes a second, less than {SLOWEST:,}"
                )
            self._waited, self._came = 0.0, 0
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    """What http.client and urllib3 read from: no length below 0, no endless line or lines."""

    _in_a_row = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        self._in_a_row += 1
        line = super().readline(_LINE + 1 if size is None or size < 0 else size)
        if len(line) > _LINE or self._in_a_row > _LINES:
            raise http.client.LineTooLong("answer")
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        self._in_a_row = 0
        # A chunk of negative size would else be all there is, at once.
        if size is None or size < 0:
            raise http.client.HTTPException("an invalid length")
        return super().read(size)


class Answer(http.client.HTTPResponse):
    """An answer whose bytes are watched."""

    def __init__(self, sock: socket.socket, *words: Any, **more: Any) -> None:
        super().__init__(sock, *words, **more)
        self.fp = _Lines(_Paced(self.fp.detach()))


class _PlainConnection(HTTPConnection):
    response_class = Answer


class _SecureConnection(HTTPSConnection):
    response_class = Answer


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Adapter(HTTPAdapter):
    """What a session sends requests with."""

    def init_poolmanager(self, *words: Any, **more: Any) -> None:
        super().init_poolmanager(*words, **more)
        _watch(self.poolmanager)

    def proxy_manager_for(self, *words: Any, **more: Any) -> PoolManager:
        return _watch(super().proxy_manager_for(*words, **more))


def _watch(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager

"""A local HTTP server that misbehaves on demand."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@dataclass
class Served:
    """One file of the server, and how it is handed out.

    Attributes:
        content: its bytes.
        etag, modified: validators; "" leaves the header out.
        ranges: False: Range is ignored.
        if_range: False: a range is answered even if the validator is another.
        cuts: how many answers still break off, each after `cut_after` bytes of its body.
        silence: seconds before each of them breaks off.
        first: (status, headers, body) of answers before the proper ones.
        length: announced instead of the true one; None leaves it out (the body is chunked).
        kind: Content-Type.
        piece, pause: the body comes in pieces of so many bytes, with so many seconds between.
        most: bytes of an answer to a range; 0: all.
        gate: the body comes once it is set.
        redirect: where it is instead.
    """

    content: bytes
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    if_range: bool = True
    cuts: int = 0
    cut_after: int = 0
    silence: float = 0.0
    first: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    length: int | None = -1
    kind: str = "application/octet-stream"
    piece: int = 1 << 16
    pause: float = 0.0
    most: int = 0
    gate: Event | None = None
    redirect: str = ""


@dataclass
class Server:
    """Attributes: address, its base; files, by path; asked, (method, path, headers) so far."""

    address: str
    files: dict[str, Served] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def put(self, path: str, content: bytes, **how) -> str:
        """Serves a file -> its address."""
        self.files[path] = Served(content, **how)
        return self.address + path

    @property
    def downloads(self) -> int:
        return sum(method == "GET" for method, _, _ in self.asked)

    @property
    def ranges(self) -> list[str | None]:
        """The Range of each download."""
        return [headers.get("Range") for method, _, headers in self.asked if method == "GET"]


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of this machine."""
    http = _Http(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    http.block_on_close = False
    http.served = Server(f"http://127.0.0.1:{http.server_port}")
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield http.served
    finally:
        http.shutdown()
        http.server_close()


class _Http(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # Clients that are killed leave no word.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        served = self.server.served
        served.asked.append((self.command, self.path, dict(self.headers)))
        file = served.files.get(self.path)
        if file is None:
            return self.short(404, {}, b"nothing here")
        if file.first:
            return self.short(*file.first.pop(0))
        if file.redirect:
            return self.short(302, {"Location": file.redirect}, b"")
        start, end = self.part(file), len(file.content)
        if start is None:
            return self.short(416, {"Content-Range": f"bytes */{end}"}, b"")
        if start and file.most:
            end = min(end, start + file.most)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(file.content)}")
        self.send_header("Content-Type", file.kind)
        for name, value in (("ETag", file.etag), ("Last-Modified", file.modified)):
            if value:
                self.send_header(name, value)
        if file.length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", file.length if file.length >= 0 else end - start)
        self.end_headers()
        if body:
            self.body(file, memoryview(file.content)[start:end])

    def part(self, file):
        """Where the body begins; None: not within the file."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not file.ranges:
            return 0
        validator = self.headers.get("If-Range")
        if file.if_range and validator and validator not in (file.etag, file.modified):
            return 0
        start = int(asked[1])
        return start if start < len(file.content) else None

    def body(self, file, content):
        if file.gate:
            file.gate.wait(30)
        cut = file.cuts > 0
        if cut:
            file.cuts -= 1
            content = content[: file.cut_after]
        try:
            for i in range(0, len(content), file.piece):
                piece = content[i : i + file.piece]
                self.wfile.write(
                    b"%x\r\n%b\r\n" % (len(piece), piece) if file.length is None else piece
                )
                if file.pause:
                    time.sleep(file.pause)
            if cut:
                time.sleep(file.silence)
            elif file.length is None:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:  # the client has gone
            cut = True
        # A length that is not the true one leaves the connection unusable.
        self.close_connection = cut or file.length not in (-1, None)

    def short(self, status, headers, content):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", len(content))
        self.end_headers()
        self.wfile.write(content)

"""What bad servers answer, by name: a request to the steps of its answer.

`FILE` is what was asked for: small, and in the shape of a pickle.
"""

from __future__ import annotations

import gzip
import io
import itertools
import tarfile
import zipfile

import numpy as np
from bad_server import RESET

FILE = b"\x80\x04" + np.random.default_rng(0).bytes(59_997) + b"."
OTHER = b"\x80\x04" + np.random.default_rng(1).bytes(59_997) + b"."
SIZE, CUT = len(FILE), 30_000
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize 60000\n" % (b"0" * 64)
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
DIGITS = "9" * 5000


def answer(*headers, status="200 OK", body=FILE, length=True):
    """One whole answer; length=False: none is announced."""
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def always(*steps):
    """The same answer to everything."""
    return lambda request: steps


def endless(first, block=b"\0" * 65536, pause=0.0):
    """`first`, and then blocks until nobody listens."""

    def behave(request):
        yield first
        for _ in itertools.count():
            yield block
            if pause:
                yield pause

    return behave


def good(request):
    yield answer('ETag: "one"')


def resumed(make, *first):
    """The whole file is cut at first, parts of it are as `make(start)` says, then all is well."""

    def behave(request):
        if request.start is not None:
            yield make(request.start)
        elif request.number:
            yield from good(request)
        else:
            yield answer(*(first or ('ETag: "one"',)))[: CUT - len(FILE)]

    return behave


def part(start, *headers, etag='ETag: "one"', end=SIZE, total=SIZE, body=None):
    """A 206 answer from `start`, right but for what is given."""
    body = FILE[start:] if body is None else body
    where = f"Content-Range: bytes {start}-{end - 1}/{total}"
    lines = [where, *headers, *([etag] if etag else [])]
    return answer(*lines, status="206 Partial Content", body=body, length=False)


def unknown_total(request):
    """First a body without a length that breaks off, then parts of a file of unknown size."""
    if request.start is None:
        yield answer('ETag: "one"', "Transfer-Encoding: chunked", body=b"", length=False)
        yield b"7530\r\n" + FILE[:CUT]
    else:
        body = FILE[request.start : -100]
        yield part(request.start, end=len(FILE) - 100, total="*", body=body)


def less_than_asked(request):
    """Neither length nor end: only what a 206 says tells that more is to come."""
    if request.start is None:
        yield answer('ETag: "one"', "Transfer-Encoding: chunked", body=b"", length=False)
        yield b"7530\r\n" + FILE[:CUT]
    else:
        end = min(len(FILE), request.start + 10_000)
        yield part(request.start, end=end, body=FILE[request.start : end])


# Parts: none of these may be glued.
PARTS = {
    "more than announced": resumed(lambda s: part(s, body=FILE[s:] + b"more")),
    "more than the range": resumed(lambda s: part(s, end=s + 9, body=FILE[s:])),
    "no validators": resumed(lambda s: part(s, etag="", body=OTHER[s:])),
    "no Last-Modified": resumed(
        lambda s: part(s, etag="", body=OTHER[s:]), "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT"
    ),
    "only another kind of validator": resumed(
        lambda s: part(s, etag="Last-Modified: yesterday", body=OTHER[s:])
    ),
    "a weak validator": resumed(lambda s: part(s, etag='ETag: W/"one"', body=OTHER[s:])),
    "another ETag": resumed(lambda s: part(s, etag='ETag: "two"', body=OTHER[s:])),
    "another total": resumed(lambda s: part(s, total=len(FILE) + 1)),
    "a smaller total": resumed(lambda s: part(s, total=CUT + 1)),
    "no offset": resumed(lambda s: answer('ETag: "one"', status="206 x", body=OTHER[s:])),
    "another offset": resumed(lambda s: part(s - 10, body=FILE[s - 10 :])),
    "a later offset": resumed(lambda s: part(s + 10, body=FILE[s + 10 :])),
    "an end before its start": resumed(lambda s: part(s, end=s - 5)),
    "a range of 5,000 digits": resumed(lambda s: part(s, end=10**4000, total=10**4000 + 1)),
    "a negative range": resumed(
        lambda s: answer(f"Content-Range: bytes -{s}-5/9", 'ETag: "one"', status="206 x")
    ),
    "a range in other digits": resumed(
        lambda s: answer("Content-Range: bytes ٣-٤/٥", 'ETag: "one"', status="206 x")
    ),
    "a length that is not the range's": resumed(
        lambda s: part(s, f"Content-Length: {len(FILE) - s + 4}", body=FILE[s:] + b"more")
    ),
    "many parts": resumed(
        lambda s: part(s, "Content-Type: multipart/byteranges; boundary=b", body=b"--b" + FILE[s:])
    ),
    "two ranges": resumed(
        lambda s: part(s, f"Content-Range: bytes {s}-{s}/60000", body=OTHER[s:])
    ),
    "a part and an error in it": resumed(lambda s: part(s, body=b'{"error": "expired"}')),
    "400 to parts": resumed(lambda s: answer(status="400 Bad Request", body=b"")),
    "412 to parts": resumed(lambda s: answer(status="412 Precondition Failed", body=b"")),
    "431 to parts": resumed(lambda s: answer(status="431 Too Large", body=b"")),
    "501 to parts": resumed(lambda s: answer(status="501 Not Implemented", body=b"")),
    "compressed parts": resumed(lambda s: part(s, "Content-Encoding: gzip")),
    "parts of no length": resumed(lambda s: part(s, "Content-Length: none")),
    "416 once": resumed(lambda s: answer(status="416 Range Not Satisfiable", body=b"")),
    "the whole file instead": resumed(lambda s: answer('ETag: "one"')),
    "another whole file instead": resumed(lambda s: answer('ETag: "one"', "X: y")),
    "less than asked, of an unknown size": less_than_asked,
}  # fmt: skip


def packed(how):
    """FILE in a wrapper."""
    out = io.BytesIO()
    if how == "tar":
        with tarfile.open(fileobj=out, mode="w") as archive:
            info = tarfile.TarInfo("w.pkl")
            info.size = len(FILE)
            archive.addfile(info, io.BytesIO(FILE))
    else:
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("w.pkl", FILE)
    return out.getvalue()


# Bodies that are not the file.
BODIES = {
    "a login page": always(answer("Content-Type: text/html", body=PAGE)),
    "a page as bytes": always(answer(body=PAGE)),
    "a page without a doctype": always(answer(body=b"<head><title>x</title></head>")),
    "a Git LFS pointer": always(answer(body=LFS)),
    "an old LFS pointer": always(answer(body=LFS.replace(b"git-lfs", b"hawser"))),
    "S3's error": always(answer(body=b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code>')),
    "an error without a declaration": always(answer(body=b"<Error><Code>Denied</Code></Error>")),
    "a JSON error": always(answer(body=b'{"error": "not found"}')),
    "a word": always(answer(body=b"Not Found")),
    "escapes": always(answer(body=b"\x1b[2J\x1b]0;pwned\x07")),
    "nothing": always(answer(body=b"")),
    "nothing, without a length": always(answer(body=b"", length=False)),
    "zeros": always(answer(body=bytes(60_000))),
    "gzip": always(answer(body=gzip.compress(FILE))),
    "Zstandard": always(answer(body=b"\x28\xb5\x2f\xfd" + FILE)),
    "tar": always(answer(body=packed("tar"))),
    "zip": always(answer(body=packed("zip"))),
    "another pickle protocol": always(answer(body=b"\x80\x7f" + FILE[2:])),
    "cut at a round number": always(answer(body=FILE[:32768])),
    "cut, without a length": always(answer(body=FILE[:50_000], length=False)),
    "a byte too many": always(answer(body=FILE + b"\n")),
}

# Lengths and other headers that cannot be.
HEADERS = {
    f"{name}: {value[:20]!r}": always(answer(f"{name}: {value}", length=False))
    for name, values in {
        "Content-Length": (
            DIGITS, "9" * 18, "9" * 30, "-5", "-1", "+60000", "1e9", "0xea60", "6_0000", "60000.0",
            "٦٠٠٠٠", "60 000", "60000, 60001", "", "\x1b[31m", "59999", "60001", "0", "10",
        ),
        "Transfer-Encoding": ("gzip", "gzip, chunked", "\x1b[31m", "chunked, chunked", "compress"),
        "Content-Encoding": ("gzip", "br", "zstd", "deflate", "gzip, identity", "x" * 5000),
    }.items()
    for value in values
}  # fmt: skip
HEADERS |= {
    "two lengths": always(
        answer("Content-Length: 60000", "Content-Length: 50000", length=False)
    ),
    "a gzip bomb": always(
        answer("Content-Encoding: gzip", body=gzip.compress(bytes(50_000_000), 1))
    ),
    "300 headers": always(answer(*(f"X-{i}: y" for i in range(300)))),
    "a header of 70 kB": always(answer("X: " + "y" * 70_000)),
    "endless headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "an endless header": endless(b"HTTP/1.1 200 OK\r\nX: "),
    "endless 1xx": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "no status line": always(b"SSH-2.0-OpenSSH_9.6\r\n" * 3),
    "HTTP/0.9": always(FILE),
    "a status of 5,000 digits": always(answer(status=f"{DIGITS} OK")),
    "a negative status": always(answer(status="-200 OK")),
    "a status of letters": always(answer(status="two hundred")),
    "no answer": always(b""),
    "a reset": always(RESET),
    "a reset in the body": always(answer()[:20_000], RESET),
    "always cut": always(answer('ETag: "one"')[:100]),
    "a ring of 416": always(answer(status="416 x", body=b"")),
    "a part that nobody asked for": lambda request: iter([part(0)]),
    "parts of an unknown size": unknown_total,
}  # fmt: skip


def chunked(*chunks):
    """An answer of raw chunks."""
    start = answer("Transfer-Encoding: chunked", body=b"", length=False)
    return always(start, *chunks)


CHUNKED = b"\x80\x04" + bytes(9998)
CHUNKS = {
    "a size of 5,000 digits": chunked(DIGITS.encode() + b"\r\n", FILE),
    "a size of 70 kB": chunked(b"0" * 70_000 + b"1\r\n", FILE),
    "a negative size": chunked(b"-5\r\n", FILE),
    "a size that is none": chunked(b"zz\r\n", FILE),
    "no size": chunked(b"\r\n", FILE),
    "too large a size": chunked(b"fffffff\r\n", FILE),
    "no last chunk": chunked(b"ea60\r\n", FILE, b"\r\n"),
    "an endless size": endless(answer("Transfer-Encoding: chunked", body=b"", length=False), b"0"),
    "an endless comment": endless(
        answer("Transfer-Encoding: chunked", body=b"1;", length=False), b"x"
    ),
    "endless trailers": endless(
        answer("Transfer-Encoding: chunked", body=b"ea60\r\n" + FILE + b"\r\n0\r\n", length=False),
        b"X: y\r\n" * 1000,
    ),
    "endless chunks": endless(
        answer("Transfer-Encoding: chunked", body=b"", length=False),
        b"2710\r\n" + CHUNKED + b"\r\n",
    ),
    "chunks and a shorter length": always(
        answer("Transfer-Encoding: chunked", "Content-Length: 50000", body=b"", length=False),
        b"ea60\r\n" + FILE + b"\r\n0\r\n\r\n",
    ),
}
ENDLESS = {
    "an endless body": endless(answer(body=b"\x80\x04", length=False), bytes(65536)),
    "an endless page": endless(answer(body=PAGE, length=False), b" " * 65536),
    "an endless redirect": endless(
        answer("Location: /w.pkl", status="302 Found", body=b"", length=False)
    ),
    "an endless error": endless(answer(status="404 Not Found", body=b"", length=False)),
}

STATUSES = {
    f"{status} {more[:30]}".strip(): always(answer(*filter(None, [more]), status=status, body=b""))
    for status, more in [
        *((f"{n} x", "") for n in (201, 203, 204, 205, 207, 226, 300, 304, 305, 306, 400, 401)),
        *((f"{n} x", "") for n in (402, 403, 404, 406, 407, 410, 418, 451, 500, 501, 502, 503)),
        *((f"{n} x", "") for n in (504, 511)),
        ("302 x", ""), ("302 x", "Location: "), ("304 x", "Location: /w.pkl"),
        ("101 Switching", "Upgrade: x"), ("103 Early Hints", ""), ("999 x", ""), ("600 x", ""),
        ("429 x", "Retry-After: 31536000"), ("503 x", f"Retry-After: {DIGITS}"),
        ("503 x", "Retry-After: -5"), ("503 x", "Retry-After: 1e9"), ("503 x", "Retry-After: ٣"),
        ("503 x", "Retry-After: "), ("503 x", "Retry-After: nan"), ("503 x", "Retry-After: inf"),
        ("503 x", "Retry-After: Fri, 31 Dec 99999999999 23:59:59 GMT"),
        ("503 x", "Retry-After: Fri, 31 Dec 9999 23:59:59 -9999"),
        ("429 x", "Retry-After: Fri, 31 Dec 2999 23:59:59 GMT"),
        ("503 x", "Retry-After: Fri, 99 Foo 2026 99:99:99 +999999999"),
        ("404 \x1b[31mred\x1b[0m\x07", ""), ("404 " + "x" * 60_000, ""), ("404 \xff\xfe", ""),
    ]
}  # fmt: skip
REDIRECTS = {
    f"to {to[:40]}": always(answer(f"Location: {to}", status="302 Found", body=b""))
    for to in (
        "file:///etc/hostname", "ftp://127.0.0.1/w", "data:,x", "javascript:alert(1)", "gopher://x",
        "/w.pkl", "http://[", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:x/",
        "http:///w", "http://", "//", "http://me:secret@127.0.0.1:0/", "http://me:secret@[/",
        "https://me:secret@nowhere.invalid/w", "/" + "x" * 60_000, "\x1b[2Jx", "http://\udcff/",
        "http://xn--/", "http://" + "a" * 300 + "/", "http://a..b/", "http://*/", "\\\\host\\x",
        "http://me:se cret@127.0.0.1:1/", "?" + "a=b&" * 10, "http://1.2.3.4.5.6/",
    )
}  # fmt: skip
REDIRECTS["ever further"] = lambda request: iter(
    [answer(f"Location: /{request.number}", status="301 Moved", body=b"")]
)

# Each in its own time; with limits far below the usual.
SLOW = {
    "never an answer": always(9.0),
    "never a body": always(answer()[: -len(FILE)], 9.0),
    "slow headers": endless(b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.01),
    "slow 1xx": endless(b"", b"HTTP/1.1 100 C\r\n\r\n", 0.02),
    "a slow body": endless(answer(body=b"", length=False), b"\x80", 0.01),
    "a slow body of known length": endless(answer()[: 100 - len(FILE)], b"y", 0.01),
    "slow chunks": endless(
        answer("Transfer-Encoding: chunked", body=b"", length=False), b"1\r\ny\r\n", 0.02
    ),
    "slow trailers": endless(
        answer("Transfer-Encoding: chunked", body=b"ea60\r\n" + FILE + b"\r\n0\r\n", length=False),
        b"X: y\r\n", 0.02,
    ),
    "a slow redirect": endless(b"HTTP/1.1 302 Found\r\nLocation: /", b"x", 0.01),
}  # fmt: skip

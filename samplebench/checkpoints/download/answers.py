"""What the headers of an HTTP answer say."""

from __future__ import annotations

import re

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from samplebench.checkpoints.download.partial import Whole

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_PAGES = ("text/html", "application/xhtml+xml")


def whole(answer: requests.Response, url: str) -> Whole:
    """The file that an answer holds, or holds a part of.

    Args:
        answer: of status 200 or 206.
        url: that was asked, before redirects.
    """
    etag, size = answer.headers.get("ETag", ""), length(answer)
    if answer.status_code == 206:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        size = int(found[2]) if found and found[2] != "*" else None
    # If-Range takes strong tags only (RFC 9110, 13.1.5).
    strong = "" if etag.startswith("W/") else etag
    return Whole(url, strong, answer.headers.get("Last-Modified", ""), size)


def offset(answer: requests.Response) -> int | None:
    """Where the bytes of a 206 answer begin; None where it does not say."""
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def length(answer: requests.Response) -> int | None:
    """Bytes to come; None where it does not say."""
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def is_page(answer: requests.Response) -> bool:
    """Whether it calls itself an HTML page."""
    kind = answer.headers.get("Content-Type", "")
    return kind.partition(";")[0].strip().lower() in _PAGES


def retry_after(answer: requests.Response) -> float | None:
    """Seconds that the server asks to wait, given as such or as a date."""
    text = answer.headers.get("Retry-After")
    try:
        return None if text is None else Retry().parse_retry_after(text)
    except InvalidHeader:
        return None


def words(answer: requests.Response) -> str:
    """Its status, e.g. "404 Not Found"."""
    return f"{answer.status_code} {answer.reason or ''}".strip()

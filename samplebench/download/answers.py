"""What the headers of an HTTP answer say; none of it is believed to be well-formed."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests

from samplebench.download.partial import Whole
from samplebench.download.words import harmless, number, sendable

_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class Stretch:
    """The part of a file that a 206 answer says it holds.

    Attributes:
        start: offset of its first byte.
        end: offset behind its last byte.
        total: size of the whole file; None where it does not say.
    """

    start: int
    end: int
    total: int | None


def whole(answer: requests.Response, url: str) -> Whole:
    """The file that an answer holds, or holds a part of.

    Args:
        answer: of status 200 or 206.
        url: that was asked, before redirects.
    """
    etag, modified = (
        text if sendable(text) else ""
        for text in (answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    )
    size = length(answer)
    if answer.status_code == 206:
        found = stretch(answer)
        size = found.total if found else None
    # If-Range takes strong tags only (RFC 9110, 13.1.5).
    strong = "" if etag.startswith("W/") else etag
    return Whole(url, strong, modified, size)


def stretch(answer: requests.Response) -> Stretch | None:
    """What a 206 answer holds; None where it says nothing that can be."""
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if not found:
        return None
    start, end = int(found[1]), int(found[2]) + 1
    total = None if found[3] == "*" else int(found[3])
    if not start < end or (total is not None and end > total):
        return None
    return Stretch(start, end, total) if length(answer) in (None, end - start) else None


def length(answer: requests.Response) -> int | None:
    """Bytes to come; None where it does not say, or says what cannot be."""
    # One that is repeated arrives as a list.
    found = {text.strip() for text in answer.headers.get("Content-Length", "").split(",")}
    return number(found.pop()) if len(found) == 1 else None


def unclear(answer: requests.Response) -> str | None:
    """Why nobody could tell where its body ends, as the rest of a sentence."""
    given = answer.headers.get("Content-Length")
    if given is not None and length(answer) is None:
        return f"has an impossible length ({harmless(given, 40)!r})"
    coding = answer.headers.get("Transfer-Encoding", "chunked").strip().lower()
    if coding not in ("chunked", "identity"):
        return f"is encoded in transit ({harmless(coding, 40)!r}), which was not requested"
    if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return "is compressed in transit, which was not requested"
    return None


def is_page(answer: requests.Response) -> bool:
    """Whether it calls itself an HTML page."""
    kind = answer.headers.get("Content-Type", "")
    return kind.partition(";")[0].strip().lower() in _PAGES


def retry_after(answer: requests.Response) -> float | None:
    """Seconds that the server asks to wait, given as such or as a date; None: nothing that is."""
    text = answer.headers.get("Retry-After", "").strip()
    if (seconds := number(text)) is not None:
        return float(seconds)
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=datetime.UTC)
        return max(0.0, (date - datetime.datetime.now(datetime.UTC)).total_seconds())
    # Its fields may be of any size.
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def words(answer: requests.Response) -> str:
    """Its status, e.g. "404 Not Found"."""
    return f"{answer.status_code} {harmless(answer.reason or '', 60)}".strip()

"""What kind of file the first and last bytes show: the released container, or what came instead."""

from __future__ import annotations

import zipfile
from pathlib import Path

from samplebench.download.words import harmless
from samplebench.files.beginnings import POINTERS, marked

# Bytes that are looked at.
HEAD = 4096
_PAGES = (b"<!doctype html", b"<html")
# What stands in the place of a file most often: none of them can be a released file.
_STAND_INS = (
    (POINTERS, "a Git LFS pointer (the mirror is a clone without LFS)"),
    (b"<?xml", "an XML answer"),
    (b"<error", "an XML answer"),
    (b"<!doctype", "a web page (HTML)"),
    (b"<head", "a web page (HTML)"),
    (b"<body", "a web page (HTML)"),
)
_PICKLE = tuple(b"\x80" + bytes([protocol]) for protocol in (2, 3, 4, 5))
_ZIP = (b"PK\x03\x04",)
# By container: how a released file begins, and what it is called.
_CONTAINERS = {
    "pickle": (_PICKLE, "a pickle"),
    "torch": ((*_ZIP, *_PICKLE), "a file of torch.save"),
    "npz": (_ZIP, "an npz file"),
    # A map of up to 15, of up to 2^16 - 1, of more keys (msgpack's specification).
    "msgpack": ((*(bytes([0x80 + n]) for n in range(16)), b"\xde", b"\xdf"), "a msgpack file"),
}
# Of a checkpoint's format.
OF_FORMAT = {
    "edm": "pickle",
    "edm2": "pickle",
    "score-sde": "torch",
    "openai": "torch",
    "ddim": "torch",
    "gddim": "msgpack",
    "exact": "npz",
    "exact-linear": "npz",
}


def looks_like_page(head: bytes) -> bool:
    """Whether a file's first bytes are those of an HTML page."""
    return _text(head).startswith(_PAGES)


def wrong_head(head: bytes, container: str) -> str | None:
    """What is wrong with a file's first bytes, as the rest of a sentence.

    Args:
        head: up to `HEAD` of them.
        container: a key of `_CONTAINERS`; "": any file that is no well-known stand-in.
    """
    if looks_like_page(head):
        return "is a web page (HTML), not the file"
    text = _text(head)
    for start, name in _STAND_INS:
        if text.startswith(start):
            return f"is {name}, not the file"
    if not head or container not in _CONTAINERS:
        return None
    starts, called = _CONTAINERS[container]
    return None if head.startswith(starts) else f"is {_named(head)}, not {called}"


def wrong_tail(path: Path, container: str) -> str | None:
    """What is wrong with a file's end: one that was cut short lacks it."""
    head = _first(path)
    if container in ("npz", "torch") and head.startswith(_ZIP) and not zipfile.is_zipfile(path):
        return "is a truncated zip file"
    if container == "pickle":
        with path.open("rb") as file:
            file.seek(-1, 2)
            if file.read(1) != b".":
                return "is a truncated pickle"
    return None


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _text(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()


def _named(head: bytes) -> str:
    if found := marked(head):
        return found
    try:
        # A character may be cut in two.
        text = head.decode("utf-8", errors="strict" if len(head) < HEAD else "ignore")
    except ValueError:
        return "some other file"
    if any(not (c.isprintable() or c.isspace()) for c in text):
        return "some other file"
    kind = "JSON" if text.lstrip().startswith(("{", "[")) else "text"
    return f"{kind} ({harmless(text, 60)!r})"

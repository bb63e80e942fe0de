"""What others sent, in messages: one short line without control characters or passwords."""

from __future__ import annotations

import re

from samplebench.errors import in_one_line

_USER = re.compile(r"(?<=//)[^/?#\s]*@")


def harmless(text: object, most: int = 200) -> str:
    """Printable characters only, no password of an address, `most` characters at most."""
    line = in_one_line(_USER.sub("", str(text))[: 20 * most])
    return line if len(line) <= most else f"{line[: most - 4]} ..."


def sendable(text: str) -> bool:
    """Whether what a server said can be sent back to it in a header."""
    return text.isascii() and text.isprintable() and text == text.strip() and len(text) <= 1000


def number(text: str) -> int | None:
    """A whole number of ASCII digits from 0 to 10^18; None: something else."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None

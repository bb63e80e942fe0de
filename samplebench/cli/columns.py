"""Tables in a terminal: aligned columns that fit its width, or a block of lines for each row."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

_GAP = "  "
# Where a word that is too long for its column is broken: not inside a number.
_BREAKS = re.compile(r"(?<=[-_+:/,=|;.])(?=\D)")


def room() -> int | None:
    """Columns of the terminal; None where the output goes elsewhere and has no width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def aligned(cells: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """The lines of a table.

    Columns that together are wider than there is room are wrapped, the widest first, at spaces
    and, where that is not enough, inside words; those on the left keep their words longest. Where
    nothing helps each row becomes lines of its own, a name and a value in each.

    Args:
        cells: the heads, then the rows.
        width: of the terminal; None for no limit.
    """
    columns = list(zip(*cells, strict=True))
    widths = [max(map(taken, column)) for column in columns]
    if width is not None and _total(widths) > width:
        least = [_longest(_pieces(column)) for column in columns]
        if _total(least) > width:
            yield from _blocks(cells, width)
            return
        widths = _shared(widths, _whole_words(columns, least, width), width)
    for line in cells:
        wrapped = [
            [text] if taken(text) <= w else wrap(text, w)
            for text, w in zip(line, widths, strict=True)
        ]
        for i in range(max(map(len, wrapped))):
            parts = [part[i] if i < len(part) else "" for part in wrapped]
            padded = [text + " " * (w - taken(text)) for text, w in zip(parts, widths, strict=True)]
            yield _GAP.join(padded).rstrip()


def taken(text: str) -> int:
    """Columns of a terminal that a text takes: East Asian wide letters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else
        2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )  # fmt: skip


def wrap(text: str, width: int, whole: bool = False) -> list[str]:
    """Lines of at most `width`, broken at spaces, in words only where they are longer.

    Args:
        whole: words are never broken, so that an id or a path can be copied.
    """
    lines = [""]
    for word in text.split():
        for i, piece in enumerate([word] if whole else _broken(word, width)):
            joined = f"{lines[-1]} {piece}".strip()
            if i or (lines[-1] and taken(joined) > width):
                lines.append(piece)
            else:
                lines[-1] = joined
    return lines


def _broken(word: str, width: int) -> list[str]:
    lines = [""]
    for piece in _BREAKS.split(word):
        if lines[-1] and taken(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _longest(texts: Iterable[str]) -> int:
    return max(map(taken, texts), default=0)


def _pieces(column: Iterable[str]) -> list[str]:
    return [piece for text in column for word in text.split() for piece in _BREAKS.split(word)]


def _whole_words(
    columns: Sequence[Sequence[str]], least: Sequence[int], width: int
) -> Sequence[int]:
    """The least widths, with those of whole words from the left as far as there is room."""
    found = list(least)
    for i, column in enumerate(columns):
        whole = _longest(word for text in column for word in text.split())
        if _total([*found[:i], whole, *found[i + 1 :]]) <= width:
            found[i] = whole
    return found


def _shared(natural: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Widths that fit: every column its own, but none beyond the greatest cap that leaves room."""
    cap = max(natural)
    while True:
        found = [max(low, min(cap, own)) for own, low in zip(natural, least, strict=True)]
        if _total(found) <= width:
            return found
        cap -= 1


def _blocks(cells: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    heads, *rows = cells
    first = _longest(heads)
    for place, row in enumerate(rows):
        if place:
            yield ""
        for head, text in zip(heads, row, strict=True):
            start = head + " " * (first - taken(head)) + _GAP
            for line in wrap(text, max(1, width - first - len(_GAP)), whole=True):
                yield (start + line).rstrip()
                start = " " * (first + len(_GAP))

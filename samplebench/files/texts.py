"""Reading text files that others wrote: UTF-8, TOML and JSON, in bounded time.

Every fault but those of `read_json` is a ValueError whose text says in a few words what is wrong
with the content; whoever reads a file knows what it is called and what to do then.
"""

from __future__ import annotations

import codecs
import datetime
import json
import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from samplebench.errors import InputError
from samplebench.files.atomic import regular

# tomllib takes the square of a key's parts.
MOST_TOML = 1024**2
MOST_TEXT = 64 * 1024**2
# What is nested deeper than this has no meaning here, and stops whoever walks through it.
_MOST_DEPTH = 50
# As many digits have a meaning as a count, a size or a seed.
_MOST_DIGITS = 40
# Longer ones first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"),
)  # fmt: skip
_PARTS = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){{{_MOST_DEPTH}}}")


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file.

    Args:
        path: of the file.
        most: bytes.

    Raises:
        OSError: it cannot be read.
        InputError: a pipe or a device is there.
        ValueError: it is larger.
    """
    if not path.is_dir():  # which no system opens
        regular(path)
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"larger than {most:,} bytes")
    return data


def decoded(data: bytes, *, zeros: bool = False) -> str:
    """Text in UTF-8, without the byte order mark that editors put before it.

    Args:
        data: of a file.
        zeros: whether zero bytes are characters, which the reader tells by their place.

    Raises:
        ValueError: another encoding, with what to do; zero bytes.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise ValueError(f"in {name}, not UTF-8; save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    place = data.find(b"\0")
    if 0 <= place < 2 or (place >= 0 and not zeros):
        # UTF-16 without its mark has every other byte of plain text zero.
        kind = "in UTF-16, not UTF-8; save it as UTF-8" if place < 2 else "not text: a zero byte"
        raise ValueError(f"{kind} (at {position(data[:place])})")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (at {position(data[: error.start])})") from None


def position(before: bytes) -> str:
    """Where something is, from what stands before it: "line 3, column 1"."""
    lines = before.split(b"\n")
    return f"line {len(lines)}, column {len(lines[-1].decode(errors='replace')) + 1}"


def toml(data: bytes, *, dates: bool = False) -> dict[str, Any]:
    """A TOML document of texts, numbers, truth values, lists and tables.

    Args:
        data: UTF-8.
        dates: whether the reader tells dates and times by their place.

    Raises:
        ValueError: it is none, or holds dates, numbers of no meaning or tables in tables in tables.
    """
    text = decoded(data)
    if _PARTS.search(text):
        raise ValueError("nested too deeply")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # tomllib names line and column, except of a file that ends too early.
        ending = position(data.removeprefix(codecs.BOM_UTF8))
        raise ValueError(
            str(error).replace("at end of document", f"at {ending}, the end")
        ) from None
    except ValueError as error:  # a number too long for Python, a date that is none
        raise ValueError(str(error).partition(";")[0]) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    check(content, dates=dates)
    return content


def json_value(data: bytes, *, lenient: bool = False) -> Any:
    """The value of a JSON document whose objects have each key once.

    Args:
        data: UTF-8.
        lenient: whether NaN and Infinity, which JSON does not have, and numbers of too many digits
            are read as floats.

    Raises:
        ValueError: it is none.
    """
    try:
        content = json.loads(
            decoded(data),
            object_pairs_hook=_once,
            parse_int=_rounded if lenient else _whole,
            parse_constant=float if lenient else _no_constant,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    check(content)
    return content


def read_json(path: Path, what: str, *, most: int = MOST_TEXT, lenient: bool = False) -> Any:
    """The value of a JSON file.

    Args:
        path: of the file.
        what: it is, for messages.
        most: bytes.
        lenient: as of `json_value`.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    try:
        return json_value(read_bytes(path, most), lenient=lenient)
    except OSError as error:
        raise InputError(f"{what} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{what} is not JSON: {error}") from None


def check(content: Any, *, dates: bool = False) -> None:
    """Raises ValueError for what no reader here can mean: see `toml`."""
    level, depth = [content], 0
    while level:
        depth += 1
        if depth > _MOST_DEPTH:
            raise ValueError("nested too deeply")
        below: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                below += part.values()
            elif isinstance(part, list):
                below += part
            elif isinstance(part, datetime.date | datetime.time) and not dates:
                raise ValueError(f"{part} is a date or a time; put it in quotes")
            elif isinstance(part, int) and abs(part) >= 10**_MOST_DIGITS:
                raise ValueError(f"a number of more than {_MOST_DIGITS} digits")
        level = below


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS + 1:
        raise ValueError(f"a number of more than {_MOST_DIGITS} digits")
    return int(digits)


def _rounded(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")

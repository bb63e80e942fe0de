"""CSV as spreadsheets leave it: what is unambiguous is read, what they changed is refused.

A spreadsheet of another country separates by semicolons or tabs and writes decimal commas; all of
them turn what looks like a date into one, and shorten long numbers.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from samplebench.results.columns import HASH, shown
from samplebench.results.row import COUNTED, INTEGERS, STRINGS

_SEPARATORS = (",", ";", "\t")
# Excel's own first line, "sep=;".
_ANNOUNCED = re.compile(r'"?sep=([,;\t])"?')
_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+([eE][-+]?[0-9]+)?")
_POINT = re.compile(r"[-+]?[0-9]*\.[0-9]*([eE][-+]?[0-9]+)?")
# One and a bit, or thousands.
_THREES = re.compile(r"[-+]?[1-9][0-9]{0,2}([.,])[0-9]{3}(\1[0-9]{3})*")
_SHORTENED = re.compile(r"[-+]?[0-9]+([.,]([0-9]*))?[eE]\+?([0-9]{1,3})")
_MONTHS = "jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_DATE = re.compile(
    rf"\d{{1,4}}[-./]\d{{1,2}}[-./]\d{{1,4}}|\d{{1,2}}[-./ ]?({_MONTHS})\w*\.?([-./ ]\d{{1,4}})?"
    rf"|({_MONTHS})\w*\.?[-./ ]\d{{1,4}}|\d{{1,2}}:\d{{2}}(:\d{{2}})?",
    re.IGNORECASE,
)
# Characters in which the names of the columns begin.
_HEAD = 1 << 16
_CHANGED = "a spreadsheet changed it; take the file that samplebench wrote"


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes:
        head: names of the columns.
        rows: the line that each ends in, and as many entries as the head has.
        commas: whether its numbers have decimal commas.
    """

    head: list[str]
    rows: list[tuple[int, list[str]]]
    commas: bool

    def plain(self, column: str, text: str) -> str:
        """An entry with a decimal point, where it is a number.

        Raises:
            ValueError: it can be two numbers, or a spreadsheet made something else of it.
        """
        if column == "cell":
            for word in text.split(" "):
                _check_hash(word)
            return text
        if column in STRINGS:
            if column == "discretization" and _DATE.fullmatch(text):
                raise ValueError(f"{column} is {shown(text)}, a date: {_CHANGED}")
            return text
        return self._number(column, text)

    def _number(self, column: str, text: str) -> str:
        if _DATE.fullmatch(text) and not _POINT.fullmatch(text):
            raise ValueError(f"{column} is {shown(text)}, a date: {_CHANGED}")
        if column in INTEGERS:
            if (found := _SHORTENED.fullmatch(text)) and len(found[2] or "") < int(found[3]):
                raise ValueError(f"{column} is {shown(text)}, shortened: {_CHANGED}")
            thousands = _THREES.fullmatch(text)
            whole = column not in COUNTED
            if thousands and (whole or self.commas or text.endswith("000")):
                raise ValueError(
                    f"{column} is {shown(text)}, a number with thousands marked or a fraction; "
                    "save it without"
                )
        if self.commas and _COMMA.fullmatch(text):
            return text.replace(",", ".")
        return text


def parse(text: str) -> TextTable:
    """The table in a text.

    Raises:
        ValueError: naming the first line that is not as long as the head, or why the numbers can
            be read in two ways.
    """
    lines = text[:_HEAD].splitlines()
    announced = _ANNOUNCED.fullmatch(lines[0].strip()) if lines else None
    separator = announced[1] if announced else _separator(lines)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        table = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
    if announced:
        del table[0]
    if not table:
        return TextTable([], [], False)
    (first, named), *body = table
    head = _without_end(named)
    _check_head(first, head)
    rows = []
    for line, entries in body:
        if any(entries[len(head) :]) or len(entries) < len(head):
            raise ValueError(f"line {line}: {len(entries)} entries below {len(head)} columns")
        rows.append((line, entries[: len(head)]))
    return TextTable(head, rows, _commas(head, (row for _, row in rows)))


def _separator(lines: Sequence[str]) -> str:
    """What separates the names of the first line that has any; no name holds one of them."""
    first = next((line for line in lines if line.strip(",;\t ")), "")
    return max(_SEPARATORS, key=first.count)


def _without_end(names: list[str]) -> list[str]:
    """A head without the empty columns that a spreadsheet puts behind it."""
    width = max((i for i, name in enumerate(names, 1) if name), default=0)
    return names[:width]


def _check_head(line: int, head: Sequence[str]) -> None:
    for column in head:
        if not column:
            raise ValueError(f"line {line}: a column has no name")
        if head.count(column) > 1:
            raise ValueError(f"line {line}: column {shown(column)} occurs twice")


def _commas(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    """Whether numbers have decimal commas: some that can be nothing else, and no point anywhere.

    "1,234" alone says nothing: it may be thousands.
    """
    numbers = [
        text
        for row in rows
        for column, text in zip(head, row, strict=True)
        if column not in STRINGS
    ]
    points = any(map(_POINT.fullmatch, numbers))
    commas = any(_COMMA.fullmatch(text) and not _THREES.fullmatch(text) for text in numbers)
    return commas and not points


def _check_hash(word: str) -> None:
    if HASH.fullmatch(word):
        return
    if _SHORTENED.fullmatch(word) or _DATE.fullmatch(word) or word.startswith("#"):
        raise ValueError(f"cell is {shown(word)}, not a hash: {_CHANGED}")

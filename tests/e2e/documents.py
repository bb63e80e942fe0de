"""The code blocks of a Markdown document, each of a known kind."""

from __future__ import annotations

import ast
import shlex
from dataclasses import dataclass
from pathlib import Path

# First words of a command; all that is neither one nor Python is a listing.
COMMANDS = ("samplebench", "python", "pip", "make")


@dataclass(frozen=True)
class Part:
    """One command, one Python or TOML block, or what a program printed.

    Attributes:
        kind: "command", "python", "toml" or "listing".
        line: of the document, from 1.
    """

    kind: str
    line: int
    text: str


def parts_of(path: Path) -> list[Part]:
    """All code blocks of a document, fenced or indented, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found, i = [], 0
    while i < len(lines):
        start = i
        if lines[i].startswith("```"):
            kind, i = lines[i][3:], lines.index("```", i + 1)
            found += _parts(kind, start + 2, lines[start + 1 : i])
        elif lines[i].startswith("    ") and not lines[i - 1].strip():
            while i + 1 < len(lines) and (lines[i + 1].startswith("    ") or not lines[i + 1]):
                i += 1
            found += _parts("", start + 1, [line[4:] for line in lines[start : i + 1]])
        i += 1
    return found


def _parts(kind: str, line: int, lines: list[str]) -> list[Part]:
    if kind in ("python", "toml"):
        return [Part(kind, line, "\n".join(lines))]
    found: list[Part] = []
    while lines:
        count = 1
        if lines[0].split(" ")[0] in COMMANDS:
            while lines[count - 1].endswith("\\"):
                count += 1
            found.append(Part("command", line, "\n".join(lines[:count])))
        elif lines[0]:
            later = [i for i, text in enumerate(lines) if text.split(" ")[0] in COMMANDS]
            count = later[0] if later else len(lines)
            text = "\n".join(lines[:count])
            found.append(Part("python" if _is_python(text) else "listing", line, text))
        lines, line = lines[count:], line + count
    return found


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def words_of(part: Part) -> list[str]:
    return shlex.split(part.text.replace("\\\n", " "), comments=True)

"""What a LaTeX engine would make of our tables: groups, columns of a line, text of a cell."""

from __future__ import annotations

import re
import unicodedata

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
_SYMBOLS = {
    r"\textbackslash": "\\", r"\textasciitilde": "~", r"\textasciicircum": "^",
    r"\textendash": "–", r"\textemdash": "—", r"\textquoteleft": "‘", r"\textquoteright": "’",
    r"\textquotedblleft": "“", r"\textquotedblright": "”", r"\dots": "…", r"\ss": "ß",
    r"\ae": "æ", r"\AE": "Æ", r"\o": "ø", r"\O": "Ø", r"\aa": "å", r"\AA": "Å", r"\l": "ł",
    r"\L": "Ł", r"\oe": "œ", r"\OE": "Œ", r"\S": "§", r"\P": "¶", r"\dag": "†", r"\ddag": "‡",
    r"\copyright": "©", r"\pm": "±", r"\times": "×", r"\cdot": "·", r"\leq": "≤", r"\geq": "≥",
    r"\neq": "≠", r"\approx": "≈", r"\infty": "∞", r"\rightarrow": "→", r"\leftarrow": "←",
    r"\uparrow": "↑", r"\downarrow": "↓", r"\surd": "√", r"\partial": "∂", r"\nabla": "∇",
    r"\in": "∈", r"\varsigma": "ς", r"\circ": "°",
}  # fmt: skip
_MARKS = {"`": 0x300, "'": 0x301, "^": 0x302, "~": 0x303, "=": 0x304, "u": 0x306, ".": 0x307,
          '"': 0x308, "r": 0x30A, "H": 0x30B, "v": 0x30C, "c": 0x327}  # fmt: skip


def tokens(latex: str) -> list[str]:
    """Commands and single characters."""
    return _TOKEN.findall(latex)


def faults(latex: str) -> list[str]:
    """Why LaTeX would stop, or read something as an order."""
    found, depth, maths = [], 0, False
    for token in tokens(latex):
        depth += {"{": 1, "}": -1}.get(token, 0)
        maths ^= token == "$"
        if depth < 0:
            found.append("a brace closes nothing")
        if token in "#%~" or (token in ("^", "_") and not maths):
            found.append(f"{token} is live")
        if token != "\n" and not (token.isascii() and token.isprintable()):
            found.append(f"{token!a} is not ASCII")
    return found + ["a brace is open"] * (depth != 0) + ["mathematics is open"] * maths


def columns(line: str) -> list[str]:
    """The cells of a line, without its end."""
    assert line.endswith(r" \\"), line
    found = [""]
    for token in tokens(line.removesuffix(r" \\")):
        if token == "&":
            found.append("")
        else:
            found[-1] += token
    return [cell.strip(" ") for cell in found]


def read(latex: str) -> str:
    """The text that is set. "(U+65E5)" is the letter of that code."""
    made, todo = [], tokens(latex)
    while todo:
        token = todo.pop(0)
        if token == r"\char":
            digits = ""
            while todo[0].isdigit():
                digits += todo.pop(0)
            made.append(chr(int(digits)))
        elif token == r"\mathrm":
            _, letter, _ = (todo.pop(0) for _ in range(3))
            made.append(next(chr(c) for c in range(0x391, 0x3C0) if _looks(chr(c), letter)))
        elif token in ("\\i", "\\j"):
            made.append({"\\i": "ı", "\\j": "ȷ"}[token])
        elif token in _SYMBOLS:
            made.append(_SYMBOLS[token])
        elif token[0] == "\\" and token[1:] in _MARKS:
            inner = ""
            assert todo.pop(0) == "{"
            while (each := todo.pop(0)) != "}":
                inner += each
            letter = inner.removeprefix("\\")
            made.append(unicodedata.normalize("NFC", letter + chr(_MARKS[token[1:]])))
        elif len(token) > 2:
            case = "SMALL" if token[1].islower() else "CAPITAL"
            name = token[1:].upper().replace("LAMBDA", "LAMDA")
            made.append(unicodedata.lookup(f"GREEK {case} LETTER {name}"))
        elif len(token) == 2:
            made.append(token[1])
        elif token not in "{}$^":
            made.append(token)
    text = "".join(made)
    return re.sub(r"\(U\+([0-9A-F]{4,6})\)", lambda found: chr(int(found[1], 16)), text)


def _looks(greek: str, latin: str) -> bool:
    name = unicodedata.name(greek, "")
    like = dict(A="ALPHA", B="BETA", E="EPSILON", Z="ZETA", H="ETA", I="IOTA", K="KAPPA", M="MU",
                N="NU", O="OMICRON", P="RHO", T="TAU", X="CHI")  # fmt: skip
    return name == f"GREEK CAPITAL LETTER {like[latin]}"

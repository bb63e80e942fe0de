"""Any text as LaTeX of ASCII letters alone, for every engine and font encoding."""

from __future__ import annotations

import re
import unicodedata

from samplebench.results.fields import printable

# What LaTeX reads as an order, and "[" and "*", which it reads as one at the start of a line.
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": "$<$", ">": "$>$", "|": "$|$", '"': r"\char34{}", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
# Beyond ASCII; mathematics without its dollars.
_MATHS = {
    "±": r"\pm", "×": r"\times", "·": r"\cdot", "−": "-", "≤": r"\leq", "≥": r"\geq",
    "≠": r"\neq", "≈": r"\approx", "∞": r"\infty", "→": r"\rightarrow", "←": r"\leftarrow",
    "↑": r"\uparrow", "↓": r"\downarrow", "√": r"\surd", "∂": r"\partial", "∇": r"\nabla",
    "µ": r"\mu", "²": "^{2}", "³": "^{3}", "¹": "^{1}", "°": r"^{\circ}", "∈": r"\in",
}  # fmt: skip
_TEXTS = {
    "–": r"\textendash{}", "—": r"\textemdash{}", "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}", "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}",
    "…": r"\dots{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "å": r"\aa{}",
    "Å": r"\AA{}", "ł": r"\l{}", "Ł": r"\L{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ı": r"\i{}",
    "§": r"\S{}", "¶": r"\P{}", "†": r"\dag{}", "‡": r"\ddag{}", "©": r"\copyright{}",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (?:(FINAL) )?([A-Z]+)")
# Capital letters that have the form of a Latin one have no name in LaTeX, and nor has omicron.
_LATIN = {
    "ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H", "IOTA": "I", "KAPPA": "K",
    "MU": "M", "NU": "N", "OMICRON": "O", "RHO": "P", "TAU": "T", "CHI": "X",
}  # fmt: skip
# Two of a kind that fonts join to another character, or a mark that they turn.
_JOINED = re.compile(r"([-',`])(?=\1)|([?!])(?=`)")


def tex(text: str) -> str:
    """Text that LaTeX sets as it is, whatever it holds.

    Letters that LaTeX has no plain name for stand as their code point, e.g. (U+65E5).
    """
    parted = _JOINED.sub(lambda found: f"{found[0]}\0", printable(text))
    return "".join("{}" if each == "\0" else _letter(each) for each in parted)


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isascii():
        return letter
    if letter in _MATHS:
        return f"${_MATHS[letter]}$"
    return _TEXTS.get(letter) or _greek(letter) or _accented(letter) or f"(U+{ord(letter):04X})"


def _greek(letter: str) -> str:
    """E.g. $\\rho$; "" for other letters."""
    found = _GREEK.fullmatch(unicodedata.name(letter, ""))
    if found is None:
        return ""
    case, final, name = found.groups()
    name = {"LAMDA": "LAMBDA"}.get(name, name)
    if name in _LATIN and (case == "CAPITAL" or name == "OMICRON"):
        latin = _LATIN[name]
        return rf"$\mathrm{{{latin}}}$" if case == "CAPITAL" else f"${latin.lower()}$"
    if name not in _NAMED:
        return ""
    return f"$\\{'var' * bool(final)}{name.lower() if case == 'SMALL' else name.capitalize()}$"


_NAMED = frozenset(
    "ALPHA BETA GAMMA DELTA EPSILON ZETA ETA THETA IOTA KAPPA LAMBDA MU NU XI PI RHO SIGMA TAU "
    "UPSILON PHI CHI PSI OMEGA".split()
)


def _accented(letter: str) -> str:
    """A Latin letter with one accent; "" for others."""
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) != 2 or not (parts[0].isascii() and parts[0].isalpha()):
        return ""
    accent = _ACCENTS.get(parts[1], "")
    base = rf"\{parts[0]}" if parts[0] in "ij" and accent != "c" else parts[0]
    return rf"\{accent}{{{base}}}" if accent else ""

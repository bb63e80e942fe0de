"""Any name as LaTeX: safe, ASCII, and the same text when it is set."""

from __future__ import annotations

import importlib.util
import string
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from samplebench.report.paper.tex import tex
from samplebench.results.fields import printable

_spec = importlib.util.spec_from_file_location("reader", Path(__file__).parent / "reader.py")
reader = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reader)

GREEK = "αβγδεζηθικλμνξπρσςτυφχψωΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"
LATIN = "éèêëñäöüçšžőāîïíìĵăå̧ØøßÆæŁłŒœıÅå"
SIGNS = "±×·≤≥≠≈∞→←↑↓√∂∇°∈–—‘’“”…§¶†‡©"
TEXTS = st.text(st.one_of(
    st.sampled_from(string.printable + GREEK + LATIN + SIGNS), st.characters()
), max_size=40).filter(lambda text: "U+" not in text)  # fmt: skip


@given(TEXTS)
def test_no_text_is_an_order_and_none_is_changed(text):
    made = tex(text)
    assert reader.faults(made) == []
    assert "&" not in reader.tokens(made)
    assert plain(reader.read(made)) == plain(printable(text))


def plain(text):
    """Signs that mathematics has its own forms of count as those, and letters once composed."""
    forms = str.maketrans({"²": "2", "³": "3", "¹": "1", "µ": "μ", "−": "-"})
    return unicodedata.normalize("NFC", text).translate(forms)


def test_a_letter_that_latex_names_is_set_as_it_is():
    for letter in [*string.printable[:95], *GREEK, *SIGNS, *"éñüßøÅł"]:
        assert "U+" not in tex(letter)
        assert reader.read(tex(letter)) == letter


def test_what_is_written():
    expected = {
        "S_churn=10": r"S\_churn=10",
        "2 % & #1": r"2 \% \& \#1",
        "ρ=7, σ": r"$\rho$=7, $\sigma$",
        "naïve": r"na\"{\i}ve",
        "[x]": "{[}x{]}",
        "*": "{*}",
        "a--b": "a-{}-b",
        "?`": "?{}`",
        r"\input{/etc/passwd}": r"\textbackslash{}input\{/etc/passwd\}",
        "日本": "(U+65E5)(U+672C)",
        "a\x00\u202eb": "a(U+FFFD)(U+FFFD)b",
    }
    assert {text: tex(text) for text in expected} == expected

"""Whatever is written as a word of a request: a value that stays what it is, or one line."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samplebench.bench.request import _CHECKS, Request
from samplebench.errors import SamplebenchError, UsageError
from samplebench.sampling.solver import MAX_STEPS

# What keyboards, spreadsheets and scripts put where a number belongs.
PIECES = (
    *"0123456789.,+-_eE/:=<> %\t\n", "nan", "inf", "-inf", "1e999", "0x10", "1_000", "\u0661\u0662",
    "\u00b2", "\uff17", "\u2212", "true", "edm", "euler", "digits-exact", "\0", "\udcff", "\ud800",
    "\u202e", "e\u0301", "9" * 400, "\u00a0", "[", "]", "{", "'", '"', "~", "./x.py:f", "x:f", "@",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
anything = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.one_of(texts, st.integers(), st.floats()), max_size=3),
    st.dictionaries(texts, texts, max_size=2),
    st.binary(max_size=3),
)
WORDS = sorted(_CHECKS)
quick = settings(max_examples=60, deadline=None)


def told(error):
    """A refusal is one line, not endless, that can be written anywhere."""
    text = str(error)
    assert text and len(text.splitlines()) == 1 and len(text) <= 2000
    text.encode("ascii", "backslashreplace")


# Parsing alone: what is behind a name is not looked for here.
@pytest.mark.parametrize("word", WORDS)
@settings(max_examples=25, deadline=None)
@given(value=anything)
@example(value="9" * 5000)
@example(value="\ud800")
@example(value="a\0b")
def test_a_value_or_one_line(word, value):
    try:
        request = Request.of(**{word: value})
    except SamplebenchError as error:
        told(error)
        return
    found = getattr(request, word)
    # What it became is what it stays, whoever reads it again.
    again = request.words().get(word)
    if again is not None:
        assert getattr(Request.of(**{word: again}), word) == found


counts = st.integers(1, MAX_STEPS)
reals = st.floats(1e-6, 1e6).map(lambda value: float(f"{value:.12g}"))


def spelled(draw, number):
    """A number as somebody may write it."""
    forms = [repr(number), f" {number!r}", f"{number!r}\t", f"+{number!r}"]
    if isinstance(number, int):
        forms += [f"{number}.0", f"{number:e}" if float(f"{number:e}") == number else f"{number}"]
    else:
        forms += [f"{number:.17g}", f"{number:.17e}"]
    return draw(st.sampled_from(forms))


@pytest.mark.parametrize(
    ("word", "numbers"),
    [("nfe", counts), ("rho", reals), ("guidance_scale", st.floats(1, 100))],
)
def test_lists_of_numbers_are_read_as_they_are_written(word, numbers):
    @quick
    @given(data=st.data(), given_=st.lists(numbers, min_size=1, max_size=5))
    def check(data, given_):
        text = ",".join(spelled(data.draw, number) for number in given_)
        expected = tuple(dict.fromkeys(given_))
        assert getattr(Request.of(**{word: text}), word) == expected
        assert getattr(Request.of(**{word: given_ + given_}), word) == expected

    check()


@quick
@given(
    before=st.lists(counts, max_size=3),
    after=st.lists(counts, max_size=3),
    hole=st.sampled_from(["", " ", "\t", "\n", "\u00a0"]),
)
def test_an_empty_item_is_refused_wherever_it_is(before, after, hole):
    text = ",".join([*map(str, before), hole, *map(str, after)])
    with pytest.raises(UsageError, match="is empty or has an empty item"):
        Request.of(nfe=text)


@quick
@given(number=st.one_of(st.integers(max_value=0), st.integers(MAX_STEPS + 1), st.floats()))
def test_a_budget_is_a_whole_number_in_its_range(number):
    fits = math.isfinite(number) and number == int(number) and 1 <= number <= MAX_STEPS
    for form in (number, repr(number)):
        if fits:
            assert Request.of(nfe=form).nfe == (int(number),)
        else:
            with pytest.raises(UsageError, match=r"is out of range|is not a whole number"):
                Request.of(nfe=form)


@quick
@given(levels=st.lists(reals, min_size=2, max_size=6, unique=True))
def test_explicit_levels_are_a_decreasing_list(levels):
    down = sorted(levels, reverse=True)
    text = "/".join(map(repr, down))
    assert Request.of(discretization=text).discretization == (tuple(down),)
    if levels != down:
        with pytest.raises(UsageError, match="decreasing"):
            Request.of(discretization="/".join(map(repr, levels)))


@quick
@given(index=st.integers(-2, 12), count=st.integers(-2, 12))
def test_a_shard_is_one_of_its_number(index, count):
    text = f"{index}/{count}"
    if 0 <= index < count:
        assert Request.of(shard=text).shard == text
    else:
        with pytest.raises(UsageError, match="write i/n"):
            Request.of(shard=text)

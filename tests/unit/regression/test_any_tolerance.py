"""Any text of --tolerance is a rule or one line; a looser rule passes what a strict one does."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samplebench.errors import UsageError
from samplebench.regression.tolerance import (
    ABSOLUTE,
    CEILING,
    FACTOR,
    FLOOR,
    RELATIVE,
    SIGMA,
    Tolerance,
    parse,
)

METRICS = ("fid", "kid", "fd-digits", "odd:name")
PIECES = (
    *"0123456789.,+-eE:<=> %\t\n\0", "fid", "kid", "odd:name", "abs:", "sigma", "nan", "inf",
    "1e999", "<=", ">=", "\u0663", "\u00b2", "\udcff", "9" * 400,
)  # fmt: skip
quick = settings(max_examples=60, deadline=None)
positive = st.floats(1e-12, 0.99)


@quick
@given(texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=3))
@example(texts=[""])
def test_rules_or_one_line(texts):
    try:
        rules = parse(texts, METRICS)
    except UsageError as error:
        assert len(str(error).splitlines()) == 1 and len(str(error)) <= 2000
        return
    found = [*rules.own.values(), *([rules.every] if rules.every else [])]
    found += [rule for each in rules.bounds.values() for rule in each]
    assert all(math.isfinite(rule.limit) for rule in found)
    assert all(rule.limit >= 0 for rule in found if not rule.absolute)
    assert {*rules.own, *rules.bounds} <= {*METRICS}


@pytest.mark.parametrize("piece", ["9", "9.", " ", "x", "<=", "<", "fid<=9", ":", ":abs:", "9e"])
@pytest.mark.parametrize("end", ["", "x", "%"])
def test_a_long_text_takes_no_time(piece, end):
    began = time.process_time()
    with pytest.raises(UsageError):
        parse([(piece * 50_000)[:50_000] + f"x{end}"], METRICS)
    assert time.process_time() - began < 1


def written(kind, limit):
    """A rule as a user writes it."""
    return {
        RELATIVE: f"{limit!r}", "%": f"{100 * limit!r}%", ABSOLUTE: f"abs:{limit!r}",
        SIGMA: f"{limit!r}sigma",
    }[kind]  # fmt: skip


@quick
@given(
    kind=st.sampled_from([RELATIVE, "%", ABSOLUTE, SIGMA]),
    limit=positive,
    metric=st.sampled_from(["", *METRICS]),
    space=st.sampled_from(["", " ", "\t"]),
)
def test_a_rule_is_read_as_it_is_written(kind, limit, metric, space):
    text = space + (f"{metric}:" if metric else "") + written(kind, limit) + space
    rules = parse([text], METRICS)
    found = rules.own[metric] if metric else rules.every
    assert found.kind == (RELATIVE if kind == "%" else kind)
    assert found.limit == pytest.approx(limit, rel=1e-15)
    # Its own text says the same.
    assert parse([found.text], METRICS).every == found


@quick
@given(
    metric=st.sampled_from(METRICS), limit=st.floats(allow_nan=False, allow_infinity=False),
    sign=st.sampled_from(["<=", ">="]), space=st.sampled_from(["", " "]),
)  # fmt: skip
def test_a_bound_is_read_as_it_is_written(metric, limit, sign, space):
    rules = parse([f"{metric}{space}{sign}{space}{limit!r}"], METRICS)
    ((found,),) = rules.bounds.values()
    assert (*rules.bounds,) == (metric,) and found.limit == limit
    assert found.kind == (CEILING if sign == "<=" else FLOOR)


numbers = st.floats(-1e6, 1e6)


@quick
@given(
    kind=st.sampled_from([RELATIVE, ABSOLUTE, CEILING, FACTOR]),
    limits=st.tuples(st.floats(0, 100), st.floats(0, 100)),
    old=numbers, new=numbers, error=st.floats(0, 1e3),
)  # fmt: skip
def test_a_looser_rule_lets_all_pass_that_a_stricter_one_does(kind, limits, old, new, error):
    strict, loose = (Tolerance(kind, limit, "") for limit in sorted(limits))
    assert loose.holds(old, new, error) or not strict.holds(old, new, error)
    # A floor is looser the lower it is.
    high, low = (Tolerance(FLOOR, limit, "") for limit in sorted(limits, reverse=True))
    assert low.holds(old, new, error) or not high.holds(old, new, error)


@quick
@given(limits=st.tuples(st.floats(1e-3, 10), st.floats(1e-3, 10)))
def test_more_sigmas_are_a_smaller_error_rate(limits):
    strict, loose = (Tolerance(SIGMA, limit, "") for limit in sorted(limits))
    assert loose.alpha <= strict.alpha


@quick
@given(
    kind=st.sampled_from([RELATIVE, ABSOLUTE]), limit=st.floats(0, 10), old=numbers,
    error=st.floats(0, 1e3),
)  # fmt: skip
def test_what_did_not_move_always_passes(kind, limit, old, error):
    assert Tolerance(kind, limit, "").holds(old, old, error)

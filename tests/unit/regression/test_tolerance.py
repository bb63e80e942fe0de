"""The grammar of --tolerance."""

from __future__ import annotations

import pytest

from samplebench.errors import UsageError
from samplebench.regression.tolerance import ABSOLUTE, RELATIVE, SIGMA, parse

METRICS = ["fid", "kid", "mymod:sharpness"]


def limits(*texts):
    rules = parse(texts, METRICS)
    return {m: (r.kind, r.limit) if (r := rules.of(m)) else None for m in METRICS}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2%", (RELATIVE, 0.02)),
        ("0.5 %", (RELATIVE, 0.005)),
        ("1e-3", (RELATIVE, 1e-3)),
        (".5", (RELATIVE, 0.5)),
        ("0", (RELATIVE, 0.0)),
        ("abs:0.05", (ABSOLUTE, 0.05)),
        ("abs:5", (ABSOLUTE, 5.0)),
        ("3sigma", (SIGMA, 3.0)),
        ("2.5sigma", (SIGMA, 2.5)),
    ],
)
def test_a_bare_limit_holds_for_every_metric(text, expected):
    assert limits(text) == dict.fromkeys(METRICS, expected)
    assert limits(f"kid:{text}") == {"fid": None, "kid": expected, "mymod:sharpness": None}
    assert limits(f"mymod:sharpness:{text}")["mymod:sharpness"] == expected
    assert parse([text], METRICS).statistical == (expected[0] == SIGMA)


def test_a_metric_of_its_own_wins_over_the_bare_limit():
    expected = {
        "fid": (RELATIVE, 0.02),
        "kid": (SIGMA, 3.0),
        "mymod:sharpness": (ABSOLUTE, 1.0),
    }
    for texts in (
        ("fid:2%,kid:3sigma,abs:1",),
        ("abs:1", "fid:2%", "kid:3sigma"),
        ("kid:3sigma, abs:1", " fid:2%"),
    ):
        assert limits(*texts) == expected


def test_nothing_given_is_the_default_gate():
    assert limits() == dict.fromkeys(METRICS)
    assert not parse([], METRICS).statistical


@pytest.mark.parametrize(
    "text",
    [
        "low", "-1", "nan", "inf", "", "fid:", ":2%", "fid:abs:", "abs:-1", "fid 2%", "2percent",
        "fid:2%%", "2%,", "fid:sigma", "1e999", "fid<=", "<=2", "fid<2", "fid>2", "fid<=nan",
        "fid<=1e999", "fid=2", "fid<=2%", "fid<=2sigma", "fid=<2",
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(UsageError, match="--tolerance"):
        parse([text], METRICS)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["100%"], "fraction below 1"),
        (["fid:1"], "--tolerance fid:1 must be a fraction below 1"),
        (["0sigma"], "above 0 and at most 10sigma"),
        (["fid:11sigma"], "--tolerance fid:11sigma must be above 0"),
        (["1%", "2%"], "--tolerance 1% and 2%: give only one of them"),
        (["fid:1%,fid:3sigma"], "--tolerance fid:1% and fid:3sigma: give one tolerance per metric"),
        (["fdi:2%"], "unknown metric in --tolerance 'fdi'; did you mean 'fid'"),
        (["fdi<=2"], "unknown metric in --tolerance 'fdi'; did you mean 'fid'"),
        (["fid<=2", "fid<=3"], "--tolerance fid<=2 and fid<=3: one ceiling per metric"),
        (["fid<=2,fid>=3"], "--tolerance fid<=2 and fid>=3: no value satisfies both"),
        (["mymod:sharpnes:abs:2"], "did you mean 'mymod:sharpness'"),
    ],
)
def test_limits_that_cannot_be_meant_are_named(texts, message):
    with pytest.raises(UsageError) as error:
        parse(texts, METRICS)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "alpha"), [("1sigma", 0.3173), ("2sigma", 0.0455), ("3sigma", 0.0027)]
)
def test_a_number_of_sigmas_is_a_two_sided_tail(text, alpha):
    rule = parse([text], METRICS).every
    assert rule is not None and rule.alpha == pytest.approx(alpha, rel=1e-3)


def test_bounds_stand_beside_the_other_rules():
    rules = parse(["3sigma,fid<=2.1", "fid:2%", "mymod:sharpness >= -0.5"], METRICS)
    held = {metric: [(r.kind, r.limit) for r in found] for metric, found in rules.bounds.items()}
    assert held == {"fid": [("ceiling", 2.1)], "mymod:sharpness": [("floor", -0.5)]}
    assert (rules.own["fid"].limit, rules.every.kind) == (0.02, SIGMA)
    assert parse(["fid<=2"], METRICS).of("fid") is None


def test_a_metric_s_name_may_look_like_a_bound():
    (rule,) = parse(["a:<lambda>:2%"], ["a:<lambda>"]).own.values()
    assert (rule.kind, rule.limit) == (RELATIVE, 0.02)

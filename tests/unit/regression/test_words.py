"""The outcome as JUnit XML, as Markdown and as lines of a table."""

from __future__ import annotations

import json
import math
from xml.etree import ElementTree

import pytest

from samplebench.regression import Gate, Table, compare
from samplebench.regression.junit import to_junit
from samplebench.regression.markdown import to_markdown
from samplebench.regression.text import lines, plain
from samplebench.regression.tolerance import parse
from tests.unit.regression.made import row


@pytest.fixture(scope="module")
def rows():
    kinds = (("euler", ""), ("heun", ""), ("edm", "S_churn=10"))
    return [
        row(sampler, nfe, params=params, **{"fd-digits_stderr": 0.1})
        for sampler, params in kinds
        for nfe in (5, 9)
    ]


@pytest.fixture
def outcome(rows):
    """One row moved, one missing, one under other conditions, one better, one the same, one new."""
    first, second, third, fourth, fifth, sixth = rows
    current = [
        {**first, "fd-digits": 3.0, "nfe": 6},
        {**third, "num_samples": 500},
        {**fourth, "fd-digits": 1.5},
        fifth,
        sixth,
    ]
    gate = Gate(parse(["1e-3"], ["fd-digits"]), better={"fd-digits": "lower"}, allow_better=True)
    return compare(Table(current), Table([first, second, third, fourth, fifth]), gate)


@pytest.fixture
def passed(rows):
    return compare(Table(rows), Table(rows), Gate())


def test_counts_and_rules(outcome, passed):
    assert outcome.counts() == ("1 moved, 1 missing, 1 conditions differ, 1 better, 1 new, 1 same")
    assert outcome.failed and "--update" in outcome.next_step()
    assert outcome.rules() == ["relative tolerance 1e-3"]
    assert (passed.counts(), passed.failed, passed.next_step()) == ("6 same", False, "")
    assert passed.rules() == ["relative tolerance 1e-06"]


def test_the_next_step_is_one_that_helps(rows):
    odd = [{**rows[0], "fd-digits": math.nan}]
    bound = Gate(parse(["fd-digits<=1"], ["fd-digits"]))
    for outcome in (
        compare(Table(odd), Table(odd), Gate()),
        compare(Table(rows), Table(rows), bound),
    ):
        assert outcome.failed and "--update" not in outcome.next_step()


def test_failures_are_a_line_each(outcome):
    found = outcome.failures()
    assert [line.partition(":")[0] for line in found] == ["moved", "missing", "conditions differ"]
    assert found[0].startswith("moved: digits-exact euler, edm rho=7, NFE 5, seed 0: nfe 5 -> 6 (")


def test_a_line_per_number(outcome):
    found = lines(outcome.verdicts)
    assert len({tuple(line) for line in found}) == 1
    assert [line["status"] for line in found] == [
        "moved", "moved", "missing", "conditions differ", "better", "same", "new",
    ]  # fmt: skip
    evaluations, value, *_ = found
    assert [evaluations[key] for key in ("value", "old", "new")] == ["nfe", "5", "6"]
    assert [value[key] for key in ("value", "old", "new", "change", "sigma")] == [
        "fd-digits", "2", "3", "+50 %", "+7.1",
    ]  # fmt: skip
    assert [line["note"] for line in found[:2]] == ["", "worse"]
    assert found[3]["note"] == "num_samples 100 -> 500"
    # The status says it already.
    assert found[4]["note"] == ""


def test_columns_without_entries_are_left_out(passed):
    assert "note" not in lines(passed.verdicts)[0]
    assert lines([]) == []


def test_json_has_no_nan(rows):
    current = [{**rows[0], "fd-digits": math.nan}, *rows[1:]]
    verdicts = compare(Table(current), Table(rows), Gate()).verdicts
    first, *_ = json.loads(json.dumps([plain(v) for v in verdicts], allow_nan=False))
    assert (first["status"], first["detail"]) == ("moved", "fd-digits 2 -> nan")
    (change,) = (c for c in first["changes"] if c["column"] == "fd-digits")
    assert (change["old"], change["new"], change["moved"]) == (2.0, None, True)


class TestJunit:
    def test_a_case_per_row(self, outcome):
        (suite,) = ElementTree.fromstring(to_junit(outcome))
        counts = {key: suite.get(key) for key in ("tests", "failures", "skipped", "errors")}
        assert counts == {"tests": "6", "failures": "3", "skipped": "1", "errors": "0"}
        cases = suite.findall("testcase")
        assert [case.get("classname") for case in cases] == [
            "digits-exact.euler", "digits-exact.euler", "digits-exact.heun", "digits-exact.heun",
            "digits-exact.edm", "digits-exact.edm",
        ]  # fmt: skip
        names = [case.get("name") for case in cases]
        assert names[0] == "euler, edm rho=7, NFE 5, seed 0" and len(set(names)) == 6
        assert "S_churn=10" in str(names[4])

    def test_failures_say_why(self, outcome):
        (suite,) = ElementTree.fromstring(to_junit(outcome))
        failures = [case.find("failure") for case in suite.findall("testcase")]
        assert [f is not None for f in failures] == [True, True, True, False, False, False]
        first = failures[0]
        assert first is not None and first.get("type") == "moved"
        assert "fd-digits 2 -> 3 (+50 %, +7.1 sigma, worse)" in str(first.get("message"))
        assert str(first.text).splitlines()[0].startswith("nfe 5 -> 6")

    def test_signs_that_no_xml_may_hold(self, rows):
        odd = [{**rows[0], "params": "a=\x00<&\"'\n]]>", "model": "m\x1b"}]
        root = ElementTree.fromstring(to_junit(compare(Table([]), Table(odd), Gate())))
        (case,) = root.iter("testcase")
        assert "<&\"'" in str(case.get("name"))


class TestMarkdown:
    def test_what_moved_stands_above_what_did_not(self, outcome):
        text = to_markdown(outcome)
        assert text.startswith("### samplebench check: failed\n\n**1 moved, 1 missing, ")
        above, _, below = text.partition("<details>")
        assert "| moved | digits-exact | euler |" in above and "| +50 % |" in above
        assert "| worse |" in above
        assert "| better |" in above and "| same |" not in above
        assert "1 row the same, 1 new" in below and "| same |" in below and "| new |" in below
        assert "--update" in above

    def test_all_the_same(self, passed):
        text = to_markdown(passed)
        assert text.startswith("### samplebench check: passed\n\n**6 same**\n\n<details>")
        assert "--update" not in text

    def test_signs_of_markdown_are_kept_as_text(self, rows):
        odd = [{**rows[0], "params": "a=|*<b>`_\n#"}]
        text = to_markdown(compare(Table([]), Table(odd), Gate()))
        assert "a=\\|\\*&lt;b&gt;\\`\\_" in text
        table = [line for line in text.splitlines() if line.startswith("|")]
        assert len(table) == 3

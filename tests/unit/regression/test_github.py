"""What `check --github` writes for a workflow."""

from __future__ import annotations

import json

import pytest

from samplebench.cli import main
from samplebench.regression import Gate, Table, compare
from samplebench.regression.github import annotated, annotation, moved_curves
from samplebench.results.tables import write_csv
from tests.unit.regression.made import row


def summary_of(old, new):
    return compare(Table(new), Table(old), Gate())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("100 % worse", "100 %25 worse"),
        ("two\nlines\r", "two\N{REPLACEMENT CHARACTER}lines\N{REPLACEMENT CHARACTER}"),
        ("::error::again", "\N{REPLACEMENT CHARACTER}error::again"),
        ("##[group]x", "\N{REPLACEMENT CHARACTER}[group]x"),
    ],
)
def test_a_text_is_one_annotation(text, written):
    assert annotation(text) == f"::error title=samplebench check::{written}"


def test_a_file_is_one_property():
    line = annotation("x", "a,b: 5%\n.csv", "t")
    assert line == "::error file=a%2Cb%3A 5%25%0A.csv,title=t::x"


def test_as_many_as_github_shows():
    old = [row(nfe=nfe) for nfe in range(5, 25)]
    new = [{**r, "fd-digits": 3.0} for r in old]
    found = annotated(summary_of(old, new), "curves.csv")
    assert len(found) == 10 and "11 further rows failed" in found[-1]
    assert all(line.startswith("::error file=curves.csv,") for line in found)
    assert len(annotated(summary_of(old[:10], new[:10]), "")) == 10
    assert annotated(summary_of(old, old), "curves.csv") == []


def test_a_curve_is_named_once():
    old = [row("euler"), row("euler", 19), row("heun"), row("edm", params="S_churn=10")]
    new = [{**r, "fd-digits": 3.0} if r["sampler"] != "heun" else r for r in old]
    assert moved_curves(summary_of(old, new)) == [
        "digits-exact: euler, edm rho=7", "digits-exact: edm S_churn=10, edm rho=7",
    ]  # fmt: skip


@pytest.fixture
def step(tmp_path, monkeypatch, rows):
    """`step(change, *words)`: the command in a step of a workflow: its code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        (tmp_path / name).write_text("before\n")
        monkeypatch.setenv(name, str(tmp_path / name))
    write_csv(rows, tmp_path / "old.csv")

    def run(change, *words):
        write_csv([{**rows[0], **change}, *rows[1:]], tmp_path / "new.csv")
        return main(["check", "new.csv", "--baseline", "old.csv", "--github", *words])

    return run


def test_the_files_of_the_step(step, tmp_path, capsys):
    assert step({"fd-digits": 2.5}) == 1
    out = capsys.readouterr().out
    first, *rest = out.splitlines()
    assert first.startswith("::error file=old.csv,title=samplebench check::moved: digits-exact")
    assert "+25 %25" in first and any(line.startswith("status") for line in rest)
    said = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert said.startswith("before\n### samplebench check: failed") and "| moved |" in said
    name, _, moved = (tmp_path / "GITHUB_OUTPUT").read_text().splitlines()[1].partition("=")
    assert (name, json.loads(moved)) == ("moved", ["digits-exact: euler, edm rho=7"])


def test_what_passes_annotates_nothing(step, tmp_path, capsys):
    assert step({}) == 0
    assert "::error" not in capsys.readouterr().out
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == "before\nmoved=[]\n"
    assert "check: passed" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_an_error_is_annotated_too(step, capsys):
    assert step({}, "--tolerance", "low") == 2
    assert capsys.readouterr().out.startswith("::error file=old.csv,")


def test_elsewhere_it_is_refused(step, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_OUTPUT")
    assert step({}) == 2
    assert "GITHUB_OUTPUT is not set" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--json",), ("--markdown", "-")])
def test_stdout_is_of_one_of_them(step, capsys, words):
    assert step({}, *words) == 2
    out, err = capsys.readouterr()
    assert out == "" and f"--github and {' '.join(words)} both write to stdout" in err

"""The commands that print tables and write figures for a paper."""

from __future__ import annotations

import json

import pytest

from samplebench.cli import main


def called(capsys, *words):
    """(exit code, stdout, stderr)."""
    try:
        code = main(list(map(str, words)))
    except SystemExit as stopped:
        code = stopped.code
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("flag", "first", "found"),
    [("--latex", "% Made by samplebench", r"\begin{tabular}{lcc}"),
     ("--markdown", "fd-digits ↓ on digits-exact", "| sampler | NFE 5 | NFE 10 |")],
)  # fmt: skip
def test_tables_alone_are_printed_and_the_report_is_rebuilt(swept, capsys, flag, first, found):
    (swept / "report.html").unlink()
    code, out, err = called(capsys, "report", swept, flag)
    assert (code, err) == (0, "")
    assert out.startswith(first) and found in out and "report.html" not in out
    assert (swept / "report.html").is_file()
    assert not (swept / "figures" / "paper").exists()


def test_cells_to_go_are_told_beside_the_tables(swept, capsys):
    """A finished cell without its record is one to go."""
    next((swept / "cells").glob("*.json")).unlink()
    code, out, err = called(capsys, "report", swept, "--latex")
    assert code == 0 and err == "note: 1 planned set of images has no result yet\n"
    assert "% 1 planned set of images" in out and r"\textendash{}" in out
    code, _, err = called(capsys, "report", swept, "--markdown", "--quiet")
    assert (code, err) == (0, "")


def test_without_a_finished_cell_there_is_nothing_for_a_paper(swept, capsys):
    for path in (swept / "cells").glob("*.json"):
        path.unlink()
    for flag in (["--latex"], ["--markdown"], ["--style", "paper"]):
        code, out, err = called(capsys, "report", swept, *flag)
        assert (code, out) == (2, "") and err.count("\n") == 1 and "no finished cell" in err


@pytest.mark.parametrize("flags", [["--latex", "--markdown"], ["--json", "--latex"],
                                   ["--markdown", "--json"], ["--style", "slides"]])  # fmt: skip
def test_one_form_at_a_time(swept, capsys, flags):
    code, out, err = called(capsys, "report", swept, *flags)
    assert (code, out) == (2, "")
    assert "not allowed with" in err or "invalid choice" in err


def test_figures_for_a_paper_lie_beside_the_others(swept, capsys):
    before = {path.name: path.read_bytes() for path in (swept / "figures").iterdir()}
    code, out, _ = called(capsys, "report", swept, "--style", "paper")
    made = sorted(path.name for path in (swept / "figures" / "paper").iterdir())
    assert code == 0 and made == ["digits-exact.fd-digits.pdf", "digits-exact.fd-digits.svg"]
    assert all(str(swept / "figures" / "paper" / name) in out for name in made)
    after = {p.name: p.read_bytes() for p in (swept / "figures").iterdir() if p.is_file()}
    assert before == after
    code, out, _ = called(capsys, "report", swept, "--style", "paper", "--json")
    assert code == 0 and len(json.loads(out)) == 4


def test_a_comparison_is_drawn_for_a_paper_too(swept, capsys, tmp_path):
    table = tmp_path / "before" / "results.csv"
    table.parent.mkdir()
    table.write_bytes((swept / "results.csv").read_bytes())
    words = ["compare", table, swept, "--out", tmp_path / "news"]
    assert called(capsys, *words)[0] == 0
    assert not (tmp_path / "news" / "figures").exists()
    code, out, _ = called(capsys, *words, "--style", "paper")
    made = sorted((tmp_path / "news" / "figures" / "paper").iterdir())
    assert code == 0 and [path.suffix for path in made] == [".pdf", ".svg"]
    assert all(".fd-digits." in path.name and str(path) in out for path in made)

"""The best of each budget in words: on top of the page and below the terminal's table."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from samplebench.cli import main
from samplebench.registry import metrics
from samplebench.report import terminal
from samplebench.report.html import render_html
from samplebench.report.standings import groups_of, standings
from samplebench.results import tables


@pytest.fixture
def view(make_view):
    """Heun at 9 of 10 against Euler at 10, Heun shared by "edm S_churn=0"; and two budgets more."""
    whole = make_view()
    picked = {("euler", 5): 5, ("euler", 9): 10, ("heun", 9): 10, ("edm", 9): 10, ("heun", 17): 20}
    rows = [
        row | {"nfe_requested": picked[row["sampler"], row["nfe"]]}
        for row in whole.rows
        if row["rho"] == 7 and (row["sampler"], row["nfe"]) in picked
    ]
    for row, value in zip(rows, (3.0, 2.0, 1.0, 0.5, 1.0), strict=True):
        row |= {"fd-toy": value, "fd-toy_stderr": 0.1}
        if row["sampler"] == "euler" and row["nfe"] == 9:
            row["nfe"] = 10
    return replace(whole, rows=rows, pending=0)


def below(view):
    """The lines below the table, split where two spaces part them."""
    table, lines = terminal.to_text(view.rows), terminal.view_text(view).splitlines()
    assert lines[: table.count("\n") + 1] == table.splitlines()
    return [line.strip().split("  ") for line in lines[table.count("\n") + 1 :] if line]


def test_a_line_per_budget_with_the_best_its_value_and_its_ties(view):
    head, said, names, _, *lines = below(view)
    assert "at most 2 standard errors" in head[0]
    assert said == [
        "model: toy-model, metric: fd-toy (lower is better), protocol: toy, N: 500, "
        "reference: toy-reference@cdcdcdcd"
    ]
    assert [name.strip() for name in names if name] == [
        "NFE budget",
        "best",
        "value",
        "tied with it",
    ]
    found = [[part.strip() for part in line if part] for line in lines]
    same = "edm S_churn=0 (computed as heun), rho=7 at NFE 9"
    assert found == [["10", "heun, rho=7 at NFE 9", "1.00 ± 0.10", same]]


def test_what_is_not_shared_by_all_is_said_in_columns(view):
    other = [row | {"model": "other", "protocol": "b", "num_samples": 9} for row in view.rows]
    _, said, names, _, *lines = below(replace(view, rows=view.rows + other))
    heads = [name.strip() for name in names if name.strip()]
    assert heads == ["model", "protocol", "N", "NFE budget", "best", "value", "tied with it"]
    assert said[0].startswith("metric: fd-toy") and "protocol" not in said[0]
    assert [line[0].strip() for line in lines] == ["toy-model", "other"]


def test_many_ties_are_counted(view):
    row = view.rows[1]
    rows = [row | {"sampler": f"s{i}", "fd-toy": 1 + i / 1000} for i in range(9)]
    *_, line = below(replace(view, rows=rows))
    assert line[-1].strip() == (
        "s1 (computed as euler), rho=7; s2 (computed as euler), rho=7; "
        "s3 (computed as euler), rho=7; 5 more"
    )


def test_equal_values_have_no_best(view):
    rows = [row | {"fd-toy": 1.0} for row in view.rows[1:3]]
    (one,) = standings(replace(view, rows=rows))
    assert one.best == "none, all are equal"
    assert one.tied == ("euler, ρ=7", "heun, ρ=7 at NFE 9")


def test_groups_say_what_tells_them_apart(view):
    other = [row | {"model": "other"} for row in view.rows]
    said, groups = groups_of(standings(replace(view, rows=view.rows + other)), ["fd-toy"])
    assert said == (
        "fd-toy (lower is better), protocol toy, N=500, reference toy-reference@cdcdcdcd"
    )
    assert [(title, len(some)) for _, title, some in groups] == [("toy-model", 1), ("other", 1)]


@pytest.mark.parametrize("rows", [0, 1])
def test_where_nothing_competes_nothing_is_added(view, rows):
    assert groups_of(standings(replace(view, rows=view.rows[:rows])), ["fd-toy"]) == ("", [])
    few = replace(view, rows=view.rows[:rows])
    assert terminal.view_text(few) == terminal.to_text(few.rows)


def test_names_are_made_printable(view):
    for row in view.rows:
        row |= {"model": "m\x1b[2J\n", "sampler": "s\r\n", "protocol": "::error"}
    text = terminal.view_text(view)
    assert not {"\x1b", "\r"} & set(text) and "best per budget" in text


def test_run_and_report_end_with_it_and_json_keeps_its_shape(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--sampler", "euler,heun", "--nfe", "4,8", "--num-samples", "64", "--quiet"]
    assert main(["run", *words, "--device", "cpu", "--out", "sweep"]) == 0
    ran = capsys.readouterr().out
    assert main(["report", "sweep", "--quiet"]) == 0
    assert capsys.readouterr().out == ran
    table, _, best = ran.partition("\n\nbest per budget")
    assert [line.split()[0] for line in best.splitlines()[-2:]] == ["4", "8"]
    assert {"3", "7"} <= set(table.split()), "counted, of budgets 4 and 8"
    page = (tmp_path / "sweep" / "report.html").read_text(encoding="utf-8")
    assert 0 < page.index('id="best"') < page.index('id="figures"') < page.index('id="values"')
    assert main(["report", "sweep", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["nfe"] for row in rows] == [4, 8, 3, 7]
    assert not {"deleted", "better"} & {key for row in rows for key in row}


QUALITY = """
from samplebench.registry import metrics

@metrics.register("quality-of-a-test", extractor="digits", better="higher")
def quality(moments, reference):
    return {"value": float(moments.mean @ moments.mean) - 1e4}
"""


def test_a_metric_of_others_that_is_better_high_and_below_zero(tmp_path, capsys, monkeypatch):
    """By its own direction, also where only the folder is left of it."""
    before = dict(metrics._entries)
    monkeypatch.setattr(metrics, "_entries", dict(before))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "metric_of_a_test.py").write_text(QUALITY)
    words = ["--metric", "metric_of_a_test:quality", "--sampler", "euler,heun", "--nfe", "4"]
    words += ["--num-samples", "40", "--device", "cpu", "--quiet"]
    assert main(["run", *words, "--out", "s"]) == 0
    ran = capsys.readouterr().out
    rows = tables.read_csv(tmp_path / "s" / "results.csv")
    # Its column has the name that it is registered under.
    best = max(rows, key=lambda row: row["quality-of-a-test"])
    assert best["quality-of-a-test"] < 0
    line = ran.splitlines()[-1].split()
    assert line[:2] == ["4", f"{best['sampler']},"] and "(higher is better)" in ran
    page = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    assert "Not drawn" not in page and "lower is better" not in page

    monkeypatch.setattr(metrics, "_entries", before)
    assert main(["report", "s", "--quiet"]) == 0
    assert capsys.readouterr().out == ran
    assert (tmp_path / "s" / "report.html").read_text(encoding="utf-8") == page


def test_what_training_again_moves_is_remarked(view):
    text = "differences below 2 % are within what training the network again moves FID"
    for row in view.rows:
        row["fid"], row["fid_stderr"] = row.pop("fd-toy"), row.pop("fd-toy_stderr")
    assert text not in terminal.view_text(view) + render_html(view)
    first, second, third = (row for row in view.rows if row["nfe_requested"] == 10)
    third["fid"] = 2.0
    first |= {"fid": 1.0, "fid_stderr": 0.001}
    second |= {"fid": 1.015, "fid_stderr": 0.001}
    told = f"NFE 10: {text} (arXiv 2606.20536)"
    assert terminal.view_text(view).splitlines()[-1] == f"note: {told}"
    assert render_html(view).count(f"{told}.") == 1

"""Sweeps with cards: rows, cells, what is reused, and what the results say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import samplebench as sb
from samplebench.bench import run as bench_run
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.results.store import Store
from samplebench.results.tables import read_csv
from tests.unit.cards.making import euler, heun, parallel, write

FEW = {"model": "digits-exact", "num_samples": 40, "quiet": True}
GITS = [80, 10.9836, 3.8811, 1.584, 0.5666, 0.1698, 0.002]


@pytest.fixture
def cards(tmp_path):
    """A folder of a solver and of a list."""
    folder = tmp_path / "cards"
    folder.mkdir()
    made = {"author": "A. Nyone", "model": "another", "cost": {"hours": 2}, "source": "p. 3"}
    write(folder / "par.json", {**parallel(), **made})
    write(folder / "gits.json", {"sigmas": GITS, "model": "another", "method": "gits"})
    return folder


@pytest.fixture
def sweep(cards, tmp_path):
    """`sweep()`: both cards' values."""

    def run(**words):
        given = {
            "sampler": [f"card:{cards}/par.json", "ipndm"],
            "discretization": f"card:{cards}/gits.json",
            "out": tmp_path / "out",
        }
        return sb.run(**{**FEW, **given, **words})

    return run


def rows(out: Path) -> dict[str, dict]:
    return {row["sampler"]: row for row in read_csv(out / "results.csv")}


def test_a_row_says_what_ran_and_names_no_path(sweep, cards, tmp_path):
    sweep()
    found = rows(tmp_path / "out")
    par, gits = found["card:par"], found["ipndm"]
    facts = [par[name] for name in ("discretization", "steps", "nfe", "nfe_requested", "depth")]
    assert facts == ["card", 6, 6, None, 4]
    assert [gits[name] for name in ("discretization", "steps", "nfe")] == ["card:gits", 6, 6]
    assert "cards" not in (tmp_path / "out" / "results.csv").read_text()
    records = Store(tmp_path / "out").view().cells
    about = records[par["cell"]]["about"]["sampler"]
    assert about.items() >= {
        "author": "A. Nyone", "cost": {"hours": 2}, "source": "p. 3", "nfe": 6, "depth": 4,
        "predicts": "eps", "time": "sigma", "model": "another",
    }.items()  # fmt: skip
    assert len(about["sha256"]) == 64 and "times" not in about
    steps = records[gits["cell"]]["about"]["steps"]
    assert steps["method"] == "gits" and len(steps["sha256"]) == 64
    for name, row in (("card:par", par), ("card:gits", gits)):
        remarks = [f"{name} was made for another, not for digits-exact"]
        assert records[row["cell"]]["remarks"] == remarks


def test_the_report_stands_without_the_files(sweep, cards, tmp_path, capsys):
    sweep()
    before = (tmp_path / "out" / "results.csv").read_bytes()
    for file in cards.iterdir():
        file.unlink()
    assert main(["report", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "results.csv").read_bytes() == before
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for name in ("par", "gits"):
        assert f"card:{name} was made for another, not for digits-exact" in page
    capsys.readouterr()


def test_what_was_sampled_is_not_sampled_again(sweep, cards, tmp_path, monkeypatch):
    first = sweep()
    # Other folders, other words for them, one content.
    for file in ("par.json", "gits.json"):
        (tmp_path / file).write_bytes((cards / file).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_run, "run_cell", None)
    words = {"sampler": ["card:par.json", "ipndm"], "discretization": "card:./gits.json"}
    assert sweep(**words)["cell"].tolist() == first["cell"].tolist()


@pytest.mark.parametrize("file", ["par.json", "gits.json"])
def test_another_number_is_another_cell(sweep, cards, file):
    first = sweep()["cell"].tolist()
    content = json.loads((cards / file).read_text())
    if "a" in content:
        content["c"][2][1] *= 1 + 1e-9
    else:
        content["sigmas"][3] *= 1 + 1e-9
    write(cards / file, content)
    second = sweep()["cell"].tolist()
    same = [one == other for one, other in zip(first, second, strict=True)]
    assert same == ([False, True] if file == "par.json" else [True, False])


def test_what_was_planned_is_run_though_the_files_change(cards, tmp_path):
    """Both kinds, between the plan and the run."""
    expected = {}
    for out in ("calm", "hasty"):
        words = {
            "sampler": [f"card:{cards}/par.json", "ipndm"], "num_samples": 40,
            "discretization": f"card:{cards}/gits.json", "out": str(tmp_path / out),
        }  # fmt: skip
        plan = make(Request.of(**words))
        if out == "hasty":
            write(cards / "par.json", euler())
            (cards / "gits.json").unlink()
        from samplebench.api import sweep
        from samplebench.bench.progress import Progress
        from samplebench.bench.ready import ready

        Store(plan.request.folder(), create=True)
        sweep(ready(plan, True), Progress(True))
        expected[out] = (tmp_path / out / "results.csv").read_text()
    assert expected["calm"] == expected["hasty"]


def test_two_cards_of_one_name_are_refused(cards, tmp_path, refused):
    other = tmp_path / "other"
    other.mkdir()
    write(other / "par.json", heun())
    write(other / "gits.json", [80, 1])
    twice = [f"card:{folder}/par.json" for folder in (cards, other)]
    refused(lambda: sb.run(sampler=twice, **FEW), UsageError, "two samplers are called card:par")
    twice = [f"card:{folder}/gits.json" for folder in (cards, other)]
    refused(lambda: Request.of(discretization=twice), UsageError, "two cards are called gits")


def test_one_card_by_two_paths_is_one_row(cards, monkeypatch):
    monkeypatch.chdir(cards)
    words = {"sampler": ["card:par.json", "card:./par.json"], "model": "digits-exact"}
    assert len(make(Request.of(**words)).rows) == 1
    lists = {"discretization": ["card:gits.json", "card:./gits.json"], "sampler": "euler"}
    assert len(make(Request.of(**lists, model="digits-exact")).rows) == 1


@pytest.mark.parametrize(
    ("nfe", "count"), [(None, 1), ("3,6,50", 1), ("8", 1), ("6", 1), ("5", 0), ("2,5", 0)]
)
def test_a_card_is_one_row_of_a_sweep_of_budgets(cards, nfe, count):
    words = {} if nfe is None else {"nfe": nfe}
    plan = make(
        Request.of(model="digits-exact", sampler=["euler", f"card:{cards}/par.json"], **words)
    )
    own = [row for row in plan.rows if row.columns["sampler"] == "card:par"]
    assert len(own) == count
    assert any("card:par: NFE" in note for note in plan.notes) == (not count)


def test_a_dumped_request_is_the_request(cards, tmp_path, capsys):
    """With a budget that was said, and without; from its file it gives the same plan."""
    for more in ([], ["--nfe", "8"]):
        words = ["--sampler", f"card:{cards}/par.json", "--num-samples", "40", *more]
        assert main(["run", *words, "--dump-config"]) == 0
        (tmp_path / "sweep.toml").write_text(capsys.readouterr().out)
        printed = []
        for given in (words, ["--config", str(tmp_path / "sweep.toml")]):
            assert main(["run", *given, "--dry-run"]) == 0
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1]
    words = ["--sampler", "euler", "--discretization", f"card:{cards}/gits.json,edm"]
    assert main(["run", *words, "--dump-config"]) == 0
    assert f'["card:{cards}/gits.json", "edm"]' in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--rho", "7"], ["--discretization", "edm"]])
def test_a_word_that_no_card_takes_is_refused(cards, words, capsys):
    assert main(["run", "--sampler", f"card:{cards}/par.json", *words, "--dry-run"]) == 2
    assert f"{words[0]} has no effect on anything" in capsys.readouterr().err


def test_parameters_go_by_the_word_or_by_the_name(cards):
    word = f"card:{cards}/par.json"
    for name in (word, "card:par"):
        (row,) = make(Request.of(sampler=word, param={name: {"thresholding": True}})).rows
        assert row.columns["params"] == "thresholding=True"


def test_a_baseline_of_cards_is_checked(sweep, tmp_path, capsys):
    sweep(nfe=None)
    check = ["check", str(tmp_path / "out"), "--baseline", str(tmp_path / "base.csv")]
    assert main([*check, "--update"]) == 0
    assert main(check) == 0
    sweep(out=tmp_path / "other", sampler=["euler"])
    assert main(["check", str(tmp_path / "other"), *check[2:]]) != 0
    capsys.readouterr()


def test_a_stopped_cell_of_a_card_goes_on(sweep, tmp_path, monkeypatch):
    from samplebench.bench import cell

    whole, ran = cell.run_block, []

    def failing(bench, setting, conditions, index):
        if ran and index == 1 and len(ran) == 1:
            ran.append(-1)
            raise UsageError("stopped")
        ran.append(index)
        return whole(bench, setting, conditions, index)

    monkeypatch.setattr(cell, "run_block", failing)
    words = {"batch_size": 20, "sampler": "ipndm"}
    with pytest.raises(UsageError, match="stopped"):
        sweep(**words)
    sweep(**words)
    assert ran == [0, -1, 1]


def test_errors_of_a_sampler_on_a_list_are_measured(cards, tmp_path, capsys):
    words = ["--sampler", "euler", "--discretization", f"card:{cards}/gits.json"]
    out = tmp_path / "errors"
    assert main(["trajectory", *words, "--num-samples", "2", "--out", str(out), "--quiet"]) == 0
    assert "card:gits" in (out / "trajectory.csv").read_text()
    assert main(["trajectory", "--sampler", f"card:{cards}/par.json", "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1

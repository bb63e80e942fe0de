"""Sweeps with cards: rows, cells, what is reused, and what the results say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import samplebench as sb
from samplebench import api
from samplebench.bench import cell
from samplebench.bench.engines import here as engine
from samplebench.bench.plan import make
from samplebench.bench.progress import Progress
from samplebench.bench.ready import ready
from samplebench.bench.request import Request
from samplebench.bench.survey import Survey
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.results.store import Store
from samplebench.results.tables import read_csv
from samplebench.timelines.levels import UnitPixel
from samplebench.trajectory import families, truncation
from tests.unit.cards.making import TIMES, euler, heun, parallel, write

FEW = {"model": "digits-exact", "num_samples": 40, "quiet": True}
GITS = [80, 10.9836, 3.8811, 1.584, 0.5666, 0.1698, 0.002]


def folder_of(folder: Path) -> Path:
    """A folder of a solver and of a list."""
    folder.mkdir()
    made = {"author": "A. Nyone", "model": "another", "cost": {"hours": 2}, "source": "p. 3"}
    write(folder / "par.json", {**parallel(), **made})
    write(folder / "gits.json", {"sigmas": GITS, "model": "another", "method": "gits"})
    return folder


def sweep(folder: Path, out: Path, **words):
    """Both cards' values."""
    given = {
        "sampler": [f"card:{folder}/par.json", "ipndm"],
        "discretization": f"card:{folder}/gits.json",
        "out": out,
    }
    return sb.run(**{**FEW, **given, **words})


@pytest.fixture
def cards(tmp_path):
    return folder_of(tmp_path / "cards")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A results folder whose cards are gone, and its cells."""
    folder = folder_of(tmp_path_factory.mktemp("swept") / "cards")
    frame = sweep(folder, folder.parent / "out")
    shutil.rmtree(folder)
    return folder.parent / "out", frame["cell"].tolist()


def rows(out: Path) -> dict[str, dict]:
    return {row["sampler"]: row for row in read_csv(out / "results.csv")}


def test_a_row_says_what_ran_and_names_no_path(swept):
    out, _ = swept
    found = rows(out)
    par, gits = found["card:par"], found["ipndm"]
    facts = [par[name] for name in ("discretization", "steps", "nfe", "nfe_requested", "depth")]
    assert facts == ["card", 6, 6, None, 4]
    assert [gits[name] for name in ("discretization", "steps", "nfe")] == ["card:gits", 6, 6]
    assert "cards" not in (out / "results.csv").read_text()
    records = Store(out).view().cells
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


def test_the_report_stands_without_the_files(swept, capsys):
    out, _ = swept
    before = (out / "results.csv").read_bytes()
    assert main(["report", str(out)]) == 0
    assert (out / "results.csv").read_bytes() == before
    page = (out / "report.html").read_text(encoding="utf-8")
    for name in ("par", "gits"):
        assert f"card:{name} was made for another, not for digits-exact" in page
    capsys.readouterr()


def test_what_was_sampled_is_not_sampled_again(swept, cards, monkeypatch):
    """Other folders, other words for them, one content."""
    out, cells = swept
    monkeypatch.chdir(cards)
    monkeypatch.setattr(engine, "run_cell", None)
    assert sweep(Path("."), out)["cell"].tolist() == cells


@pytest.mark.parametrize("file", ["par.json", "gits.json"])
def test_another_number_is_another_cell(swept, cards, file):
    _, first = swept
    content = json.loads((cards / file).read_text())
    if "a" in content:
        content["c"][2][1] *= 1 + 1e-9
    else:
        content["sigmas"][3] *= 1 + 1e-9
    write(cards / file, content)
    words = {"sampler": [f"card:{cards}/par.json", "ipndm"], "num_samples": 40}
    grid = f"card:{cards}/gits.json"
    second = [*make(Request.of(**words, model="digits-exact", discretization=grid)).cells]
    same = [one == other for one, other in zip(first, second, strict=True)]
    assert same == ([False, True] if file == "par.json" else [True, False])


def test_what_was_planned_is_run_though_the_files_change(swept, cards, tmp_path):
    """Both kinds, between the plan and the run."""
    words = {
        "sampler": [f"card:{cards}/par.json", "ipndm"], "num_samples": 40,
        "discretization": f"card:{cards}/gits.json", "out": str(tmp_path / "hasty"),
    }  # fmt: skip
    plan = make(Request.of(**words))
    write(cards / "par.json", euler())
    (cards / "gits.json").unlink()
    Store(plan.folder, create=True)
    api.sweep(ready(plan, True), Progress(True))
    calm, hasty = ((out / "results.csv").read_text() for out in (swept[0], tmp_path / "hasty"))
    assert calm == hasty


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
    assert f"{words[0]} has no effect on any sampler" in capsys.readouterr().err


def test_a_card_without_its_file_is_told_what_to_write(capsys):
    for word in ("card", "card:"):
        assert main(["run", "--sampler", word, "--dry-run"]) == 2
        assert "names no file; write card:FILE.json" in capsys.readouterr().err
    for flag in ("--sampler", "--discretization"):
        assert main(["run", flag, "mine/one.json", "--dry-run"]) == 2
        assert "is not a name; write card:mine/one.json" in capsys.readouterr().err


def test_parameters_go_by_the_word_or_by_the_name(cards):
    word = f"card:{cards}/par.json"
    for name in (word, "card:par"):
        (row,) = make(Request.of(sampler=word, param={name: {"thresholding": True}})).rows
        assert row.columns["params"] == "thresholding=True"


def test_a_baseline_of_cards_is_checked(swept, tmp_path, capsys):
    out, base = swept[0], tmp_path / "base.csv"
    check = ["check", str(out), "--baseline", str(base)]
    assert main([*check, "--update"]) == 0 and main(check) == 0
    assert "2 same" in capsys.readouterr().out
    value = rows(out)["card:par"]["fd-digits"]
    base.write_text(base.read_text().replace(f"{value:.12g}", f"{1.1 * value:.12g}"))
    assert main(check) == 1
    capsys.readouterr()


def test_a_stopped_cell_of_a_card_goes_on(cards, tmp_path, monkeypatch):
    whole, ran = cell.sample_block, []

    def failing(bench, setting, conditions, index):
        if ran and index == 1 and len(ran) == 1:
            ran.append(-1)
            raise UsageError("stopped")
        ran.append(index)
        return whole(bench, setting, conditions, index)

    monkeypatch.setattr(cell, "sample_block", failing)
    words = {"batch_size": 20, "sampler": "ipndm"}
    with pytest.raises(UsageError, match="stopped"):
        sweep(cards, tmp_path / "out", **words)
    sweep(cards, tmp_path / "out", **words)
    assert ran == [0, -1, 1]


def test_errors_are_measured_on_a_list(cards):
    model = sb.load("digits-exact")
    words = {"sampler": ["euler", "heun"], "discretization": f"card:{cards}/gits.json"}
    found = families(model, Request.of(**words), Survey())
    assert [family.discretization for family in found] == ["card:gits"] * 2
    assert [family.settings[0].timeline.grid.tolist() for family in found] == [GITS] * 2


@pytest.mark.parametrize("time", TIMES)
def test_a_solvers_error_is_that_of_its_end(time, tmp_path, refused):
    """Stages lie on no solution; the end is in no scale of its time."""
    levels = (20.0, 5.0, 1.0, 0.3)
    path = f"card:{write(tmp_path / 'one.json', euler(levels, time))}"
    words = {"latents": torch.ones(2, 1, 1, 1, dtype=torch.float64), "quiet": True}
    model = UnitPixel()
    listed = truncation(
        model, "ipndm", discretization=levels, param={"ipndm": {"order": 1}}, **words
    )
    found = truncation(model, path, **words)
    (point,), (other,) = found.curves[0].points, listed.curves[0].points
    assert [level.step for level in point.levels] == [2]
    assert point.end.rmse == pytest.approx(other.end.rmse, rel=1e-9)
    assert (point.steps, point.nfe) == (3, 3)
    (among,) = truncation(model, path, nfe=[3, 9], **words).curves
    assert among.points == found.curves[0].points
    refused(lambda: truncation(model, path, nfe=2, **words), UsageError, "too small")
    refused(lambda: truncation(model, path, steps=3, **words), UsageError, "--steps has no effect")

"""`samplebench trajectory` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import re

import pytest

from samplebench.embedded import packaged
from tests.e2e.pages import NEEDS_CHROMIUM

QUICK = ("--steps", "5,10", "--num-samples", "4", "--device", "cpu")
MODULE = """
def ancestral(model, x, sigmas, eta=1.0, noise_sampler=None):
    for sigma, below in zip(sigmas[:-1], sigmas[1:]):
        x = model(x, sigma) + below * noise_sampler(sigma, below) * eta
    return x

def plain(model, x, grid, *, noise=None, callback=None):
    for sigma, below in zip(grid[:-1].tolist(), grid[1:].tolist()):
        x = x + (x - model(x, sigma)) / sigma * (below - sigma)
    return x
"""


@pytest.fixture(scope="module")
def made(command, tmp_path_factory):
    """A working folder after the quick command, and what it printed."""
    folder = tmp_path_factory.mktemp("trajectory")
    (folder / "mymod.py").write_text(MODULE)
    (folder / "plain.txt").write_text("text")
    done = command("trajectory", *QUICK, cwd=folder)
    assert done.code == 0, done.err
    return folder, done


def test_files_and_table(made):
    folder, done = made
    out = folder / "reports" / "digits-exact-trajectory"
    assert sorted(path.name for path in out.iterdir()) == [
        "trajectory.csv", "trajectory.html", "trajectory.svg",
    ]  # fmt: skip
    with (out / "trajectory.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Without --sampler: the model's, less those that its parameters make stochastic.
    assert [row["sampler"] for row in rows] == ["euler"] * 15 + ["heun"] * 15
    assert {row["nfe"] for row in rows} == {"5", "10", "9", "19"}
    assert "reports/digits-exact-trajectory/trajectory.html" in done.out
    assert "DOP853 from sigma=80 to 0, rtol 1e-12" in done.out
    assert "reference, sigma=" in done.err
    assert len(re.findall(r"^(euler|heun) ", done.out, re.MULTILINE)) == 4


def test_json_again_and_quiet(made, command):
    folder, _ = made
    csv_file = folder / "reports" / "digits-exact-trajectory" / "trajectory.csv"
    before = csv_file.read_bytes()
    done = command("trajectory", *QUICK, "--json", "--quiet", cwd=folder)
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    assert [(row["sampler"], row["nfe"]) for row in rows] == [
        ("euler", 5), ("euler", 10), ("heun", 9), ("heun", 19),
    ]  # fmt: skip
    assert rows[0]["order"] is None
    assert rows[3]["order"] > 1.5
    assert rows[0]["reference_rtol"] == 1e-12
    assert csv_file.read_bytes() == before


def test_a_sampler_of_others_and_parameters(made, command):
    folder, _ = made
    words = ("--sampler", "mymod:plain,heun", "--param", "heun.alpha=0.5,1", "--nfe", "10")
    words += ("--rho", "3,7", "--num-samples", "4", "--device", "cpu", "--json", "--quiet")
    done = command("trajectory", *words, "--out", "other/place", cwd=folder, path=folder)
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    kinds = [(row["sampler"], row["params"], row["rho"], row["nfe"]) for row in rows]
    assert kinds == [
        ("mymod:plain", "", 3, 10), ("mymod:plain", "", 7, 10),
        ("heun", "alpha=0.5", 3, 9), ("heun", "alpha=0.5", 7, 9),
        ("heun", "", 3, 9), ("heun", "", 7, 9),
    ]  # fmt: skip
    assert (folder / "other" / "place" / "trajectory.html").is_file()


@NEEDS_CHROMIUM
def test_the_page_lights_a_run_in_both_figures_and_has_slopes(made, opened):
    folder, _ = made
    with opened(folder / "reports" / "digits-exact-trajectory" / "trajectory.html") as page:
        page.locator("table.sortable tbody tr", has_text="heun").first.hover()
        lit = page.locator(".legend li.lit").all_inner_texts()
        assert lit == ["heun", "heun, 5 steps"]
        drawn = page.evaluate(
            "[...document.querySelectorAll('.plot')].map((e) => (e.layout.shapes ?? []).length)"
        )
        assert drawn[0] >= 1 and drawn[1] == 0


WRONG = {
    "--sampler eulr": (2, "unknown sampler 'eulr'; did you mean 'euler'?"),
    "--model digts-exact": (2, "unknown model 'digts-exact'; did you mean 'digits-exact'?"),
    "--model digits-exact,digits-exact-uncond": (2, "one model at a time"),
    "--discretization emd": (2, "unknown discretization 'emd'; did you mean 'edm'?"),
    "--steps 0": (2, "--steps 0 is out of range"),
    "--steps ten": (2, "--steps ten is not a whole number"),
    "--steps=": (2, "--steps is empty"),
    "--steps 1": (2, "steps=1: a time discretization needs at least 2 noise levels"),
    "--steps 5 --nfe 5": (2, "give --steps or --nfe, not both"),
    "--nfe 1e9": (2, "--nfe 1e9 is out of range"),
    "--nfe 1": (2, "nfe=1 is too small for sampler euler"),
    "--rho nan": (2, "rho=nan must be a positive number"),
    "--num-samples 1": (2, "--num-samples 1 is out of range"),
    "--seed -1": (2, "--seed -1 is out of range"),
    "--param edm.S_churn=5": (2, "sampler edm with S_churn=5 S_noise=1.003 is stochastic"),
    "--param ddim.eta=0.5": (2, "--param ddim.eta=0 makes it deterministic"),
    "--sampler edm --param edm.S_churn=5": (2, "--param edm.S_churn=0 makes it deterministic"),
    "--sampler mymod:ancestral": (2, "--param mymod:ancestral.eta=0 makes it deterministic"),
    "--sampler mymod:missing": (2, "mymod:missing"),
    "--sampler heun --param heun.alhpa=1": (2, "did you mean 'alpha'?"),
    "--sampler heun --param heun.alpha=2": (2, "alpha=2"),
    "--sampler heun --param euler.alpha=1": (2, "unknown sampler in --param 'euler'"),
    "--param heun.rho=3": (2, "unknown parameter 'rho' of sampler heun"),
    "--device gpu": (2, "unknown device 'gpu'"),
    "--out plain.txt": (2, "plain.txt exists and is not a folder"),
    "--out plain.txt/below": (3, "plain.txt/below"),
    "--setps 5": (2, "unknown option '--setps'; did you mean '--steps'?"),
}


# Of chains that begin with real images; what is said before anything is sampled.
DATA = ("--from-data", "digits", "--sampler", "euler")
WRONG_DATA = {
    "--from-data nowhere": (2, "nowhere: no such file or folder"),
    "--from-data plain.txt": (2, "plain.txt is neither a folder of images"),
    "--from-data digits --steps 5": (2, "--steps does not work with --from-data; use --nfe"),
    "--from-data digits --levels 1": (2, "--levels 1: at least 2"),
    "--from-data digits --levels a": (2, "--levels a: a number of levels"),
    "--from-data digits --sampler euler --levels 99.0": (2, "from 80 down to 0.002"),
    "--from-data digits --sampler eulr": (2, "did you mean 'euler'?"),
    "--from-data digits --sampler restart --nfe 40": (2, "sampler restart sets its own"),
    "--from-data digits --model digits-edm,digts": (2, "unknown model 'digts'"),
    "--from-data digits --metric fd-digit": (2, "did you mean 'fd-digits'?"),
    "--from-data digits --reference digit": (2, "did you mean 'digits'?"),
    "--from-data digits --out plain.txt": (2, "plain.txt"),
    "--levels 4": (2, "--levels needs --from-data DATA"),
    "--metric fd-digits": (2, "--metric needs --from-data"),
    "--from-dta digits": (2, "did you mean '--from-data'?"),
}


@pytest.mark.parametrize("words", WRONG_DATA)
def test_wrong_words_of_chains_from_data(made, command, words):
    code, told = WRONG_DATA[words]
    done = command("trajectory", *words.split(), cwd=made[0])
    assert (done.code, done.out) == (code, ""), done.err
    error = done.err.splitlines()
    assert told in done.err and len(error) <= 2 and "Traceback" not in done.err


def test_chains_from_data(made, command):
    folder, _ = made
    words = (*DATA, "--nfe", "5", "--levels", "3", "--num-samples", "40", "--device", "cpu")
    done = command("trajectory", *words, cwd=folder)
    assert done.code == 0, done.err
    out = folder / "reports" / "digits-exact-from-data"
    assert {"exposure.csv", "exposure.html"} <= {path.name for path in out.iterdir()}
    rows = list(csv.DictReader((out / "exposure.csv").open(newline="")))
    assert [row["start"] for row in rows] == ["real images", "data", "data", "data", "noise"]
    assert [row["nfe"] for row in rows] == ["0", "1", "3", "5", "5"]
    assert "exposure.html" in done.out and "note: 40 of 360 held-out digits" in done.err
    assert len(re.findall(r"^images ", done.out, re.MULTILINE)) >= 4
    before = (out / "exposure.csv").read_bytes()
    again = command("trajectory", *words, "--json", "--quiet", cwd=folder)
    assert (again.code, again.err) == (0, "")
    assert [row["value"] for row in json.loads(again.out)] == pytest.approx(
        [float(row["value"]) for row in rows], rel=1e-11
    )
    assert (out / "exposure.csv").read_bytes() == before


# These take seconds, and differ little from others that are tried always.
LATE = (
    "--steps 1",
    "--nfe 1",
    "--param ddim.eta=0.5",
    "--sampler edm --param edm.S_churn=5",
    "--sampler heun --param heun.alpha=2",
    "--sampler heun --param euler.alpha=1",
    "--out plain.txt",
)


@pytest.mark.parametrize(
    "words", [pytest.param(w, marks=[pytest.mark.slow] if w in LATE else []) for w in WRONG]
)
def test_a_mistake_is_one_line(made, command, words):
    folder, _ = made
    code, message = WRONG[words]
    before = files_of(folder)
    done = command("trajectory", *words.split(), cwd=folder, path=folder)
    assert done.code == code, done.err
    assert message in done.err.splitlines()[0]
    assert done.out == "" and "Traceback" not in done.err
    assert files_of(folder) == before


def files_of(folder):
    """Paths below a folder, but for what Python writes when it imports a module."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(command, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    done = command("trajectory", *QUICK, "--out", "locked", cwd=tmp_path)
    assert (done.code, "locked" in done.err) == (3, True)


@pytest.mark.parametrize("words", [(), ("--file", "moved.npz")])
def test_a_model_of_ones_own(command, tmp_path, words):
    digits = packaged("digits.npz").read_bytes()
    (tmp_path / (words[1] if words else "mine.npz")).write_bytes(digits)
    (tmp_path / "own.toml").write_text(
        '[mine]\nformat = "exact"\nlocation = "mine.npz"\nshape = [1, 8, 8]\n'
        "config = {bandwidth = 0.2}\n"
    )
    own = ("--model", "mine", "--checkpoints", "own.toml", *words, "--quiet", "--out", "out")
    done = command("trajectory", *QUICK, *own, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "mine" in (tmp_path / "out" / "trajectory.html").read_text()


@pytest.mark.parametrize(
    "words",
    [["--sampler", "eulr"], ["--from-data", "digits", "--sampler", "eulr"],
     ["--from-data", "digts"]],
)  # fmt: skip
def test_typos_are_told_before_torch_is_loaded(python, words):
    code = (
        "import sys; from samplebench.cli import main; "
        f"code = main(['trajectory', *{words}]); "
        "print(code, *({'torch', 'scipy', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    assert python("-c", code).out == "2\n"


def test_the_page_is_drawn_without_torch(python):
    code = """
import sys
sys.modules["torch"] = sys.modules["scipy"] = None
from pathlib import Path
from samplebench.trajectory.page import write_convergence
from samplebench.trajectory.result import Curve, Level, Point, Spread, Truncation, Truth
error = Spread(2.0, 1.0, 0.5, 3.0)
point = Point(2, 2, (Level(0, 1.0, error), Level(1, 0.0, error)))
curve = Curve("euler", "", "edm", 7.0, Truth(80.0, 0.0, 1e-12, 1e-13, 9, 1e-12), (point,))
print(*(p.name for p in write_convergence(Truncation("toy", 3, 0, "float64", (curve,)), Path())))
"""
    done = python("-c", code)
    assert done.out == "trajectory.csv trajectory.svg trajectory.html\n", done.err


@pytest.mark.slow
def test_the_default_command(command, tmp_path):
    done = command("trajectory", "--quiet", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    finest = {row["sampler"]: row for row in json.loads(done.out) if row["steps"] == 80}
    assert finest["euler"]["order"] == pytest.approx(1, abs=0.15)
    assert finest["heun"]["order"] == pytest.approx(2, abs=0.15)

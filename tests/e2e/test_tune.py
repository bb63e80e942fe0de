"""`samplebench tune` as a user runs it."""

from __future__ import annotations

import csv
import json
import shlex

import pytest

QUICK = ("--model", "exact-2d", "--sampler", "ipndm", "--nfe", "4", "--method", "rho")
FEW = (*QUICK, "--num-samples", "64")


@pytest.fixture(scope="module")
def made(command, tmp_path_factory):
    """A working folder after the quick command, and what it printed."""
    folder = tmp_path_factory.mktemp("tune")
    done = command("tune", *FEW, cwd=folder)
    assert done.code == 0, done.err
    return folder, done


def test_files_table_and_progress(made):
    folder, done = made
    out = folder / "reports" / "exact-2d-tune"
    assert sorted(path.name for path in out.iterdir()) == [
        "cards", "judged", "solvers", "trajectories", "tune.csv", "tune.html",
    ]  # fmt: skip
    with (out / "tune.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["rho 7", "best rho", "rho"]
    found = rows[-1]
    assert 0 < int(found["evaluations"]) <= 25_000
    assert float(found["objective_after"]) <= float(found["objective_before"])
    assert "searched on 10,000,000 to 10,000,047, evaluated on 0 to 63, without overlap" in done.out
    assert "evaluations left" in done.err
    assert "page: reports/exact-2d-tune/tune.html" in done.out


@pytest.mark.slow
def test_the_line_that_uses_the_best_is_run(made, command):
    folder, done = made
    (line,) = (line for line in done.out.splitlines() if line.startswith("use: samplebench "))
    words = shlex.split(line.removeprefix("use: samplebench "))
    ran = command(*words, "--num-samples", "64", "--json", "--quiet", cwd=folder)
    assert ran.code == 0, ran.err
    (row,) = json.loads(ran.out)
    with (folder / "reports" / "exact-2d-tune" / "tune.csv").open(newline="") as file:
        found = list(csv.DictReader(file))[-1]
    assert row["fd-pixels"] == pytest.approx(float(found["value"]), rel=1e-9)


def test_again_it_is_there(made, command, cells):
    folder, done = made
    out = folder / "reports" / "exact-2d-tune"
    before, table = cells(out / "judged"), (out / "tune.csv").read_bytes()
    again = command("tune", *FEW, cwd=folder)
    assert (again.code, again.out) == (0, done.out)
    assert "made before" in again.err and "evaluations left" not in again.err
    assert cells(out / "judged") == before and (out / "tune.csv").read_bytes() == table
    told = command("tune", *FEW, "--json", "--quiet", cwd=folder)
    assert (told.code, told.err) == (0, "")
    assert [row["method"] for row in json.loads(told.out)] == ["rho 7", "best rho", "rho"]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (420, "light"), (900, "dark")])
def test_the_page_is_drawn(made, opened, width, scheme):
    folder, _ = made
    page_file = folder / "reports" / "exact-2d-tune" / "tune.html"
    with opened(page_file, width, scheme) as page:
        rows = page.locator('figure[data-figure="grids"] .ytick text').all_text_contents()
        assert sorted(rows) == ["best rho", "rho", "rho 7"]
        assert page.locator('figure[data-figure="grids"] .scale button').count() == 0
        inside = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert inside

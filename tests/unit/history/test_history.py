"""What commits made of a baseline: four of them, and each way in which a file may change."""

from __future__ import annotations

import json
import re

import pytest

from samplebench.cli import main
from samplebench.errors import InputError, UsageError
from samplebench.history import history_of
from samplebench.history.page import page_of
from samplebench.history.table import lines_of, markdown_of, remarks
from samplebench.regression import sidecar
from samplebench.regression.sidecar import Origin
from samplebench.results.tables import write_csv
from tests.unit.regression.made import CONDITIONS, older, row


def put(path, rows, conditions=CONDITIONS):
    write_csv(rows, path)
    if conditions:
        origin = Origin(conditions, "here", "a processor")
        sidecar.write(path, {r["cell"]: origin for r in rows}, {"here"})
    return path


def value(number, *names, **changes):
    return [row(name, **{"fd-digits": number + i}, **changes) for i, name in enumerate(names)]


@pytest.fixture
def four(repository):
    """A curve that moves, is renamed, and loses a point for another."""
    folder = repository.folder
    put(folder / "a.csv", value(2.0, "euler", "heun"))
    repository.commit("First curves")
    rows = value(2.0, "euler", "heun")
    other = row(cell="ab" * 32, **{"fd-digits": 2.5})
    put(folder / "a.csv", [other, rows[1]], CONDITIONS | {"block": 32})
    repository.commit("Blocks of 32")
    (folder / "curves").mkdir()
    repository.git("mv", "a.csv", "curves/b.csv")
    repository.git("mv", "a.provenance.json", "curves/b.provenance.json")
    repository.commit("Moved into a folder")
    put(folder / "curves" / "b.csv", [other, *value(4.0, "edm")], CONDITIONS | {"block": 32})
    (folder / "aside.txt").write_text("x")
    repository.commit("Heun becomes EDM")
    (folder / "aside.txt").write_text("y")
    repository.commit("Nothing of the curve")
    return folder / "curves" / "b.csv"


def said(history):
    """(subject, [(status, sampler)]) of each version."""
    return [
        (v.commit.subject, [(x.status, x.row["sampler"]) for x in v.verdicts])
        for v in history.versions
    ]


def test_each_commit_says_what_it_changed(four):
    found = history_of(four)
    assert said(found) == [
        ("First curves", [("new", "euler"), ("new", "heun")]),
        ("Blocks of 32", [("moved", "euler"), ("same", "heun")]),
        ("Moved into a folder", [("same", "euler"), ("same", "heun")]),
        ("Heun becomes EDM", [("same", "euler"), ("new", "edm"), ("missing", "heun")]),
    ]
    commits = [version.commit for version in found.versions]
    assert [c.name for c in commits] == ["a.csv", "a.csv", "curves/b.csv", "curves/b.csv"]
    assert [c.date for c in commits] == [f"2026-03-0{day}" for day in range(1, 5)]
    assert all(c.hash.startswith(c.short) and len(c.hash) == 40 for c in commits)
    moved = found.versions[1].verdicts[0]
    (change,) = moved.moves
    assert (change.old, change.new) == (2.0, 2.5)
    assert change.relative == pytest.approx(0.25)
    # Both errors are 0.25: their difference has 0.25 sqrt(2).
    assert change.sigma == pytest.approx(0.5 / (0.25 * 2**0.5))
    assert moved.note == "differs: block 64 -> 32"
    assert not found.shallow and found.name == "curves/b.csv"


def test_the_table_holds_what_changed(four):
    told, table = lines_of(history_of(four))
    assert told == "model digits-exact, discretization edm, rho 7, NFE 9, seed 0"
    kept = [(t["subject"], t["status"], t["sampler"], t["old"], t["new"], t["change"], t["sigma"])
            for t in table]  # fmt: skip
    assert kept == [
        ("First curves", "start", "euler", "none", "2", "", ""),
        ("First curves", "start", "heun", "none", "3", "", ""),
        ("Blocks of 32", "changed", "euler", "2", "2.5", "+25 %", "+1.4"),
        ("Moved into a folder", "", "", "", "", "", ""),
        ("Heun becomes EDM", "new", "edm", "none", "4", "", ""),
        ("Heun becomes EDM", "removed", "heun", "3", "none", "", ""),
    ]
    assert table[3]["note"] == "no value changed"
    assert remarks(history_of(four)) == ["curves/b.csv: 4 commits"]


@pytest.mark.parametrize(
    ("since", "subjects"),
    [
        ("main~4", ["First curves", "Blocks of 32", "Moved into a folder", "Heun becomes EDM"]),
        ("main~2", ["Moved into a folder", "Heun becomes EDM"]),
        ("main~1", ["Heun becomes EDM"]),
        ("main", ["Nothing of the curve"]),
    ],
)
def test_it_may_begin_with_a_commit(four, since, subjects):
    found = history_of(four, since)
    assert [v.commit.subject for v in found.versions] == subjects
    assert {x.status for x in found.versions[0].verdicts} == {"new"}
    assert lines_of(found)[1][0]["status"] == "start"


def test_a_branch_is_compared_with_where_it_began(four, repository):
    """Commits of main that the branch does not have are no change of the branch."""
    repository.git("checkout", "--quiet", "-b", "topic", "main~2")
    put(four, value(7.0, "euler", "heun"))
    repository.commit("On the branch")
    found = history_of(four, "main")
    assert [v.commit.subject for v in found.versions] == ["Moved into a folder", "On the branch"]


def test_a_merge_is_one_change(four, repository):
    """Whatever the commits of the branch were: the values are those that main had."""
    repository.git("checkout", "--quiet", "-b", "topic")
    for number in (5.0, 6.0):
        put(four, value(number, "euler", "edm"))
        repository.commit(f"On the branch, {number}")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic")
    found = history_of(four, "main~1")
    whole = said(history_of(four))
    for setting in ("log.diffMerges=combined", "log.diffMerges=off", "log.showRoot=false"):
        repository.git("config", *setting.split("="))
        assert said(history_of(four)) == whole
        repository.git("config", "--unset", setting.partition("=")[0])
    assert [v.commit.subject for v in found.versions] == ["Nothing of the curve", "Merge topic"]
    assert [c.new for v in found.versions[1].verdicts for c in v.moves] == [6.0, 7.0]


def test_a_file_that_was_gone_and_came_back(repository):
    path = repository.folder / "a.csv"
    for i, rows in enumerate((value(2.0, "euler"), None, value(2.5, "euler"))):
        if rows is None:
            path.unlink(), sidecar.beside(path).unlink()
        else:
            put(path, rows)
        repository.commit(f"{i}")
    found = history_of(path)
    assert said(found) == [
        ("0", [("new", "euler")]), ("1", [("missing", "euler")]), ("2", [("new", "euler")]),
    ]  # fmt: skip
    assert [v.fault for v in found.versions] == ["", "removed", ""]
    path.unlink()
    assert len(history_of(path).versions) == 3


def test_a_file_that_never_was_a_table(repository, refused):
    path = repository.folder / "a.csv"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    repository.commit("A pointer")
    refused(lambda: history_of(path), InputError, ":a.csv is not a results.csv")


def test_a_copy_begins_where_it_was_made(repository):
    """What happened to the first file before is not of the second."""
    path = put(repository.folder / "a.csv", value(2.0, "euler"))
    repository.commit("a")
    put(path, value(2.5, "euler"))
    repository.commit("a again")
    copy = put(repository.folder / "b.csv", value(2.5, "euler"))
    repository.commit("b")
    put(copy, value(3.0, "euler"))
    repository.commit("b again")
    assert said(history_of(copy)) == [("b", [("new", "euler")]), ("b again", [("moved", "euler")])]
    assert [version.commit.before for version in history_of(copy).versions] == ["", "b.csv"]
    assert len(history_of(copy, "main~2").versions) == 2


def test_a_version_that_is_no_table_is_passed_over(repository):
    path = repository.folder / "a.csv"
    put(path, value(2.0, "euler"))
    repository.commit("A table")
    path.write_text("<<<<<<< main\n")
    bad = repository.commit("None <b>|")
    put(path, value(2.5, "euler"))
    repository.commit("A table again")
    found = history_of(path)
    assert f"{bad[:7]}:a.csv is not a results.csv" in found.versions[1].fault
    assert said(found)[2] == ("A table again", [("moved", "euler")])
    _, table = lines_of(found)
    assert [line["status"] for line in table] == ["start", "", "changed"]
    assert "| None &lt;b&gt;\\| |" in markdown_of(found)


def test_a_table_of_schema_1_is_the_same_curve(repository):
    """Its cells have other hashes and its rows no reference: only the value is news."""
    path, rows = repository.folder / "a.csv", value(2.0, "euler", "heun")
    before = older(rows)
    lines = [list(before[0]), *(list(r.values()) for r in before)]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    repository.commit("Schema 1")
    put(path, value(2.5, "euler") + rows[1:])
    repository.commit("Schema 2")
    statuses = [("moved", "euler"), ("same", "heun")]
    assert said(history_of(path))[1] == ("Schema 2", statuses)


def test_other_numbers_of_samples_are_other_points(repository):
    path = put(repository.folder / "a.csv", value(2.0, "euler"))
    repository.commit("100")
    put(path, value(2.0, "euler", num_samples=200), CONDITIONS | {"num_samples": 200})
    repository.commit("200")
    assert said(history_of(path))[1] == ("200", [("new", "euler"), ("missing", "euler")])


def test_subjects_are_text(repository, capsys, monkeypatch, tmp_path):
    path = put(repository.folder / "a.csv", value(2.0, "euler"))
    repository.commit("::error::x <script>alert(1)</script> | \u202e \x02 ü")
    found = history_of(path)
    assert found.versions[0].commit.subject.startswith("::error::x <script>")
    page = page_of(found)
    assert "<script>alert(1)" not in page and "\u202e" not in page
    monkeypatch.chdir(tmp_path)
    for words in ((), ("--markdown", "-"), ("--json",)):
        assert main(["history", str(path), *words]) == 0
        out = capsys.readouterr().out
        assert not re.search(r"^\s*::", out, re.M) and "\u202e" not in out


def test_what_has_no_history(repository, refused, tmp_path):
    path = repository.folder / "a.csv"
    refused(lambda: history_of(path), InputError, "has no commit yet")
    repository.commit("empty")
    put(path, value(2.0, "euler"))
    refused(lambda: history_of(path), InputError, "no commit has a.csv; commit it first")
    refused(lambda: history_of(path, "main"), InputError, "a.csv is neither in main nor in a")
    refused(lambda: history_of(repository.folder), InputError, "is a folder; name a file")
    refused(lambda: history_of(tmp_path / "b.csv"), InputError, "is in no git repository")
    refused(lambda: history_of(path, "mian"), UsageError, "--since", "did you mean 'main'?")
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit("Unrelated")
    refused(lambda: history_of(path, "main"), InputError, "have no commit in common")


def test_a_shallow_clone_says_so(four, repository, tmp_path):
    source, clone = f"file://{repository.folder}", tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=2", source, str(clone))
    found = history_of(clone / "curves" / "b.csv")
    assert [v.commit.subject for v in found.versions] == ["Heun becomes EDM"]
    assert found.shallow and "git fetch --unshallow" in remarks(found)[1]


def test_the_command(four, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["history", str(four)]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "changed  euler" in out and "page: reports/history-b/history.html" in out
    page = tmp_path / "reports" / "history-b" / "history.html"
    assert page.read_text() == page_of(history_of(four))
    assert main(["history", str(four), "--quiet", "--out", "there"]) == 0
    assert "page:" not in capsys.readouterr().out
    assert (tmp_path / "there" / "history.html").is_file()
    assert main(["history", str(four), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(commit["points"]) for commit in found] == [2, 2, 2, 3]
    assert found[3]["points"][1]["status"] == "new" and found[3]["fault"] is None
    (change,) = [c for c in found[1]["points"][0]["changes"] if c["moved"]]
    assert (change["old"], change["new"], change["relative"]) == (2.0, 2.5, 0.25)
    assert main(["history", str(four), "--markdown", "history.md"]) == 0
    assert (tmp_path / "history.md").read_text() == markdown_of(history_of(four))
    assert main(["history", str(four), "--markdown", "-", "--json"]) == 2


def test_the_page_draws_every_point_over_the_commits(four):
    found = page_of(history_of(four))
    data = json.loads(re.search(r'id="chart">(.*?)</script>', found)[1])
    drawn = {
        one["name"]: [(m["x"]["commit"], m["y"]) for m in one["points"]] for one in data["series"]
    }
    assert drawn == {
        "euler, edm ρ=7, NFE 9": [(1, 2.0), (2, 2.5), (3, 2.5), (4, 2.5)],
        "heun, edm ρ=7, NFE 9": [(1, 3.0), (2, 3.0), (3, 3.0), (4, None)],
        "edm, edm ρ=7, NFE 9": [(4, 4.0)],
    }  # fmt: skip
    assert found.count("<tr>") == 1 + 9 and page_of(history_of(four)) == found

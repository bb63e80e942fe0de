"""`--baseline-ref`: the baseline of a commit is compared as the file that it was."""

from __future__ import annotations

import pytest

from samplebench.cli import main
from samplebench.errors import InputError
from samplebench.regression import load_committed, load_rows, sidecar
from samplebench.regression.sidecar import Origin
from samplebench.results.tables import write_csv
from tests.unit.regression.made import CONDITIONS, row


def put(path, rows):
    write_csv(rows, path)
    origin = Origin(CONDITIONS, "here", "a processor")
    sidecar.write(path, {r["cell"]: origin for r in rows}, {"here"})
    return path


@pytest.fixture
def baseline(repository, rows):
    """A committed one, of which the working tree has another."""
    path = put(repository.folder / "curves.csv", rows)
    repository.commit("Curves")
    put(path, [{**r, "fd-digits": 9.0} for r in rows])
    repository.commit("Other curves")
    return path


@pytest.fixture
def check(rows, baseline, tmp_path, capsys):
    """`check("--baseline-ref", ...)` of results as the first commit has them: code, out, err."""
    put(tmp_path / "now.csv", rows)

    def run(*words, file=baseline):
        code = main(["check", str(tmp_path / "now.csv"), "--baseline", str(file), *words])
        return code, *capsys.readouterr()

    return run


def test_it_is_the_file_that_it_was(baseline, rows):
    then = load_committed(baseline, "HEAD~1")
    assert then.rows == rows and then.source == "HEAD~1:curves.csv"
    assert load_committed(baseline, "main") == load_rows(baseline)
    assert then.origins == load_rows(baseline).origins and then.platforms == {"here"}


def test_the_commit_decides(check):
    assert check()[0] == 1
    code, out, err = check("--baseline-ref", "HEAD~1")
    assert (code, err) == (0, "") and "3 same" in out
    code, out, err = check("--baseline-ref=main")
    assert code == 1 and "3 moved" in out
    assert "with --update, without --baseline-ref makes these results the baseline" in out


def test_the_tree_need_not_have_the_file(check, baseline):
    baseline.unlink()
    sidecar.beside(baseline).unlink()
    assert check("--baseline-ref", "HEAD~1")[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--baseline-ref", "nowhere"], 2, "unknown commit in --baseline-ref 'nowhere'"),
        (["--baseline-ref=-main"], 2, "'-main' names no commit"),
        (["--baseline-ref="], 2, "'' names no commit"),
        (["--baseline-ref", "main", "--update"], 2, "leave --baseline-ref out"),
    ],
)
def test_what_it_does_not_take(check, words, code, said):
    found, out, err = check(*words)
    assert (found, out) == (code, "")
    (line,) = err.splitlines()
    assert said in line


@pytest.mark.parametrize("name", ["C:\\curves.csv", "https://example.org/c.csv", "main:curves.csv"])
def test_a_colon_in_a_path_is_no_commit(check, name):
    code, _, err = check(file=name)
    assert code == 2 and "does not exist" in err


def test_a_commit_without_the_file(baseline, refused, repository):
    other = repository.folder / "other.csv"
    call = lambda: load_committed(other, "main")  # noqa: E731
    refused(call, InputError, "other.csv is not in main (commit ", "that has it")


def test_a_damaged_version_is_named(repository, refused, rows):
    path = repository.folder / "curves.csv"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    repository.commit("No table")
    put(path, rows)
    sidecar.beside(path).write_text("{")
    repository.commit("Half a file beside it")
    refused(
        lambda: load_committed(path, "HEAD~1"), InputError, "HEAD~1:curves.csv is not a results"
    )
    call = lambda: load_committed(path, "main")  # noqa: E731
    refused(call, InputError, "main:curves.provenance.json is damaged")


def test_an_older_table_is_read(repository, rows):
    path = repository.folder / "curves.csv"
    later = ("reference", "depth", "guidance", "guide_nfe")
    old = [{key: value for key, value in r.items() if key not in later} for r in [row()]]
    lines = [list(old[0]), *(list(r.values()) for r in old)]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    repository.commit("Curves of an older version")
    (found,) = load_committed(path, "main").rows
    assert (found["depth"], found["reference"], found["fd-digits"]) == (9, "", 2.0)

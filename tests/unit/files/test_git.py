"""Files of commits: what is read, and what each way of not reading it is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from samplebench.errors import EnvironmentError_, InputError, UsageError
from samplebench.files import git
from samplebench.files.git import TrackedFile

NAMES = ("a.csv", "deep/er/a.csv", "with space.csv", "ünï.csv", "-a.csv", "[ab]*.csv", "a:b.csv")


@pytest.fixture
def place(repository):
    """`place(name)`: a path in the repository."""
    return lambda name: repository.folder / name


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_as_the_commit_has_it(repository, place, name):
    path = place(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"first\n")
    first = repository.commit("first")
    path.write_bytes(b"second\n")
    second = repository.commit("second")
    path.unlink()
    file = TrackedFile.at(path)
    assert file.name == name
    assert file.content(first, file.name, 100) == b"first\n"
    assert file.content(second, file.name, 100) == b"second\n"
    assert file.content(first, "other.csv", 100) is None


def test_every_name_of_a_commit_is_taken(repository, place):
    first = repository.commit("first")
    repository.git("tag", "v1.0")
    repository.git("tag", "-a", "-m", "annotated", "v1.1")
    repository.git("branch", "other")
    last = repository.commit("second")
    file = TrackedFile.at(place("a.csv"))
    for ref in ("v1.0", "v1.1", "other", "HEAD~1", "main^", first, first[:10], "refs/heads/other"):
        assert file.commit(ref, "--ref") == first
    assert file.commit("main", "--ref") == file.commit("HEAD", "--ref") == last


@pytest.mark.parametrize(
    "ref", ["-x", "--upload-pack=touch made", "--output=made", "", "a\nb", "a\0b", "\u202emain"]
)
def test_what_is_no_name_never_reaches_git(repository, place, refused, monkeypatch, ref):
    repository.commit("first")
    file = TrackedFile.at(place("a.csv"))
    monkeypatch.setattr(git, "git", lambda *words: pytest.fail(f"git was started: {words}"))
    refused(lambda: file.commit(ref, "--ref"), UsageError, "--ref", "names no commit")


@pytest.mark.parametrize("ref", ["nowhere", "HEAD..main", "main:a.csv", "HEAD~9", "C:\\x", "*"])
def test_a_commit_that_is_not_there_is_named(repository, place, refused, ref):
    place("a.csv").write_text("x")
    repository.commit("first")
    file = TrackedFile.at(place("a.csv"))
    refused(lambda: file.commit(ref, "--ref"), UsageError, "unknown commit in --ref")


def test_the_nearest_name_is_told(repository, place, refused, tmp_path):
    repository.commit("first")
    file = TrackedFile.at(place("a.csv"))
    refused(lambda: file.commit("mian", "--ref"), UsageError, "did you mean 'main'?")
    repository.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    subprocess.run(["git", "checkout", "-q", "--detach"], cwd=tmp_path / "clone", check=True)
    subprocess.run(["git", "branch", "-q", "-D", "main"], cwd=tmp_path / "clone", check=True)
    other = TrackedFile.at(tmp_path / "clone" / "a.csv")
    refused(lambda: other.commit("main", "--ref"), UsageError, "did you mean 'origin/main'?")


def test_a_shallow_clone_is_told_how_to_get_the_rest(repository, refused, tmp_path):
    """As actions/checkout makes it."""
    repository.commit("first")
    repository.commit("second")
    source, clone = f"file://{repository.folder}", tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", source, str(clone))
    file = TrackedFile.at(clone / "a.csv")
    for ref in ("HEAD~1", "v1.0"):
        refused(lambda ref=ref: file.commit(ref, "--ref"), EnvironmentError_, "fetch-depth: 0")
    assert file.shallow and not TrackedFile.at(repository.folder / "a.csv").shallow


def test_a_repository_without_a_working_tree(tmp_path, repository, place, refused):
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    for path in (tmp_path / "bare" / "deep" / "a.csv", place(".git/config")):
        refused(lambda path=path: TrackedFile.at(path), InputError, "without a working tree")


def test_outside_of_a_repository(tmp_path, repository, refused):
    refused(lambda: TrackedFile.at(tmp_path / "a.csv"), InputError, "is in no git repository")


def test_where_there_is_no_git(repository, place, refused, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(lambda: TrackedFile.at(place("a.csv")), EnvironmentError_, "git is not installed")


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """`fake(script)`: what is called git from now on."""

    def put(script):
        path = tmp_path / "bin" / "git"
        path.parent.mkdir()
        path.write_text(f"#!{sys.executable}\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)

    return put


@pytest.mark.skipif(os.name == "nt", reason="a script is no program there")
def test_a_git_that_does_not_answer(repository, place, refused, monkeypatch, fake):
    monkeypatch.setattr(git, "_PATIENCE", 0.2)
    fake("import time; time.sleep(60)")
    refused(lambda: TrackedFile.at(place("a.csv")), EnvironmentError_, "did not answer within")


@pytest.mark.skipif(os.name == "nt", reason="a script is no program there")
def test_what_git_says_is_one_line(repository, place, refused, fake):
    fake("import sys; sys.stderr.write('fatal: one\\n\\x1b[31mtwo\\n'); sys.exit(128)")
    refused(lambda: TrackedFile.at(place("a.csv")), EnvironmentError_, "git: one [31mtwo")


def test_a_folder_of_somebody_else(repository, place, refused, monkeypatch):
    """As in a container of a CI server."""
    repository.commit("first")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    call = lambda: TrackedFile.at(place("a.csv"))  # noqa: E731
    refused(call, EnvironmentError_, "dubious ownership", "safe.directory")


def test_the_settings_of_a_hook_are_not_those_of_the_file(repository, place, monkeypatch):
    place("a.csv").write_bytes(b"x")
    first = repository.commit("first")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        monkeypatch.setenv(name, "elsewhere")
    file = TrackedFile.at(place("a.csv"))
    assert file.content(file.commit("main", "--ref"), "a.csv", 10) == b"x"
    assert file.commit("main", "--ref") == first


def test_what_is_no_file_in_the_commit(repository, place, refused):
    place("folder").mkdir()
    place("folder/a.csv").write_text("0123456789")
    place("link.csv").symlink_to("folder/a.csv")
    commit = repository.commit("first")
    file = TrackedFile.at(place("folder"))
    refused(lambda: file.content(commit, "folder", 100), InputError, "is a folder")
    refused(lambda: file.content(commit, "link.csv", 100), InputError, "is a symbolic link")
    refused(lambda: file.content(commit, "folder/a.csv", 9), InputError, "larger than 9 bytes")


def test_a_path_through_a_link_is_the_place_it_leads_to(repository, place, tmp_path):
    place("folder").mkdir()
    place("folder/a.csv").write_bytes(b"x")
    repository.commit("first")
    (tmp_path / "short").symlink_to(place("folder"))
    assert TrackedFile.at(tmp_path / "short" / "a.csv").name == "folder/a.csv"

"""The release: what the wheel and the source distribution hold, and both used as somebody who has
nothing else would: in a fresh environment, from an empty folder."""

from __future__ import annotations

import email.parser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from samplebench.cli import parser
from samplebench.version import VERSION

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
NAME = f"samplebench-{VERSION}"
# Of every command a small run, in the folder of the ones before; its exit code is 0 or the given.
RUNS = (
    "--version",
    "run --model digits-exact --sampler euler,heun --nfe 5 --num-samples 128 --keep features "
    "--out sweep",
    "report sweep",
    "report sweep --latex",
    "report sweep --style paper",
    "check sweep --baseline curves.csv --update",
    "check sweep --baseline curves.csv",
    "score sweep --metric kd-digits --reference digits",
    "compare sweep curves.csv",
    "cite sweep",
    "forget sweep",
    "list",
    "list samplers --verbose",
    "reference list",
    "reference describe digits-kde",
    "trajectory --sampler euler --nfe 5,10 --num-samples 8 --out truncation",
    "tune --sampler euler --nfe 5 --method rho --num-samples 0 --out tuned",
    "advise --model digits-exact --nfe 5 --num-samples 128 --out advised",
    "nll --model digits-adm --data digits --steps 10 --num-samples 4 --out likelihood",
    "board --samplers euler,heun --models exact-2d --nfe 6 --out board",
    "card export --sampler euler --nfe 5 --out euler.json",
    "card describe euler.json",
    "run --model digits-vp --sampler card:euler.json --num-samples 128 --out card",
    "published",
    "reproduce --list",
    "doctor digits-adm",
)
REFUSED = {
    "fetch vp-cifar10 --offline": 3,
    "run --sampler hein": 2,
    "history curves.csv": 2,  # outside a repository
}
COMMANDS = next(a.choices for a in parser()._actions if isinstance(a.choices, dict))


def call(words, cwd: Path, **more: str) -> subprocess.CompletedProcess:
    """A command with nothing of this environment around it."""
    outside = ("PYTHONPATH", "VIRTUAL_ENV", "SAMPLEBENCH_GOLDENS", "SAMPLEBENCH_DATA", "COV_CORE")
    kept = {key: value for key, value in os.environ.items() if key not in outside}
    env = kept | {"OMP_NUM_THREADS": "1"} | more
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def tree(folder: Path) -> set[str]:
    """Files below a folder, without what Python and tests leave there."""
    left = ("__pycache__", ".pytest_cache", ".hypothesis")
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not set(left) & set(path.parts)
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, source distribution), the wheel built from the other."""
    for name in ("build", "hatchling"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install '.[dev]'")
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    done = call(words, tmp_path_factory.mktemp("elsewhere"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"warn|deprecat", done.stdout + done.stderr, re.I), done.stderr
    wheel, source = folder / f"{NAME}-py3-none-any.whl", folder / f"{NAME}.tar.gz"
    assert sorted(folder.iterdir()) == sorted([wheel, source])
    return wheel, source


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as archive:
        files = [name for name in archive.namelist() if not name.endswith("/")]
    assert len(set(files)) == len(files)
    info = {name for name in files if name.startswith(f"{NAME}.dist-info/")}
    package = {f"samplebench/{name}" for name in tree(ROOT / "samplebench")}
    assert set(files) - info == package | {"samplebench/checkpoints.toml"}
    assert {name.partition("/")[2] for name in info} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt",
        "licenses/LICENSE", "licenses/samplebench/embedded/README.md",
    }  # fmt: skip


def test_the_metadata_say_what_the_package_is(built):
    with zipfile.ZipFile(built[0]) as archive:
        text = archive.read(f"{NAME}.dist-info/METADATA").decode()
    said = email.parser.Parser().parsestr(text)
    assert (said["Name"], said["Version"]) == ("samplebench", VERSION)
    assert said["License-Expression"] == "Apache-2.0 AND CC-BY-4.0"
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"fid", "ray", "docs", "dev"} <= set(said.get_all("Provides-Extra"))


def test_the_source_distribution_is_the_repository(built):
    with tarfile.open(built[1]) as archive:
        found = {member.name.removeprefix(f"{NAME}/") for member in archive if member.isfile()}
    for name in ("docs/hooks.py", ".ci/run", ".github/workflows/ci.yml", "CITATION.cff",
                 "mkdocs.yml", "reports/example/results.csv", "examples/slurm_array.sh",
                 "tests/e2e/test_release.py", "tests/goldens/README.md"):  # fmt: skip
        assert name in found
    assert not [name for name in found if "__pycache__" in name or name.startswith("reports/d")]
    listed = call(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT
    ) if shutil.which("git") and (ROOT / ".git").exists() else None  # fmt: skip
    if listed is not None and listed.returncode == 0:
        assert found - {"PKG-INFO"} == set(listed.stdout.splitlines())


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """The interpreter of a fresh environment with the pinned packages and the wheel."""
    folder = tmp_path_factory.mktemp("fresh")
    done = call([sys.executable, "-m", "venv", folder / "venv"], folder)
    assert done.returncode == 0, done.stderr
    python = folder / "venv" / "bin" / "python"
    pinned = ["--quiet", "--constraint", ROOT / "constraints.txt"]
    reached = ["download", *pinned, "--no-deps", "--dest", folder / "reached", "idna"]
    if call([python, "-m", "pip", *reached], folder).returncode:
        pytest.skip("the package registry is not reached")
    done = call([python, "-m", "pip", "install", *pinned, built[0]], folder)
    assert done.returncode == 0, done.stderr
    yield python
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Empty at first; commands find in it what those before have written."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture
def installed(python, folder):
    """`installed("run", ...)`: the command of the fresh environment, in that folder."""
    cache = {"SAMPLEBENCH_CACHE": str(folder / "cache")}
    return lambda *words: call([python.with_name("samplebench"), *words], folder, **cache)


def test_it_is_the_installed_package_that_runs(python, folder):
    code = "import samplebench as s; print(s.__version__, s.__file__)"
    version, place = call([python, "-c", code], folder).stdout.split()
    assert version == VERSION and Path(place).is_relative_to(python.parents[1])


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(installed, command):
    done = installed(command, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: samplebench {command}")
    assert "examples:" in done.stdout


def test_every_command_is_run():
    first = {words.split()[0] for words in (*RUNS, *REFUSED)}
    assert first - {"--version"} == set(COMMANDS)


@pytest.mark.parametrize("words", RUNS)
def test_every_command_runs(installed, words):
    done = installed(*words.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_done_is_one_line(installed, words):
    done = installed(*words.split())
    assert (done.returncode, done.stdout) == (REFUSED[words], "")
    assert re.match(r"samplebench( \w+)?: error: \S", done.stderr)


def test_what_a_run_wrote_is_of_this_version(installed, folder):
    """Its cells and its citation."""
    assert f"version = {{{VERSION}}}" in installed("cite", "sweep").stdout
    records = [path.read_text() for path in (folder / "sweep" / "cells").glob("*.json")]
    assert records and all(f'"samplebench": "{VERSION}"' in text for text in records)


def test_the_source_distribution_passes_its_own_tests(built, python, tmp_path):
    """The quick ones, on the installed wheel: of the unpacked folder nothing is imported."""
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / NAME
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt"]
    for words in ([f"samplebench[dev] @ {built[0].as_uri()}"], ["--no-deps", "torch-fidelity"]):
        done = call([*install, *words], source)
        assert done.returncode == 0, done.stderr
    done = call([python.with_name("pytest"), "-q", "-m", "not slow", "-n", "2", "--dist",
                 "loadfile", "--no-loadscope-reorder"], source)  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:]

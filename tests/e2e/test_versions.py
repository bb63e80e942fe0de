"""The oldest and the newest packages that pyproject.toml admits, and every Python it names.

Each set is installed anew and passes the quick tests of units and contracts. That takes uv, the
registry, and where torch has no build without CUDA several gigabytes: nobody meets it by accident.
    pip install uv && pytest -m slow tests/e2e/test_versions.py
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = re.findall(r":: Python :: (3\.\d+)(?=\n)", "\n".join([*PROJECT["classifiers"], ""]))
# What the tests need; these have no bounds of their own.
TOOLS = ["hypothesis", "packaging", "playwright", "pytest", "pytest-xdist"]
# Extras whose packages are tested, too, where there is one for this Python.
EXTRAS = ["--extra", "diffusers", "--extra", "dinov2"]
GIGABYTES = 12


def call(*words) -> subprocess.CompletedProcess:
    outside = ("PYTHONPATH", "VIRTUAL_ENV", "SAMPLEBENCH_GOLDENS")
    env = {key: value for key, value in os.environ.items() if key not in outside}
    return subprocess.run(
        [str(word) for word in words], cwd=ROOT, capture_output=True, text=True,
        env=env | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def uv():
    if importlib.util.find_spec("uv") is None:
        pytest.skip("uv is not installed: pip install uv")
    return lambda *words: call(sys.executable, "-m", "uv", *words)


def _requirements(uv, python: str, packages: str, file: Path) -> list[str]:
    """The arguments that install a set of packages; skips where the registry is not reached."""
    if packages == "pinned":
        return ["--constraint", ROOT / "constraints.txt", f"{ROOT}[diffusers,dinov2]"]
    how = {"oldest": "lowest-direct", "newest": "highest"}[packages]
    done = uv("pip", "compile", "--quiet", "--python-version", python, "--resolution", how,
              *EXTRAS, "--output-file", file, ROOT / "pyproject.toml")  # fmt: skip
    if done.returncode and re.search(r"connect|resolve host|dns error|timed out", done.stderr):
        pytest.skip("the package registry is not reached")
    assert done.returncode == 0, done.stderr
    return ["--requirement", file, ROOT]


SETS = [(PYTHONS[0], "oldest"), (PYTHONS[-1], "newest"), *((p, "pinned") for p in PYTHONS)]


@pytest.mark.parametrize("version, packages", SETS, ids="-".join)
def test_quick_tests_pass_with(uv, version, packages, tmp_path):
    if shutil.disk_usage(tmp_path).free < GIGABYTES * 1e9:
        pytest.skip(f"less than {GIGABYTES} GB are free")
    found = uv("python", "find", "--no-python-downloads", version)
    if found.returncode:
        pytest.skip(f"Python {version} is not on this machine")
    venv = tmp_path / "venv"
    assert uv("venv", "--python", found.stdout.strip(), venv).returncode == 0
    python = venv / "bin" / "python"
    wanted = _requirements(uv, version, packages, tmp_path / "requirements.txt")
    done = uv("pip", "install", "--python", python, *wanted, *TOOLS)
    assert done.returncode == 0, done.stderr
    done = uv("pip", "install", "--python", python, "--no-deps", "torch-fidelity")
    assert done.returncode == 0, done.stderr
    shown = uv("pip", "freeze", "--python", python).stdout
    run = call(venv / "bin" / "pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", "not slow",
               "-p", "no:cacheprovider", "tests/unit", "tests/contract")  # fmt: skip
    shutil.rmtree(venv)
    assert run.returncode == 0, f"{shown}\n{run.stdout[-20_000:]}"

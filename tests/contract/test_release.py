"""What a release says of itself is said once: version, licences, Pythons, pinned packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import samplebench
from samplebench.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_written_once():
    """The build, the package, the command, results and citations take it from one file."""
    assert samplebench.__version__ is VERSION
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert (ROOT / PROJECT["tool"]["hatch"]["version"]["path"]).read_text().count(VERSION) == 1
    writing = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "samplebench").rglob("*.py")
        if re.search(rf"version\(.samplebench.\)|['\"]{re.escape(VERSION)}['\"]", path.read_text())
    ]
    assert writing == ["samplebench/version.py"]


def test_citation_and_changes_are_of_this_version():
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", cited, re.M) == [VERSION]
    (title,) = re.findall(r'^title: "(.*)"$', cited, re.M)
    own = (ROOT / "samplebench" / "citations.bib").read_text(encoding="utf-8")
    assert f"{{{title}}}" in own
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest[1] == VERSION


def test_python_versions_are_the_same_everywhere():
    lowest = PROJECT["project"]["requires-python"].removeprefix(">=")
    known = re.findall(
        r":: Python :: (3\.\d+)\n", "\n".join(PROJECT["project"]["classifiers"] + [""])
    )
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1]) == known
    assert known[0] == lowest == PROJECT["tool"]["mypy"]["python_version"]
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"


def test_every_package_of_make_is_pinned_within_its_bounds():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    for extra in ("dev", "docs", "fid", "ray", "drive", "diffusers", "dinov2"):
        wanted += extras[extra]
    for one in map(Requirement, wanted):
        assert one.specifier.contains(pins[canonicalize_name(one.name)]), one

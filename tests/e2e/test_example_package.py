"""The package under examples/, installed as a user would: found by its entry points, and run."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import samplebench as installed_package

EXAMPLE = Path(__file__).parents[2] / "examples" / "samplebench-example"


def digest() -> str:
    """Of every file of samplebench."""
    home = Path(installed_package.__file__).parent
    files = sorted(path for path in home.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return hashlib.sha256(b"".join(f"{p}".encode() + p.read_bytes() for p in files)).hexdigest()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the package in it, built from a copy: nothing is left in the tree."""
    source = tmp_path_factory.mktemp("source") / "example"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    site = tmp_path_factory.mktemp("site")
    how = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    words = [sys.executable, "-m", "pip", "install", *how, str(source)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


def test_it_is_found_and_run_and_changes_nothing(site, samplebench, tmp_path):
    before = digest()
    images = np.random.default_rng(0).integers(256, size=(99, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    sweep = ["--sampler", "heun,example-midpoint", "--nfe", "9", "--num-samples", "70"]
    sweep += ["--discretization", "edm,example-chebyshev", "--out", "out"]
    measured = ["--metric", "kid-dct,fd-digits", "--reference", "images.npz"]
    done = samplebench("run", *sweep, *measured, "--quiet", path=site)
    assert done.code == 0, done.err
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = {(r["sampler"], r["discretization"]) for r in rows}
    assert len(points) == len(rows) == 4
    assert {row["nfe"] for row in rows} == {"9"}
    assert all(float(row["kid-dct"]) > 10 * float(row["kid-dct_stderr"]) > 0 for row in rows)
    assert all(float(row["fd-digits"]) > 0 for row in rows)
    assert digest() == before


@pytest.mark.slow
def test_its_order_is_the_one_that_it_declares(site, samplebench):
    orders = samplebench(
        "trajectory", "--sampler", "example-midpoint", "--steps", "40,80", "--num-samples", "4",
        "--discretization", "example-chebyshev", "--json", "--quiet", path=site,
    )  # fmt: skip
    assert orders.code == 0, orders.err
    assert json.loads(orders.out)[-1]["order"] == pytest.approx(2, abs=0.35)

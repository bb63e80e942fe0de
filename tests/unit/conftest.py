"""An invented view: 3 samplers x 2 rho x 4 step counts, a git repository, and how a refusal is
asserted."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samplebench.results.row import reference_label
from samplebench.results.view import View, key_of

# "edm" without churn is computed as "heun" and shares its cells.
SETTINGS = (("euler", "", 1), ("heun", "", 2), ("edm", "S_churn=0", 2))
STEPS = (5, 9, 18, 36)
REFERENCE = ("toy-reference", "cd" * 32)


def record(key: str, row: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        "schema": 2,
        "cell": key,
        "conditions": {
            "model": row["model"],
            "sampler": "euler" if row["sampler"] == "euler" else "heun",
            "params": {},
            "discretization": {"name": "edm", "rho": row["rho"], "sigma_min": 0.002},
            "seed": seed,
            "num_samples": row["num_samples"],
        },
        "nfe": row["nfe"],
        "seconds": {"sampling": 1.25},
        "provenance": {
            "versions": {"torch": "2.6.0"},
            "checkpoint": {"licence": "CC0", "source": "https://example.org/checkpoint"},
        },
    }


def score(cell: str, row: dict[str, Any], reference: tuple[str, str]) -> dict[str, Any]:
    """Of fd-toy against a reference, (id, sha256)."""
    return {
        "schema": 2,
        "score": "9" * 64,
        "conditions": {
            "cell": cell,
            "metric": "fd-toy",
            "statistic": "moments",
            "reference": dict(zip(("id", "sha256"), reference, strict=True)),
            "extractor": {"name": "toy", "weights_sha256": "ef" * 32, "feature_dim": 64},
        },
        "value": {"value": row["fd-toy"], "stderr": row["fd-toy_stderr"], "better": "lower"},
    }


@pytest.fixture
def against() -> Callable[..., View]:
    """`against(view, id, sha256)`: its images scored against that, too, with values 10 % larger."""

    def scored(view: View, *reference: str) -> View:
        rows, scores = list(view.rows), dict(view.scores)
        for row in view.rows:
            other = {**row, "reference": reference_label(*reference)}
            other |= {name: 1.1 * row[name] for name in ("fd-toy", "fd-toy_stderr")}
            rows.append(other)
            for cell in row["cell"].split():
                found = score(cell, other, reference)
                scores[key_of(found)] = found
        return replace(view, rows=rows, scores=scores)

    return scored


@pytest.fixture
def make_view(tmp_path: Path) -> Callable[..., View]:
    """A function `make(model=..., protocols=..., repeats=...)` that gives a view with sheets."""

    def make(
        model: str = "toy-model", protocols: tuple[str, ...] = ("toy",), repeats: int = 1
    ) -> View:
        draw = random.Random(0)
        rows: list[dict[str, Any]] = []
        cells: dict[str, dict[str, Any]] = {}
        scores: dict[Any, dict[str, Any]] = {}
        sheets: dict[str, Path] = {}
        for protocol in protocols:
            for sampler, params, order in SETTINGS:
                for rho in (7.0, 3.0):
                    for steps in STEPS:
                        nfe = steps if order == 1 else 2 * steps - 1
                        value = 40 / nfe**order * draw.uniform(0.9, 1.1)
                        row: dict[str, Any] = {
                            "model": model,
                            "sampler": sampler,
                            "params": params,
                            "discretization": "edm",
                            "rho": rho,
                            "steps": steps,
                            "nfe": nfe,
                            "nfe_requested": nfe,
                            "depth": nfe,
                            "guidance": "",
                            "guide_nfe": 0,
                            "seed": 0,
                            "repeats": repeats,
                            "num_samples": 500,
                            "protocol": protocol,
                            "dtype": "float64",
                            "reference": reference_label(*REFERENCE),
                            "fd-toy": value,
                            "fd-toy_stderr": value / 30,
                        }
                        computed = "euler" if sampler == "euler" else "heun"
                        names = [f"{computed} {rho} {steps} {protocol} {s}" for s in range(repeats)]
                        keys = [hashlib.sha256(name.encode()).hexdigest() for name in names]
                        row["cell"] = " ".join(keys)
                        rows.append(row)
                        for seed, key in enumerate(keys):
                            cells[key] = record(key, row, seed)
                            found = score(key, row, REFERENCE)
                            scores[key_of(found)] = found
                            sheets[key] = tmp_path / f"{key[:12]}.png"
                            pixels = bytes(draw.randrange(256) for _ in range(64 * 64))
                            Image.frombytes("L", (64, 64), pixels).save(sheets[key])
        return View("toy-sweep", rows, cells, sheets, pending=2, scores=scores)

    return make


class Repository:
    """A git repository of nobody's settings, whose commits are a day apart."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commits = folder, 0
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        date = f"2026-03-{self.commits + 1:02d}T12:00:00+00:00"
        name = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
            ("NAME", "Somebody"), ("EMAIL", "somebody@example.org"), ("DATE", date),
        )}  # fmt: skip
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env={**os.environ, **name}, text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, subject: str) -> str:
        """Commits all that is there; the hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        self.commits += 1
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository in a folder of its own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return Repository(tmp_path / "repository")


@pytest.fixture
def refused():
    """`refused(call, kind, *words)`: asserts that it ends in one line with the words in it."""

    def refused(call, kind, *words):
        with pytest.raises(kind) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert str(word) in message
        return message

    return refused

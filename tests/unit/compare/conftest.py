"""Real folders of a few cells, and copies of them in which the values were changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest import mock

import pytest

import samplebench
from samplebench.files.sealed import CHECKSUM, json_checksum
from samplebench.results.tables import write_csv

N = 40
METRICS = ("fd-digits", "recall-digits")
WORDS = {
    "model": "digits-exact", "sampler": ["euler", "heun"], "nfe": [5, 10], "num_samples": N,
    "metric": METRICS, "reference": ["digits"], "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """`ran(seed=1000)`: the folder of a sweep with these words, made once, with its table alone."""
    made: dict[str, Path] = {}

    def table(view, out):
        return write_csv(view.rows, out / "results.csv")

    def run(*requests, **words):
        """Further requests go into the same folder."""
        name = repr((requests, sorted(words.items())))
        if name not in made:
            folder = tmp_path_factory.mktemp("sweep") / "sweep"
            for more in (words, *requests):
                with mock.patch("samplebench.report.write_report", table):
                    samplebench.run(**{**WORDS, **more, "out": str(folder)}, quiet=True)
            made[name] = folder
        return made[name]

    return run


@pytest.fixture
def copied(ran, tmp_path):
    """`copied("name", **words)`: a copy of such a folder that a test may change."""

    def copy(name, *requests, **words):
        return Path(shutil.copytree(ran(*requests, **words), tmp_path / name))

    return copy


@pytest.fixture
def rewritten():
    """`rewritten(folder, change, kind="scores")`: each file after `change(content)`, sealed."""

    def rewrite(folder, change, kind="scores"):
        for path in sorted((folder / kind).glob("*.json")):
            content = json.loads(path.read_text())
            change(content)
            content[CHECKSUM] = json_checksum({k: v for k, v in content.items() if k != CHECKSUM})
            path.write_text(json.dumps(content))
        return folder

    return rewrite


@pytest.fixture
def shifted(rewritten):
    """`shifted(folder, metric, by)`: its values and the 20 without a block are larger by that."""

    def shift(folder, metric, by, noise=None):
        def change(score):
            if score["conditions"]["metric"] == metric:
                value = score["value"]
                value["value"] += by
                added = noise or [0.0] * len(value["deleted"])
                value["deleted"] = [
                    d + by + n for d, n in zip(value["deleted"], added, strict=True)
                ]

        return rewritten(folder, change)

    return shift

"""The table of docs/advise.md: its numbers are those of the committed results."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BASELINES = ROOT / "benchmarks" / "baselines"
LABELS = {"model", "recommended", "best of the sweep"}


@pytest.fixture
def lines():
    with (ROOT / "benchmarks" / "tune" / "advise-seven.csv").open(newline="") as file:
        return [
            {k: v if k in LABELS else float(v) for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


def test_the_table_is_that_of_the_results(lines, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = importlib.import_module("advise_seven")
    counts = ("rank", "among", "search", "confirmation")
    exact = [{**line, **{name: int(line[name]) for name in counts}} for line in lines]
    table = script.markdown(exact).split("\n\n")[0]
    assert table in (ROOT / "docs" / "advise.md").read_text()


def test_the_best_of_the_sweep_is_that_of_its_table(lines):
    with (BASELINES / "full-sweep.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fd-digits"]]
    assert {row["model"] for row in rows} == {line["model"] for line in lines}
    for line in lines:
        own = [row for row in rows if row["model"] == line["model"]]
        best = min(own, key=lambda row: float(row["fd-digits"]))
        name = f"{best['sampler']} {best['params']}".strip() + f", {best['discretization']}"
        assert f"{name} rho={best['rho']}".removesuffix(" rho=") == line["best of the sweep"]
        swept = sum(int(row["nfe"]) * int(row["num_samples"]) for row in own)
        assert line["share"] == pytest.approx((line["search"] + line["confirmation"]) / swept)
        # Both are chosen on seeds from 0 on, and judged on others.
        assert {int(row["seed"]) for row in own} == {0}

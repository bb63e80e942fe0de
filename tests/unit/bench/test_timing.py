"""What benchmarks/throughput.py measures with: stages that add up, around blocks as they are."""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def timing():
    """`timing("stages")`: a module of benchmarks/timing."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield lambda name: importlib.import_module(f"timing.{name}")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def variant(timing, tmp_path_factory):
    words = {"model": "digits-vp", "nfe": 3, "batch_size": 8, "num_samples": 12, "device": "cpu"}
    words["param"] = {"edm.S_churn": 40}
    out = tmp_path_factory.mktemp("timing")
    return timing("cells").load("float32", words, ["euler", "edm", "euler-ancestral"], out)


def test_a_stage_is_without_those_within_it(timing):
    watch = timing("stages").Watch(torch.device("cpu"))
    began = time.perf_counter()
    with watch.stage("outer"):
        time.sleep(0.02)
        with watch.stage("inner"):
            time.sleep(0.05)
            with watch.stage("outer"):
                time.sleep(0.01)
    whole = time.perf_counter() - began
    assert watch.wall["inner"] >= 0.05 and watch.wall["outer"] >= 0.03
    # Nothing is counted twice.
    assert watch.seconds <= whole


def test_what_another_thread_does_is_hidden(timing):
    watch = timing("stages").Watch(torch.device("cpu"))

    def elsewhere():
        with watch.stage("features"):
            time.sleep(0.02)

    with watch.stage("solver"):
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    assert set(watch.wall) == {"solver"} and watch.wall["solver"] >= 0.02


@pytest.mark.parametrize("sampler", ["euler", "edm", "euler-ancestral"])
def test_a_watched_block_is_the_same_block(variant, sampler):
    from samplebench.bench.block import run_block
    from samplebench.bench.conditions import setting_of

    cell = variant.cells[sampler]
    watch, block = variant.sampled(sampler, index=1)
    setting = setting_of(variant.bench.model, cell.conditions)
    alone = run_block(variant.bench, setting, cell.conditions, 1)
    assert np.array_equal(block.images, alone.images)
    (key,) = block.rows
    assert np.array_equal(block.rows[key], alone.rows[key])
    # Of the whole block, padding too.
    assert watch.images == 3 * 8
    assert set(watch.wall) == {"network", "noise", "solver", "quantise", "features"}
    assert all(seconds > 0 for seconds in watch.wall.values())
    assert 0 < watch.outside[0] < 1


def test_a_whole_cell_is_filed(variant, tmp_path):
    watch, images = variant.whole("euler", tmp_path)
    assert images == 12 and watch.images == 2 * 3 * 8
    assert {"moments", "scores", "store"} <= set(watch.wall)
    assert len([*(tmp_path / "cells").glob("*.json")]) == 1


@pytest.mark.parametrize(
    ("name", "gflop"),
    [
        ("ddpmpp", 42.4),
        pytest.param("ncsnpp", 42.8, marks=pytest.mark.slow),
        pytest.param("adm64", 219.3, marks=pytest.mark.slow),
    ],
)
def test_networks_have_the_released_sizes(timing, name, gflop):
    """As counted on the releases (docs/scaling.md)."""
    own = timing("networks").NETWORKS[name]
    counted = importlib.import_module("cost_model").gflop(own.class_name, own.arguments)
    assert counted == pytest.approx(gflop, abs=0.05)


def test_a_sweep_is_timed_cell_by_cell(timing, tmp_path, monkeypatch):
    """As benchmarks/engine_costs.py does it; evaluations of plans and rehearsals do not count."""
    monkeypatch.setattr("samplebench.report.write_report", lambda view, out: None)
    costs = importlib.import_module("engine_costs")
    words = {"model": "digits-exact", "sampler": "euler", "nfe": [2, 3], "num_samples": 12,
             "batch_size": 8, "out": tmp_path, "quiet": True}  # fmt: skip
    inside, whole, cells = costs._timed(lambda: sb.run(**words))
    assert len(inside) == 2 * (2 + 3) and 0 < sum(inside) < cells < whole
    assert costs._evaluations(lambda: sb.run(**words)) == 0
    assert costs._evaluations(lambda: sb.run(**words | {"seed": 1})) >= 10


def test_a_result_is_json_with_the_same_in_markdown(timing, tmp_path, capsys):
    results = timing("results")
    ratio, bar = results.Ratio.of([3.0, 1.0, 2.0]), results.Bar("share", 0.06, 0.05)
    out = tmp_path / "hardware" / "it.json"
    known = {"hardware": "h", "command": "python it.py"}
    found = {"ratio": ratio, "bars": [bar]}
    results.write(out, "It", known, found, [results.bars_table([bar])])
    data = json.loads(out.read_text())
    assert data["ratio"] == {"median": 2.0, "low": 1.0, "high": 3.0}
    assert data["bars"][0]["most"] == 0.05
    assert "| share | 0.06 | 0.05 | MISSED |" in out.with_suffix(".md").read_text()
    assert str(out) in capsys.readouterr().out

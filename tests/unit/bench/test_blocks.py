"""Blocks are values: computed anywhere in any order and folded in theirs, they give equal bits."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from samplebench.bench.block import count_of, run_block
from samplebench.bench.cell import run_cell
from samplebench.bench.conditions import setting_of
from samplebench.bench.partial import Partial
from samplebench.bench.progress import Progress
from samplebench.bench.stop import Stop
from samplebench.results.kept import LEVELS
from samplebench.results.rows import RowsFile
from samplebench.results.store import Store
from tests.unit.bench.folders import content
from tests.unit.bench.planned import loaded, make, planned

# The last of four blocks is half a one.
WORDS = {
    "sampler": "edm", "param": "edm.S_churn=5", "nfe": 5, "num_samples": 56, "batch_size": 16
}  # fmt: skip
BLOCKS = 4
# What another process does: blocks 3 and 1, as bytes.
_ELSEWHERE = f"""
import pickle, sys, torch
from samplebench.bench import plan as planning
from samplebench.bench.block import run_block
from samplebench.bench.conditions import setting_of
from samplebench.bench.loaded import Bench, load_extractors
from samplebench.bench.request import Request

plan, device = planning.make(Request.of(**{WORDS})), torch.device("cpu")
((name, source),) = plan.sources.items()
((found,),) = ([*each.values()] for each in plan.scores.values())
extractors = load_extractors([found], source.measures, device)
bench = Bench.of(source.checkpoint, extractors, 16, device, None)
(cell,) = plan.cells.values()
setting = setting_of(bench.model, cell.conditions)
blocks = [run_block(bench, setting, cell.conditions, i) for i in (3, 1)]
sys.stdout.buffer.write(pickle.dumps(blocks))
"""


@pytest.fixture(scope="module")
def engine():
    return loaded(make(**WORDS), 16)


@pytest.fixture(scope="module")
def cell():
    return planned(**WORDS)


@pytest.fixture(scope="module")
def blocks(engine, cell):
    """All blocks by their index, two of them of another process, none computed in order."""
    command = [sys.executable, "-c", _ELSEWHERE]
    done = subprocess.run(command, capture_output=True, check=True)
    conditions = cell[0].conditions
    setting = setting_of(engine[0].model, conditions)
    found = [run_block(engine[0], setting, conditions, index) for index in (2, 0)]
    found = pickle.loads(done.stdout) + pickle.loads(pickle.dumps(found))
    return {block.index: block for block in found}


@pytest.fixture
def run(engine, cell, tmp_path):
    """`run("folder", keep)`: what the folder holds in the end."""

    def go(folder, keep):
        (bench, scoring), (planned, wanted) = engine, cell
        store, progress = Store(tmp_path / folder, create=True), Progress(quiet=True)
        with progress.over([planned]):
            run_cell(planned, wanted, bench, store, progress, Stop(), scoring, keep)
        return content(store.out)

    return go


def test_a_cell_has_so_many_blocks(cell, blocks):
    assert count_of(cell[0].conditions) == len(blocks) == BLOCKS
    assert [len(blocks[i].images) for i in range(BLOCKS)] == [16, 16, 16, 8]
    assert [blocks[i].first for i in range(BLOCKS)] == [0, 16, 32, 48]
    # Padding counts in neither.
    assert [blocks[i].drawn for i in range(BLOCKS)] == [16, 16, 16, 8]
    assert [blocks[i].evaluated for i in range(BLOCKS)] == [80, 80, 80, 40]


@pytest.mark.parametrize("keep", LEVELS)
def test_blocks_of_elsewhere_give_equal_bits(keep, run, blocks, monkeypatch):
    expected = run("here", keep)
    assert len(expected) == 3 + {"moments": 1, "features": 2, "images": 3}[keep]
    monkeypatch.setattr("samplebench.bench.cell.sample_block", lambda bench, setting, given, i: i)
    monkeypatch.setattr("samplebench.bench.cell.with_features", lambda bench, i: blocks[i])
    assert run("elsewhere", keep) == expected


def test_blocks_say_nothing_of_one_another(blocks, engine, cell):
    """Alone it is what it is in a cell, other numbers in no bit."""
    conditions = {**cell[0].conditions, "seed": 32, "num_samples": 16}
    alone = run_block(engine[0], setting_of(engine[0].model, conditions), conditions, 0)
    assert np.array_equal(alone.images, blocks[2].images)
    for key, rows in blocks[2].rows.items():
        assert np.array_equal(alone.rows[key], rows)


@pytest.mark.parametrize("order", [(1,), (0, 0), (0, 2), (0, 1, 0)])
def test_another_order_is_refused(order, blocks, tmp_path):
    files = {key: RowsFile(tmp_path / key, (64,), np.float64) for key in blocks[0].rows}
    partial, (*before, last) = Partial("here", files), order
    for index in before:
        partial.fold(blocks[index])
    state = partial.state()
    with pytest.raises(ValueError, match=f"block {last} is not the next one, {len(before)}"):
        partial.fold(blocks[last])
    assert all(np.array_equal(state[key], again) for key, again in partial.state().items())


def test_what_failed_is_remembered_once(blocks, tmp_path):
    """The first reason of an extractor stands, and its rows are none."""
    (key,) = blocks[0].rows
    files = {key: RowsFile(tmp_path / key, (64,), np.float64)}
    partial = Partial("here", files)
    partial.fold(blocks[0])
    for index, why in ((1, "it fell"), (2, "it fell again")):
        partial.fold(replace(blocks[index], rows={}, failed={key: why}, doubts=("odd",)))
    assert partial.failed == {key: "it fell"} and partial.unsteady == ["odd"]
    again = Partial("here", {key: RowsFile(tmp_path / key, (64,), np.float64)})
    assert again.resume(partial.state())
    assert (again.failed, again.next_block, again.next_sample) == (partial.failed, 3, 48)
    # One that works again is too late.
    again.fold(blocks[3])
    assert again.failed == {key: "it fell"}
    assert (tmp_path / key).stat().st_size == 16 * 64 * 8


@pytest.mark.parametrize("sampler", ["edm", "heun", "tests.unit.bench.test_blocks:plain_euler"])
def test_only_our_own_code_runs_in_inference_mode(sampler, monkeypatch):
    """That of others may do with its tensors afterwards what inference mode forbids."""
    words = {**WORDS, "sampler": sampler, "param": None, "num_samples": 8, "batch_size": 8}
    (bench, _), (cell, _) = loaded(make(**words), 8), planned(**words)
    seen = []
    asked = type(bench.model).__call__

    def watched(model, *given):
        seen.append(torch.is_inference_mode_enabled())
        return asked(model, *given)

    monkeypatch.setattr(type(bench.model), "__call__", watched)
    setting = setting_of(bench.model, cell.conditions)
    block = run_block(bench, setting, cell.conditions, 0)
    assert set(seen) == {":" not in sampler}
    monkeypatch.setattr("torch.inference_mode", torch.no_grad)
    again = run_block(bench, setting, cell.conditions, 0)
    assert not any(seen[len(seen) // 2 :])
    assert np.array_equal(block.images, again.images)
    assert all(np.array_equal(block.rows[key], again.rows[key]) for key in block.rows)


def plain_euler(model, x, grid):
    for high, low in itertools.pairwise(grid):
        x = x + (low - high) * (x - model(x, high)) / high
    return x

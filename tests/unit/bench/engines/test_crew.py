"""Whoever samples the blocks, in whatever order, and whoever dies: the folder holds equal bytes."""

from __future__ import annotations

import pytest
import torch

from samplebench.bench import plan as planning
from samplebench.bench.engines.cluster import crew as room
from samplebench.bench.engines.cluster.schedule import RETRIES, Load, Sample
from samplebench.bench.engines.cluster.worker import Place, Worker
from samplebench.bench.engines.failure import Failure
from samplebench.bench.request import Request
from samplebench.bench.stop import Interrupted
from samplebench.errors import EnvironmentError_, UsageError
from tests.unit.bench.engines.virtual import VirtualCrew, virtual
from tests.unit.bench.folders import content, sweep

# Two models, and noise; the last of four blocks is half a one.
WORDS = {
    "model": "digits-exact,digits-vp", "sampler": "edm", "param": "edm.S_churn=5",
    "nfe": 3, "num_samples": 56, "batch_size": 16, "keep": "images",
}  # fmt: skip
BLOCKS = 8

FAILING = """
import samplebench as sb
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, sigma):
        if float(x.sum()) < {limit}:
            raise ValueError("too dark for me")
        return {answer}

def make():
    return sb.wrap(Net(), predicts="D", shape=(1, 8, 8))
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one process leaves."""
    out = tmp_path_factory.mktemp("here") / "out"
    sweep(out, **WORDS)
    return content(out)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_blocks_in_any_order_give_equal_bytes(workers, whole, tmp_path):
    made = []
    sweep(tmp_path / "out", engine=virtual(workers, made, seed=workers), **WORDS)
    assert content(tmp_path / "out") == whole
    assert set(made[0].sampled.values()) == {1} and made[0].sampled.total() == BLOCKS


def test_workers_that_die_lose_the_blocks_they_had(whole, tmp_path):
    made = []
    swept = sweep(tmp_path / "out", engine=virtual(3, made, seed=4, deaths=0.3), **WORDS)
    assert content(tmp_path / "out") == whole
    lost = [note for note in swept.notes if "a worker was lost (it was killed)" in note]
    assert lost
    # What was done again is what somebody had when he died.
    given = sum(isinstance(task, Sample) for _, task in made[0].given)
    assert BLOCKS < given <= BLOCKS + 2 * len(lost)


def test_a_block_that_takes_every_worker_with_it_ends_the_run(tmp_path):
    made = []
    with pytest.raises(EnvironmentError_, match=r"block 2 of digits-exact edm .* was lost"):
        engine = virtual(2, made, fatal=2)
        sweep(tmp_path / "out", engine=engine, **{**WORDS, "model": "digits-exact"})
    given = [task.index for _, task in made[0].given if isinstance(task, Sample)]
    assert given.count(2) >= RETRIES + 1
    # What was folded before is kept.
    assert [*(tmp_path / "out" / "cells").glob("*.partial.npz")]


@pytest.mark.parametrize("after", [pytest.param(6, marks=pytest.mark.slow), 9])
def test_stopped_and_taken_up_by_other_workers(after, whole, tmp_path):
    with pytest.raises(Interrupted):
        sweep(tmp_path / "out", engine=virtual(2, after=after), **WORDS)
    made = []
    sweep(tmp_path / "out", engine=virtual(3, made, seed=1), **WORDS)
    assert content(tmp_path / "out") == whole
    assert made[0].sampled.total() <= BLOCKS - (after > 6)


@pytest.mark.slow
def test_half_of_it_here_and_half_of_it_there(whole, tmp_path):
    with pytest.raises(Interrupted):
        sweep(tmp_path / "out", engine=virtual(2, after=8), **WORDS)
    assert sweep(tmp_path / "out", **WORDS).evaluations < 3 * BLOCKS
    assert content(tmp_path / "out") == whole


def test_a_worker_of_other_hardware_is_left_out(whole, tmp_path):
    made = []
    stamps = ("one", "another", "one")
    swept = sweep(tmp_path / "out", engine=virtual(3, made, stamps=stamps), **WORDS)
    assert content(tmp_path / "out") == whole
    assert made[0].size < 3
    assert any("is excluded: the others are" in note for note in swept.notes)


def test_nobody_loads_more_than_he_needs(tmp_path):
    made = []
    sweep(tmp_path / "out", engine=virtual(2, made), **WORDS)
    loads = [(worker, task.model) for worker, task in made[0].given if isinstance(task, Load)]
    assert loads[:2] == [(loads[0][0], "digits-exact"), (1 - loads[0][0], "digits-vp")]
    assert len(loads) == len(set(loads))


def test_a_worker_holds_two_models():
    words = {"model": "digits-exact,digits-exact-uncond,digits-vp", "sampler": "euler", "nfe": 2}
    worker = Worker({**words, "num_samples": 16, "batch_size": 16}, Place.here())
    plan = planning.make(Request.of(**worker._words))
    held = []
    for name in plan.sources:
        cells = [cell for cell in plan.cells.values() if cell.conditions["model"] == name]
        assert worker.load(name, cells).model == name
        assert worker.sample(cells[0].hash, 0).cell == cells[0].hash
        held.append([*worker._benches])
    one, two, three = plan.sources
    assert held == [[one], [one, two], [two, three]]


def test_a_users_error_is_told_as_it_is_here(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(FAILING.format(answer="x * 0", limit=-100))
    monkeypatch.chdir(tmp_path)
    words = {"model": "./nets.py:make", "nfe": 4, "num_samples": 64, "batch_size": 16}
    words |= {"reference": "digits", "metric": "fd-digits", "sampler": "euler"}
    with pytest.raises(UsageError) as here:
        sweep(tmp_path / "here", **words)
    with pytest.raises(UsageError) as there:
        sweep(tmp_path / "there", engine=virtual(2), **words)
    assert "too dark for me" in str(here.value)
    assert str(there.value) == str(here.value)


def test_a_model_that_changes_on_a_worker_is_told(tmp_path, monkeypatch):
    answer = "x * 0 * self.weight.data.add_(1)"
    (tmp_path / "nets.py").write_text(FAILING.format(answer=answer, limit=-1e9))
    monkeypatch.chdir(tmp_path)
    words = {"model": "./nets.py:make", "nfe": 2, "num_samples": 32, "batch_size": 16}
    words |= {"reference": "digits", "metric": "fd-digits", "sampler": "euler"}
    swept = sweep(tmp_path / "out", engine=virtual(2), **words)
    (name,) = swept.plan.cells
    assert "changed during sampling" in swept.store.cell(name)["not_reusable"]


def test_other_words_there_are_told_and_nothing_is_sampled(tmp_path):
    made = []

    def engine(job):
        made.append(VirtualCrew(job, 2))
        words = {**job.plan.request.asked(), "seed": 7}
        made[0].workers = {name: Worker(words, Place.here()) for name in made[0].workers}
        room.CrewRun(job, made[0]).run()

    with pytest.raises(UsageError, match="seed is 7 there and 0 here"):
        sweep(tmp_path / "out", engine=engine, model="digits-exact", nfe=3, num_samples=32)
    assert not made[0].sampled


def test_pictures_are_written_by_whoever_files(tmp_path):
    words = {**WORDS, "model": "digits-exact", "save_images": True}
    sweep(tmp_path / "here", **words)
    sweep(tmp_path / "there", engine=virtual(2), **words)
    assert content(tmp_path / "there", "images") == content(tmp_path / "here", "images") != {}


def test_a_file_that_a_worker_has_not_is_named():
    place = Place("/no/such/folder", ())
    answer = Worker({"model": ["./nets.py:make"]}, place).hello()
    assert isinstance(answer, Failure)
    assert "nets.py" in answer.text and "it has no folder /no/such/folder" in answer.text


def test_nobody_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_TOLD", 0.0)
    monkeypatch.setattr(room, "_PATIENCE", 0.2)
    said = []

    class Empty:
        size, lack = 2, "0 of the cluster's 2 GPUs are free"

        def answers(self, seconds):
            return ()

    def engine(job):
        job.progress.note = said.append
        room.CrewRun(job, Empty()).run()

    with pytest.raises(
        EnvironmentError_, match=r"no worker has come .*: 0 of the cluster's 2 GPUs"
    ):
        sweep(tmp_path / "out", engine=engine, nfe=3, num_samples=32)
    assert [text for text in said if text] == [
        "note: waiting for a worker: 0 of the cluster's 2 GPUs are free"
    ]


def test_threads_are_the_workers_own():
    before = torch.get_num_threads()
    try:
        Worker({"nfe": 3}, Place.here(), threads=1).hello()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)

"""A folder is one run's, or several shards' of one sweep; nobody is let in beside the wrong one."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

from samplebench.errors import EnvironmentError_
from samplebench.files import locks
from samplebench.results import locking
from samplebench.results.locking import Shard, alone, beside

A, B = "a1" * 8, "b2" * 8


@pytest.fixture
def shard(tmp_path):
    """`shard("1/4", sweep, begun)`: a context."""

    def hold(text, sweep=A, begun=lambda first: None):
        index, count = map(int, text.split("/"))
        return beside(tmp_path, Shard(index, count), sweep, begun)

    return hold


def test_shards_of_one_sweep_run_beside_each_other(shard):
    begun = []
    with shard("0/3", begun=begun.append) as first, shard("2/3", begun=begun.append):
        with first():
            pass
    with shard("1/3", begun=begun.append):
        pass
    assert begun == [True, False, True]


def test_a_shard_runs_once(shard, tmp_path):
    with shard("0/3"):
        told = f"another job runs shard 0/3 of {tmp_path}; wait for it or choose another --out"
        with pytest.raises(EnvironmentError_) as caught, shard("0/3"):
            pass
        assert str(caught.value) == told
    with shard("0/3"):
        pass


@pytest.mark.parametrize(("text", "sweep"), [("1/4", A), ("1/3", B), ("0/3", B)])
def test_another_sweep_or_split_is_refused(shard, tmp_path, text, sweep):
    told = rf"^shards 0/3, 2/3 of another sweep, or of another split, are writing to {tmp_path};"
    with shard("2/3"), shard("0/3"):
        with pytest.raises(EnvironmentError_, match=told), shard(text, sweep):
            pass
        with shard("1/3"):
            pass
    with shard(text, sweep):
        pass


def test_a_run_and_shards_exclude_each_other(shard, tmp_path, monkeypatch):
    monkeypatch.setattr(locking, "_BRIEF", 0.05)
    with shard("0/3"):
        told = f"^shards 0/3 of a sweep are writing to {tmp_path}; wait for them or choose another"
        with pytest.raises(EnvironmentError_, match=told), alone(tmp_path):
            pass
    with alone(tmp_path):
        told = f"^another run is writing to {tmp_path}; wait for it or choose another --out"
        with pytest.raises(EnvironmentError_, match=told), shard("0/3"):
            pass
    with shard("0/3"):
        pass


def test_moments_come_one_after_the_other(shard):
    inside, most = [], []

    def work(moment):
        for _ in range(20):
            with moment():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    def run(text):
        with shard(text) as moment:
            work(moment)

    threads = [threading.Thread(target=run, args=(f"{i}/4",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 80


def test_an_error_inside_gives_all_back(shard, tmp_path):
    with pytest.raises(ZeroDivisionError), shard("0/3") as moment, moment():
        _ = 1 / 0
    with alone(tmp_path):
        pass


def test_files_of_shards_that_ended_are_removed(shard, tmp_path):
    with shard("0/3"):
        pass
    (tmp_path / ".shards" / "notes.txt").write_text("mine")
    with shard("1/4", B):
        names = sorted(path.name for path in (tmp_path / ".shards").iterdir())
        assert names == [".gate", f"1-of-4.{B}.lock", "notes.txt"]


def test_without_locks_files_stand_for_them(shard, tmp_path, monkeypatch):
    """As on some network file systems: what a killed job leaves is named."""
    import filelock

    def none(self):
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "_acquire", none)
    monkeypatch.setattr(locking, "_BRIEF", 0.05)
    with shard("0/3"):
        left = tmp_path / ".shards" / f"0-of-3.{A}.lock.soft"
        assert left.exists() and locks.held(left.with_name(f"0-of-3.{A}.lock"))
        with shard("1/3"), pytest.raises(EnvironmentError_, match=f"delete {left} and "):
            with alone(tmp_path):
                pass
    assert not left.exists()
    with (
        alone(tmp_path),
        pytest.raises(EnvironmentError_, match=r"if there is none, delete .*soft"),
    ):
        with shard("0/3"):
            pass


def _begin(out, index, barrier, found):
    barrier.wait(30)
    try:
        with beside(out, Shard(index, 2), A if index < 2 else B, lambda first: None):
            found.put(index)
            barrier.wait(30)
    except EnvironmentError_:
        found.put(-1)
        barrier.wait(30)


@pytest.mark.slow
def test_processes_that_start_at_once(tmp_path):
    """Of two sweeps only one gets in, whichever it is."""
    fork = multiprocessing.get_context("fork")
    for _ in range(10):
        barrier, found = fork.Barrier(3), fork.Queue()
        jobs = [fork.Process(target=_begin, args=(tmp_path, i, barrier, found)) for i in (0, 1, 2)]
        for job in jobs:
            job.start()
        who = sorted(found.get(timeout=60) for _ in jobs)
        for job in jobs:
            job.join(60)
        assert who in ([-1, 0, 1], [-1, -1, 2])

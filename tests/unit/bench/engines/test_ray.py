"""Sweeps on Ray's own processes: they sample in equal bits, die, fail and are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import samplebench
from samplebench.bench.engines import cluster
from samplebench.bench.engines.choose import engine_of
from samplebench.bench.engines.cluster import actors
from samplebench.bench.request import Request
from samplebench.errors import EnvironmentError_, UsageError
from tests.unit.bench.engines.test_crew import FAILING
from tests.unit.bench.folders import content, sweep

HOUSE = str(Path(samplebench.__file__).parents[1])
WORDS = {
    "model": "digits-vp", "sampler": "euler,edm", "param": "edm.S_churn=5", "nfe": "6",
    "num-samples": "1000", "batch-size": "50", "seed": "0", "device": "cpu",
}  # fmt: skip
CLUSTER = {"engine": "ray", "workers": "2"}


def command(out, **words):
    flags = [part for name, value in words.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "samplebench", "run", *flags, "--out", str(out)]


def started(out, cwd, **words):
    environment = {**os.environ, "PYTHONPATH": HOUSE}
    return subprocess.Popen(
        command(out, **words), cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ended(process):
    """Its exit code, and what it wrote."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def actors_of(process):
    """Ids of the processes that sample for it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes()
            inside = (folder / "cwd").resolve() == process.folder
        except OSError:
            continue
        if name.startswith(b"ray::Worker") and inside:
            found.append(int(folder.name))
    return found


def until(process, seen, seconds=90):
    """Waits until `seen()`; the process must still run."""
    limit = time.monotonic() + seconds
    while not (found := seen()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit, "it has not happened"
        time.sleep(0.05)
    return found


def rows(out):
    """Bytes of feature rows that were folded."""
    parts = (out / "cells").glob("*.partial.*")
    return sum(path.stat().st_size for path in parts if path.suffix != ".npz")


# without Ray


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"address": "10.0.0.1:6379"}, "--address needs --engine ray"),
        ({"workers": 2}, "--workers needs --engine ray"),
        ({"engine": "ray", "address": "ray://10.0.0.1:10001"}, "give HOST:PORT"),
        ({"engine": "ray", "batch_size": "auto"}, "give a number"),
        ({"engine": "ray", "shard": "0/2"}, "leave out --shard or --engine ray"),
        ({"engine": "ray", "device": "cuda:1"}, "give cuda or cpu"),
        ({"engine": "ray", "model": object.__new__}, "in memory stay in this process"),
        ({"engine": "ray", "sampler": lambda model, x, grid: x}, "in memory stay in this process"),
    ],
)
def test_words_that_have_no_place_there(words, said):
    with pytest.raises(UsageError, match=said):
        engine_of(Request.of(**words))


def test_an_engine_that_nobody_has():
    with pytest.raises(UsageError, match="unknown engine 'rey'; did you mean 'ray'"):
        Request.of(engine="rey")


def test_ray_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentError_, match=r'pip install "samplebench\[ray\]"') as caught:
        engine_of(Request.of(engine="ray"))
    assert caught.value.exit_code == 3


class Nodes:
    """What Ray says of a cluster of machines of (cores, GPUs)."""

    def __init__(self, *machines):
        self.machines = machines

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": c, "GPU": g}} for c, g in self.machines]


@pytest.mark.parametrize(
    ("machines", "words", "share"),
    [
        # One per GPU, which takes no core of others; the threads are its share of the cores.
        ([(16, 2), (16, 2)], {}, ({"num_gpus": 1, "num_cpus": 0}, 4, 8)),
        ([(16, 2)], {"workers": 1}, ({"num_gpus": 1, "num_cpus": 0}, 1, 8)),
        # One per machine where there are none, or they are not asked for.
        ([(4, 0), (4, 0)], {}, ({"num_cpus": 4}, 2, 4)),
        ([(4, 1), (4, 1)], {"device": "cpu"}, ({"num_cpus": 4}, 2, 4)),
        ([(4, 0)], {"workers": 3}, ({"num_cpus": 1}, 3, 1)),
    ],
)
def test_what_each_worker_has(machines, words, share):
    assert actors._shares(Nodes(*machines), Request(**words)) == share


def test_a_cluster_without_gpus_is_told():
    with pytest.raises(EnvironmentError_, match="has no GPU; try --device cpu"):
        actors._shares(Nodes((4, 0)), Request(device="cuda"))


def test_where_nothing_is_left_to_sample_no_cluster_is_started(monkeypatch):
    monkeypatch.setattr(cluster, "connected", lambda address: pytest.fail("started"))
    cluster.cluster(SimpleNamespace(items=(), plan=SimpleNamespace(request=Request())))
    with pytest.raises(pytest.fail.Exception, match="started"):
        cluster.cluster(SimpleNamespace(items=(1,), plan=SimpleNamespace(request=Request())))


@pytest.mark.parametrize(
    ("cores", "count", "share"),
    [
        ([2], 1, 2), ([2], 2, 1), ([2], 4, 0.5), ([8], 3, 2), ([3, 3], 3, 1), ([3, 3], 2, 3),
        ([64, 64], 128, 1), ([64, 4], 9, 7), ([1], 3, 0.33),
    ],
)  # fmt: skip
def test_cores_are_shared_out_so_that_every_worker_finds_a_place(cores, count, share):
    assert actors.cores_each(cores, count) == share
    if share >= 1:
        assert sum(each // share for each in cores) >= count
        assert sum(each // (share + 1) for each in cores) < count
    else:
        assert share * count <= sum(cores)


# with it


@pytest.fixture(scope="module")
def ray():
    return pytest.importorskip("ray")


@pytest.fixture(scope="module")
def whole(ray, tmp_path_factory):
    """What one process of one thread leaves."""
    import torch

    out, before = tmp_path_factory.mktemp("whole") / "out", torch.get_num_threads()
    torch.set_num_threads(1)
    sweep(out, **{name.replace("-", "_"): value for name, value in WORDS.items()})
    torch.set_num_threads(before)
    return content(out)


@pytest.mark.slow
def test_two_workers_give_equal_bytes(whole, tmp_path):
    code, out, err = ended(started(tmp_path / "out", tmp_path, **WORDS, **CLUSTER))
    assert code == 0, err
    sheets = {name for name in whole if name.endswith(".png")}
    found = content(tmp_path / "out")
    assert found == whole and sheets <= set(found)
    assert "workers of ray" in err and "on 2 workers" in err
    # Ray's own lines are not among them.
    assert "raylet" not in out + err and "INFO" not in err
    # Again: nothing to do.
    code, out, err = ended(started(tmp_path / "out", tmp_path, **WORDS, **CLUSTER))
    assert code == 0 and "(2 done already)" in err


@pytest.mark.slow
def test_a_worker_is_killed(whole, tmp_path):
    process = started(tmp_path / "out", tmp_path, **WORDS, **CLUSTER)
    process.folder = tmp_path
    until(process, lambda: (tmp_path / "out").exists() and rows(tmp_path / "out"))
    os.kill(until(process, lambda: actors_of(process))[0], signal.SIGKILL)
    code, out, err = ended(process)
    assert code == 0, err
    assert "a worker was lost" in err and "raylet)" not in out + err
    assert content(tmp_path / "out") == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_the_driver_is_stopped_and_goes_on(number, code, whole, tmp_path):
    process = started(tmp_path / "out", tmp_path, **WORDS, **CLUSTER)
    process.folder = tmp_path
    until(process, lambda: (tmp_path / "out").exists() and rows(tmp_path / "out") > 100_000)
    workers = actors_of(process)
    assert workers
    if number == signal.SIGINT:  # as of a terminal: of all that it has started
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    found, _, err = ended(process)
    assert found == code, err
    assert "Traceback" not in err
    limit = time.monotonic() + 30
    while left := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < limit, f"still there: {left}"
        time.sleep(0.1)
    code, _, err = ended(started(tmp_path / "out", tmp_path, **WORDS, **CLUSTER))
    assert code == 0, err
    assert "resumed at" in err
    assert content(tmp_path / "out") == whole


@pytest.mark.slow
def test_a_users_network_fails(ray, tmp_path):
    (tmp_path / "nets.py").write_text(FAILING.format(answer="x * 0", limit=-100))
    words = {"model": "./nets.py:make", "sampler": "euler", "nfe": "4", "num-samples": "64"}
    words |= {"reference": "digits", "metric": "fd-digits", "device": "cpu"}
    here = ended(started(tmp_path / "here", tmp_path, **words))
    there = ended(started(tmp_path / "there", tmp_path, **words, **CLUSTER))
    assert there[0] == here[0] == 2
    assert there[2].splitlines()[-1] == here[2].splitlines()[-1]
    assert "too dark for me" in there[2] and "Traceback" not in there[2]


@pytest.mark.slow
def test_no_cluster_at_an_address(ray, tmp_path):
    words = {"engine": "ray", "address": "127.0.0.1:1", "nfe": "3"}
    code, _, err = ended(started(tmp_path / "out", tmp_path, **words))
    assert code == 3, err
    assert "no Ray cluster at 127.0.0.1:1" in err and "Traceback" not in err

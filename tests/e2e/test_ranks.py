"""`torchrun -m samplebench run`: ranks share a sweep, are killed, and end with the same bits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import environment

ROOT = Path(__file__).resolve().parents[2]
RUN = ("--standalone", "--nproc-per-node", "2")
SMALL = ("--model", "digits-exact", "--sampler", "heun", "--nfe", "3,5", "--num-samples", "56",
         "--batch-size", "16")  # fmt: skip
LONG = ("--model", "digits-vp", "--sampler", "edm", "--param", "edm.S_churn=5", "--nfe", "9,15",
        "--num-samples", "200", "--batch-size", "16")  # fmt: skip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gloo and /proc are looked at here")


def command(*words, ranks=True):
    """The tree's own package, whatever is installed."""
    launcher = ("-m", "torch.distributed.run", *words[0], "-m") if ranks else ("-m",)
    return [sys.executable, *launcher, "samplebench", "run", *words[1:]]


def started(cwd, *words, ranks=True):
    return subprocess.Popen(
        command(*words, ranks=ranks) if ranks else command((), *words, ranks=False),
        cwd=cwd, env=environment(ROOT), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process):
    try:
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    return process.returncode, out, err


def content(out):
    """What is filed, but for times and places."""
    found = {}
    for path in sorted(p for name in ("cells", "scores") for p in (out / name).iterdir()):
        found[path.name] = path.read_bytes()
        if path.suffix == ".json":
            record = json.loads(found[path.name])
            for key in ("seconds", "provenance", "checksum"):
                record.pop(key, None)
            found[path.name] = record
    return found


def pid_of(rank, out):
    """The process of a rank, by what torchrun has set for it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(out).encode() in words and f"RANK={rank}".encode() in variables:
            return int(folder.name)
    raise AssertionError(f"no rank {rank} is running")


def half(out, process):
    """Waits until half a cell is kept."""
    end = time.monotonic() + 120
    while not [*(out / "cells").glob("*.partial.npz")]:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one process leaves of LONG."""
    folder = tmp_path_factory.mktemp("one")
    code, _, err = ended(started(folder, *LONG, "--out", "out", ranks=False))
    assert code == 0, err
    return content(folder / "out")


def test_two_ranks_are_one_run(tmp_path):
    both = started(tmp_path, RUN, *SMALL, "--out", "two")
    one = started(tmp_path, *SMALL, "--out", "one", ranks=False)
    code, out, err = ended(both)
    assert code == 0, err
    alone = ended(one)
    assert (alone[0], out.replace("two/", "one/")) == (0, alone[1])
    assert content(tmp_path / "two") == content(tmp_path / "one")
    # One of them speaks.
    assert err.count("[1/2] ") == 1 and err.count("results   two") == 1


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_is_started_again(whole, tmp_path, rank):
    out = tmp_path / "out"
    run = started(tmp_path, (*RUN, "--max-restarts", "3"), *LONG, "--out", str(out))
    half(out, run)
    os.kill(pid_of(rank, out), signal.SIGKILL)
    code, _, err = ended(run)
    assert code == 0, err
    assert re.search(r"resumed at \d+ of 200 samples", err)
    assert content(out) == whole


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on(whole, tmp_path, number):
    out = tmp_path / "out"
    run = started(tmp_path, RUN, *LONG, "--out", str(out))
    half(out, run)
    run.send_signal(number)
    code, _, err = ended(run)
    assert code != 0
    name = signal.Signals(number).name
    assert err.count(f"stopped by {name}; the same command resumes") == 1
    assert [*(out / "cells").glob("*.partial.npz")]
    assert ended(started(tmp_path, *LONG, "--out", str(out), ranks=False))[0] == 0
    assert content(out) == whole


@pytest.mark.slow
def test_an_error_is_one_line_of_rank_0(tmp_path):
    code, out, err = ended(started(tmp_path, RUN, "--sampler", "eulr"))
    assert code != 0 and out == ""
    assert err.count("samplebench: error: unknown sampler 'eulr'; did you mean 'euler'?") == 1
    assert re.search(r"rank\s*: 0 .*\n\s*exitcode\s*: 2 ", err)


@pytest.mark.slow
def test_from_python_all_ranks_return_the_table(tmp_path):
    (tmp_path / "sweep.py").write_text(
        "import samplebench as sb\n"
        "for nfe in (3, 5):\n"
        "    frame = sb.run(model='digits-exact', sampler='heun', nfe=nfe, num_samples=56,\n"
        "                   batch_size=16, out=f'out{nfe}', quiet=True)\n"
        "    print(f'{frame[\"fd-digits\"].item()}\\n', end='', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *RUN, "sweep.py"], cwd=tmp_path,
        env=environment(ROOT), capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = done.stdout.split()
    assert len(values) == 4 and len(set(values)) == 2


@pytest.mark.slow
def test_two_shards_at_once_leave_the_whole_table(whole, tmp_path):
    out = tmp_path / "out"
    jobs = [
        started(tmp_path, *LONG, "--out", str(out), "--shard", f"{i}/2", ranks=False)
        for i in range(2)
    ]
    assert [ended(job)[0] for job in jobs] == [0, 0]
    assert content(out) == whole
    table = (out / "results.csv").read_text().splitlines()
    assert len(table) == 3

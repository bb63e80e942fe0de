"""Killed at any moment, the same command goes on and ends with the same bytes."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

# Six cells of ten blocks: 0.1 to 0.5 s each.
SWEEP = (
    "run", "--sampler", "euler,edm", "--param", "edm.S_churn=10", "--nfe", "15,31,41",
    "--num-samples", "640", "--quiet", "--out",
)  # fmt: skip
COUNT = 6


@pytest.fixture(scope="module")
def uninterrupted(command, tmp_path_factory):
    """results.csv of the sweep, computed without a stop."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    done = command(*SWEEP, "sweep", cwd=folder)
    assert done.code == 0, done.err
    return (folder / "sweep" / "results.csv").read_bytes()


class Folder:
    """What a results folder holds, seen from outside."""

    def __init__(self, path) -> None:
        self.path = path

    def finished(self) -> int:
        return len(list(self.path.glob("cells/[!.]*.json")))

    def partial(self) -> bool:
        return any(self.path.glob("cells/[!.]*.partial.npz"))


@pytest.fixture
def sweep(tmp_path):
    return Folder(tmp_path / "sweep")


@pytest.fixture
def interrupt(start, wait, sweep):
    """`interrupt(condition, signal)`: starts the sweep, stops it there -> (code, stderr)."""

    def run(condition, number=signal.SIGKILL):
        process = start(*SWEEP, "sweep")
        assert wait(condition, process), process.communicate()[1]
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        return process.returncode, err

    return run


def settle(samplebench, sweep, uninterrupted, cells):
    """Runs the sweep to its end: all bytes are as they should be, nothing was computed twice."""
    before = cells(sweep.path)
    done = samplebench(*SWEEP, "sweep")
    assert done.code == 0, done.err
    assert (sweep.path / "results.csv").read_bytes() == uninterrupted
    after = cells(sweep.path)
    records = [name for name in before if name.endswith(".json")]
    assert {name: after[name] for name in records} == {name: before[name] for name in records}
    assert sweep.finished() == COUNT
    assert not sweep.partial()


def test_killed_again_and_again(samplebench, interrupt, sweep, uninterrupted, cells):
    stops = [
        lambda: sweep.partial(),
        lambda: sweep.finished() >= 1,
        lambda: sweep.finished() >= 3,
        lambda: sweep.finished() >= 3 and sweep.partial(),
    ]
    for condition in stops:
        code, _ = interrupt(condition)
        assert code == -signal.SIGKILL
    assert 3 <= sweep.finished() < COUNT
    settle(samplebench, sweep, uninterrupted, cells)


@pytest.mark.slow
@pytest.mark.parametrize("finished", range(COUNT))
@pytest.mark.parametrize("within", [False, True], ids=["between cells", "within a cell"])
def test_killed_once(samplebench, interrupt, sweep, uninterrupted, cells, finished, within):
    code, _ = interrupt(
        lambda: sweep.finished() >= finished and (not within or sweep.partial()),
    )
    assert code == -signal.SIGKILL
    settle(samplebench, sweep, uninterrupted, cells)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments(samplebench, start, sweep, uninterrupted, cells, seed):
    """Also while files are being written, and while the report is."""
    rng = np.random.default_rng(seed)
    for _ in range(12):
        process = start(*SWEEP, "sweep", anew=True)
        # Most moments lie after the start, where the work is.
        moment = time.monotonic() + rng.uniform(0.5, 4)
        while time.monotonic() < moment and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.communicate()
    settle(samplebench, sweep, uninterrupted, cells)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_in_order(
    samplebench, interrupt, sweep, uninterrupted, cells, number
):
    code, err = interrupt(lambda: sweep.finished() >= 1 and sweep.partial(), number)
    assert code == 128 + number
    assert err == (f"stopped by {signal.Signals(number).name}; the same command resumes\n")
    # The cell under way is kept, and what is finished is reported.
    assert sweep.partial()
    assert 1 <= sweep.finished() < COUNT
    table = (sweep.path / "results.csv").read_bytes()
    assert table.count(b"\n") == 1 + sweep.finished()
    assert (sweep.path / "report.html").is_file()
    settle(samplebench, sweep, uninterrupted, cells)


def everything(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("name", "put"),
    [
        ("sweep", "nothing"),
        pytest.param("sweep", "a folder", marks=pytest.mark.slow),
        pytest.param("sweep/cells", "a file", marks=pytest.mark.slow),
    ],
)
def test_a_folder_that_goes_during_a_run(
    samplebench, start, wait, sweep, uninterrupted, cells, tmp_path, name, put
):
    """It is not made again; put back, the same command goes on."""
    process, folder = start(*SWEEP, "sweep"), tmp_path / name
    assert wait(lambda: sweep.finished() >= 1 and sweep.partial(), process)
    process.send_signal(signal.SIGSTOP)
    folder.rename(tmp_path / "elsewhere")
    if put == "a folder":
        folder.mkdir()
    if put == "a file":
        folder.write_text("x")
    before = everything(tmp_path)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err == (
        f"samplebench: error: {name} was removed, renamed or replaced during the run, so its "
        "results are incomplete; restore it, and the same command computes what is missing\n"
    )
    # A report of what is finished may be written where a sub-folder is gone, and no file is lost.
    assert before.keys() <= everything(tmp_path).keys()
    assert not folder.exists() if put == "nothing" else folder.is_file() == (put == "a file")
    if put == "a folder":
        assert not [*folder.iterdir()]
    if put != "nothing":
        folder.rmdir() if folder.is_dir() else folder.unlink()
    (tmp_path / "elsewhere").rename(folder)
    settle(samplebench, sweep, uninterrupted, cells)


def test_a_second_run_in_the_folder_is_refused(samplebench, start, wait, sweep):
    process = start(*SWEEP, "sweep")
    assert wait(sweep.partial, process)
    process.send_signal(signal.SIGSTOP)
    try:
        second = samplebench(*SWEEP, "sweep")
        # To look is no write.
        plan = samplebench(*SWEEP, "sweep", "--dry-run")
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
    assert second.code == 3
    assert second.err.startswith("samplebench: error: another run is writing to sweep")
    assert second.err.count("\n") == 1
    assert plan.code == 0

"""Progress goes by a clock that nobody sets."""

from __future__ import annotations

import io
import re
import time

import pytest

from samplebench import ticker
from samplebench.bench import plan as planning
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.download.bar import Bar

DAYS = 86400.0


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """`terminal()`: stderr is one from now on."""

    def begin():
        stream = Terminal()
        monkeypatch.setattr("sys.stderr", stream)
        return stream

    return begin


@pytest.fixture(params=[-3 * DAYS, 3 * DAYS, -time.time(), 7e9], ids=["back", "on", "1970", "2190"])
def jump(request, monkeypatch):
    """`jump()`: the clock on the wall is set."""
    real = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: real() + request.param)


@pytest.fixture
def clock(monkeypatch):
    """`clock(seconds)`: so much time passes."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    return passes


def last(stream):
    return stream.getvalue().split("\r")[-1]


def test_a_bar_goes_on_whatever_the_wall_says(terminal, jump, clock):
    stream = terminal()
    with ticker.bar(100, "work", "it", False) as advance:
        clock(10)
        advance(10)
        jump()
        clock(10)
        advance(10)
        # Half a second for each, and it says so at once.
        assert re.search(r"20.0/100 .*\[00:20<01:20", last(stream)), last(stream)
        assert "-" not in last(stream).partition("[")[2]


def test_so_does_that_of_a_download(terminal, jump, clock):
    stream = terminal()
    with Bar("weights", True) as bar:
        bar.reach(0, 1000)
        jump()
        clock(10)
        bar.reach(500, 1000)
        assert "500/1.00k [00:10<00:10, 50.0B/s]" in last(stream)


def test_so_does_that_of_a_run(terminal, jump, clock):
    stream = terminal()
    plan = planning.make(Request.of(sampler="euler", nfe=4, num_samples=64))
    cells = [*plan.cells.values()]
    progress = Progress()
    with progress.over(cells):
        progress.start_cell(cells[0], 0)
        jump()
        clock(8)
        progress.advance(32)
        assert "[00:08<00:08" in last(stream) and "4 images/s" in last(stream)


@pytest.mark.parametrize("seconds", [0, 1e-9, 1, 1e9, 1e300])
@pytest.mark.parametrize("done", [0, 1, 99, 100, 101])
def test_what_is_left_is_never_negative(clock, seconds, done):
    work = ticker.Ticker(100)
    clock(seconds)
    work.advance(done)
    assert "-" not in str(work) and "nan" not in str(work)


def test_where_no_terminal_is_there_no_bar(monkeypatch, tmp_path, capsys):
    """Reading a folder of images, too."""
    import numpy as np
    from PIL import Image

    from samplebench.image_sets import read

    for name in "ab":
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / f"{name}.png")
    read(tmp_path, quiet=False)
    assert capsys.readouterr().err == "headers: done in 0 s\n"
    read(tmp_path, quiet=True)
    assert capsys.readouterr().err == ""

"""What a run says on stderr: whole lines where no terminal is, a bar where there is one."""

from __future__ import annotations

import io
import re
import sys

import pytest

import samplebench.ticker
from samplebench.bench import plan as planning
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.cli import main
from samplebench.ticker import Ticker, bar, duration

RUN = ["run", "--sampler", "euler,heun", "--nfe", "5,10", "--num-samples", "66"]
LINE = re.compile(
    r"\[(\d)/4\] digits-exact (?:euler|heun) edm rho=7 NFE \d+: "
    r"fd-digits \d+\.\d+ ± \d\.\d+, \d+\.\d s"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def often(monkeypatch):
    """A line is due at every step."""
    monkeypatch.setattr(samplebench.ticker, "EVERY", 0.0)


@pytest.fixture
def cells():
    words = {"sampler": "heun", "nfe": [5, 9], "num_samples": 256}
    return list(planning.make(Request.of(**words)).cells.values())


def record(cell, **more):
    return {"conditions": cell.conditions, "nfe": cell.nfe, "nonfinite": 0, **more}


def score(value=0.46412, stderr=0.0401, reference="digits", **more):
    conditions = {"metric": "fd-digits", "reference": {"id": reference, "sha256": reference}}
    return {"conditions": conditions, "value": {"value": value, "stderr": stderr}, **more}


def test_a_run_into_a_log_is_a_line_per_cell(tmp_path, capsys):
    assert main([*RUN, "--out", str(tmp_path / "out")]) == 0
    err = capsys.readouterr().err
    assert "\r" not in err and "\x1b" not in err and err.endswith("\n")
    assert not re.search(r"\d%\||it/s|eval/s|[█▏▎▍▌▋▊▉]", err)
    lines = [line for line in err.splitlines() if line.startswith("[")]
    assert [LINE.match(line)[1] for line in lines] == ["1", "2", "3", "4"]


def test_quiet_says_nothing_whatever_stderr_is(tmp_path, monkeypatch, often):
    for place, stderr in enumerate((io.StringIO(), Terminal())):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert main([*RUN, "--out", str(tmp_path / str(place)), "--quiet"]) == 0
        assert stderr.getvalue() == ""


def test_a_terminal_has_its_bar(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main([*RUN, "--out", str(tmp_path / "out")]) == 0
    text = sys.stderr.getvalue()
    assert "\r" in text and "eval/s" in text and "[1/4]" not in text
    assert re.search(r"digits-exact heun edm rho=7 NFE 9  fd-digits \d", text)


def test_lines_are_there_at_once(cells, monkeypatch):
    """A log behind a buffer shows each of them before the next cell begins."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(raw), "utf-8"))
    progress = Progress()
    with progress.over(cells):
        for place, cell in enumerate(cells, start=1):
            progress.start_cell(cell, done=0)
            progress.advance(256)
            progress.finish_cell(cell, record(cell), [score()])
            assert raw.getvalue().decode().count("\n") == place
    first = raw.getvalue().decode().splitlines()[0]
    assert first.startswith("[1/2] digits-exact heun edm rho=7 NFE 5: fd-digits 0.464 ± 0.040, ")


def test_a_long_cell_shows_life(cells, capsys, often):
    progress = Progress()
    with progress.over(cells):
        progress.start_cell(cells[0], done=0)
        for _ in range(4):
            progress.advance(64)
        progress.finish_cell(cells[0], record(cells[0]), [score()])
    lines = capsys.readouterr().err.splitlines()
    # 5 of 14 evaluations per sample are the first cell's.
    shares = [re.search(r": (\d+)%, about .* left; (\d+)%, about .* left in all$", line)
              for line in lines[:-1]]  # fmt: skip
    assert [tuple(map(int, share.groups())) for share in shares] == [(25, 9), (50, 18), (75, 27)]
    assert all(line.startswith("[1/2] digits-exact heun") for line in lines)


def test_a_short_cell_is_one_line(cells, capsys):
    progress = Progress()
    with progress.over(cells[:1]):
        progress.start_cell(cells[0], done=0)
        for _ in range(4):
            progress.advance(64)
        progress.finish_cell(cells[0], record(cells[0]), [score()])
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("stderr", [io.StringIO, Terminal])
@pytest.mark.parametrize("done", [0, 128])
def test_a_resumed_cell_says_so(cells, monkeypatch, stderr, done):
    monkeypatch.setattr(sys, "stderr", stderr())
    progress = Progress()
    with progress.over(cells):
        progress.start_cell(cells[0], done)
        progress.advance(256 - done)
        progress.finish_cell(cells[0], record(cells[0]), [score()])
    said = sys.stderr.getvalue()
    assert ("resumed at 128 of 256 samples" in said) == bool(done)
    assert "0.46" in said


def test_a_cell_without_a_value_says_why(cells, capsys):
    progress, none = Progress(), score(None, None)
    with progress.over(cells):
        for more, scores in (
            ({"failed": "the network answers inf"}, [none]),
            ({"nonfinite": 3}, [none]),
            ({}, [score(None, None, failed="metric fd-digits: its value is inf")]),
        ):
            progress.start_cell(cells[0], done=0)
            progress.finish_cell(cells[0], record(cells[0], **more), scores)
    first, second, third = capsys.readouterr().err.splitlines()
    assert "NFE 5: failed: the network answers inf, " in first
    assert "fd-digits nan, " in second
    assert second.endswith("; note: 3 of 256 samples are not finite: no value")
    assert "NFE 5: fd-digits failed: metric fd-digits: its value is inf, " in third


def test_several_references_are_told_apart(cells, capsys):
    progress = Progress()
    with progress.over(cells):
        progress.start_cell(cells[0], done=0)
        progress.finish_cell(cells[0], record(cells[0]), [score(), score(2.5, 0.25, "mine")])
    (line,) = capsys.readouterr().err.splitlines()
    assert "NFE 5: fd-digits (digits) 0.464 ± 0.040, fd-digits (mine) 2.50 ± 0.25, " in line


def test_a_finished_cell_that_is_scored_again_is_a_line(cells, capsys):
    Progress(quiet=True).scored(record(cells[0]), [score()])
    Progress().scored(record(cells[0]), [score(2.5, 0.25)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "digits-exact heun edm rho=7 NFE 5: fd-digits 2.50 ± 0.25"


def test_a_log_whose_reader_has_gone_does_not_end_the_run(tmp_path, monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    progress = Progress()
    monkeypatch.setattr(sys, "stderr", Gone())
    progress.note("a line")
    monkeypatch.setattr(sys, "stderr", None)
    progress.note("a line")


@pytest.mark.parametrize("quiet", [False, True])
def test_other_long_work_says_lines_too(capsys, often, quiet):
    with bar(200, "images", "image", quiet) as advance:
        advance(50)
        advance(100, "more images")
        advance(50, "the last")
    err = capsys.readouterr().err
    if quiet:
        assert err == ""
    else:
        first, second, third = err.splitlines()
        assert third == "the last: done in 0 s"
        assert first.startswith("images: 25%, about ") and second.startswith("more images: 75%, ")


def test_time_left_counts_the_pace_of_this_run_alone(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(samplebench.ticker.time, "monotonic", lambda: now[0])
    ticker = Ticker(1000, done=900)
    assert str(ticker) == "90%"
    now[0] += 10
    assert not ticker.advance(50)
    assert str(ticker) == "95%, about 10 s left"
    now[0] += samplebench.ticker.EVERY
    assert ticker.advance(0) and not ticker.advance(0)
    ticker.advance(50)
    assert str(ticker) == "100% in 40 s"
    assert str(Ticker(None)) == "under way for 0 s"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(7, "7 s"), (59, "59 s"), (90, "2 min"), (3000, "50 min"), (9000, "2.5 h")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said

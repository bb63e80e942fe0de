"""The verdict is the exit code whatever becomes of what is printed, and that is only text."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace

import pytest

from samplebench.cli import main
from samplebench.cli.common import say
from samplebench.results.fields import inert, printable
from samplebench.results.tables import read_csv, write_csv

HASH = "0123456789abcdef" * 4


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """results.csv, equal.csv with the same row, moved.csv with another value."""
    monkeypatch.chdir(tmp_path)
    row = {
        "model": "digits-exact", "sampler": "mine:s\u00f6lver", "params": "",
        "discretization": "edm", "rho": 7.0, "steps": 5, "nfe": 9, "nfe_requested": 9, "depth": 9,
        "guidance": "", "guide_nfe": 0, "seed": 0, "repeats": 1, "num_samples": 100,
        "protocol": "digits", "dtype": "float64", "reference": "mine@01234567",
        "fd-digits": 2.0, "fd-digits_stderr": 0.1, "cell": HASH,
    }  # fmt: skip
    for name, value in (("results", 2.0), ("equal", 2.0), ("moved", 1.0)):
        write_csv([{**row, "fd-digits": value}], tmp_path / f"{name}.csv")
    return tmp_path


class Broken(io.StringIO):
    """A stream whose reader has gone, or whose device is full."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


ERRORS = [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")]
BASELINES = [("equal.csv", 0), ("moved.csv", 1)]


@pytest.mark.parametrize("more", [[], ["--json"], ["--quiet"], ["--markdown", "-"]], ids=" ".join)
@pytest.mark.parametrize("error", ERRORS, ids=["pipe", "full"])
@pytest.mark.parametrize(("baseline", "code"), BASELINES)
@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_a_verdict_that_nobody_reads_stands(
    tables, monkeypatch, baseline, code, error, more, streams
):
    for name in streams:
        monkeypatch.setattr(sys, name, Broken(error))
    assert main(["check", "results.csv", "--baseline", baseline, *more]) == code


@pytest.mark.parametrize(("value", "told"), [(2.03, True), (2.06, False), (2.0, False)])
def test_a_move_that_training_again_explains(tables, capsys, value, told):
    """Said where another training is compared, and nowhere else."""
    (row,) = read_csv(tables / "equal.csv")
    rows = [{**row, "fd-digits_stderr": 1e-3}, {**row, "seed": 500, "fd-digits_stderr": 1e-3}]
    write_csv(rows[:1], tables / "baseline.csv")
    write_csv([{**rows[1], "fd-digits": value}], tables / "results.csv")
    words = ["check", "results.csv", "--baseline", "baseline.csv", "--tolerance", "3sigma"]
    for more in ([], ["--retrained"]):
        assert main([*words, *more]) == (0 if value == 2.0 else 1)
        assert ("training the network again moves" in capsys.readouterr().out) == (
            told and more != []
        )


@pytest.mark.parametrize(("baseline", "code"), BASELINES)
def test_one_that_is_closed(tables, monkeypatch, baseline, code):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["check", "results.csv", "--baseline", baseline]) == code
    assert main(["check", "nothing.csv", "--baseline", baseline]) == 2


@pytest.mark.parametrize(("baseline", "code"), BASELINES)
def test_a_terminal_that_lacks_a_letter(tables, monkeypatch, baseline, code):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    assert main(["check", "results.csv", "--baseline", baseline]) == code
    assert rb"mine:s\xf6lver" in buffer.getvalue()


@pytest.mark.parametrize("healthy", [True, False])
@pytest.mark.parametrize("error", ERRORS, ids=["pipe", "full"])
def test_the_doctor_s_stands_too(monkeypatch, healthy, error):
    found = SimpleNamespace(
        healthy=healthy,
        denoises=healthy,
        verdict="a verdict",
        findings=[],
        extremes=SimpleNamespace(low=-1.0, high=1.0),
        parameters=1,
        gflop=None,
        seconds={1: 1.0, 64: 1.0},
    )
    monkeypatch.setattr("samplebench.doctor.examine", lambda *args, **words: found)
    monkeypatch.setattr(sys, "stdout", Broken(error))
    assert main(["doctor", "digits-exact", "--quiet"]) == (0 if healthy else 1)


def test_what_is_no_verdict_says_that_it_was_lost(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Broken(ERRORS[1]))
    assert main(["list", "samplers"]) == 3
    assert capsys.readouterr().err == "samplebench: error: No space left on device\n"
    monkeypatch.setattr(sys, "stdout", Broken(ERRORS[0]))
    assert main(["list", "samplers"]) == 0


@pytest.mark.parametrize(
    "command", ["check results.csv --baseline moved.csv", "check x --baseline y"]
)
def test_a_process_ends_with_the_verdict_too(tables, command):
    """Python's own complaints at exit have another code."""
    code = 1 if "results" in command else 2
    words = f"{sys.executable} -m samplebench {command}"
    for ends in (">/dev/full 2>/dev/full", "2>/dev/full | true; exit ${PIPESTATUS[0]}"):
        status = os.spawnlp(os.P_WAIT, "bash", "bash", "-c", f"{words} {ends}")
        assert status == code, ends


class TestFailures:
    """A line each on stderr wherever the table is not in the log."""

    LINE = (
        "moved: digits-exact mine:s\u00f6lver, edm rho=7, NFE 9, seed 0: "
        "fd-digits 1 -> 2 (+100 %, +7.1 sigma, worse)\n"
    )

    @pytest.mark.parametrize(
        "more", [["--json"], ["--markdown", "-"], ["--markdown", "a.md"], ["--json", "--quiet"]]
    )
    def test_they_are_said(self, tables, capsys, more):
        assert main(["check", "results.csv", "--baseline", "moved.csv", *more]) == 1
        assert capsys.readouterr().err == self.LINE
        assert main(["check", "results.csv", "--baseline", "equal.csv", *more]) == 0
        assert capsys.readouterr().err == ""

    def test_the_table_says_it_where_it_is_there(self, tables, capsys):
        assert main(["check", "results.csv", "--baseline", "moved.csv"]) == 1
        out, err = capsys.readouterr()
        assert "moved" in out and err == ""


ODD = ["::error::x", "  ::warning file=a::b", "##[error]x", "a ##vso[x]y", "##teamcity[x]"]
ODD += ["a\n::error::x", "\x1b[31m", "\u202ex", "\r\n##[group]"]


@pytest.mark.parametrize("text", ODD)
def test_what_a_file_holds_gives_no_orders(tables, capsys, text):
    for shown in (printable(text), inert(f'"{text}"')):
        assert not shown.lstrip().startswith("::") and "##" not in shown
    assert printable(text).isprintable()
    say(text)
    assert capsys.readouterr().err == f"{printable(text)}\n"


class TestOddWords:
    @pytest.mark.parametrize(
        "words", ["report X", "forget X", "cite X", "doctor X", "nll --data X", "run --out X"]
    )
    def test_a_zero_byte_is_refused(self, capsys, words):
        assert main([word.replace("X", "a\0b") for word in words.split()]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("samplebench: error: ") and "zero byte" in line

    @pytest.mark.parametrize(
        "words", ["report X", "check X --baseline X", "run --model digits-vp --file X", "cite X"]
    )
    @pytest.mark.parametrize("path", ["n" * 300, "/".join(["d" * 200] * 25)], ids=["name", "path"])
    def test_an_endless_path_is_a_line_that_ends(self, capsys, words, path):
        assert main(words.replace("X", path).split()) in (2, 3)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("samplebench: error: ") and len(line) < 2100

    @pytest.mark.skipif(sys.platform != "linux", reason="others keep a folder that is used")
    def test_a_working_folder_that_is_gone(self, capsys, tmp_path, monkeypatch):
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert main(["report", "../sweep"]) == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("samplebench: error: the working folder is gone")

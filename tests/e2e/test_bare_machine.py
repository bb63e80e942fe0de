"""A machine that lacks something, and names that nobody expects: the same table, or one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from samplebench.cli import main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and streams are POSIX's")
SMALL = "run --num-samples 64 --sampler euler --nfe 4 --batch-size 32"
COMMAND = f"{sys.executable} -m samplebench"
SLOW = pytest.mark.slow
# Of a command line for sh, {run} and {report} with their own folder.
FINE = {
    "home that cannot be written": "HOME=/proc {run} --quiet",
    "no home": "env -u HOME -u XDG_CACHE_HOME -u USER {run} --quiet",
    "no folder for temporary files": "TMPDIR=/nowhere TMP=/nowhere TEMP=/nowhere {run} --quiet",
    "few open files": "ulimit -n 24; {run} --quiet",
    "little memory": "ulimit -v 1500000; {run} --quiet",
    "closed streams": "{run} <&- >&- 2>&-",
    "full streams": "{run} >/dev/full 2>/dev/full",
    "a dumb terminal": "TERM=dumb NO_COLOR=1 COLUMNS=0 {run} --quiet",
    "no width": "COLUMNS=1 {run} --quiet",
    "a width without end": "COLUMNS=99999999999999999999 LINES=-3 {run} --quiet",
    "few letters": "PYTHONIOENCODING=ascii LANG=C LC_ALL=C {run} --quiet",
    "a reader that leaves": "{run} --quiet | head -1 >/dev/null",
    "a clock in 1970": "PYTHONPATH=$PWD/early:$PYTHONPATH {run} --quiet",
    "a clock in 2190": "PYTHONPATH=$PWD/late:$PYTHONPATH {run} --quiet",
}
CLOCK = """
import time
began, real = time.time(), time.time
time.time = lambda: real() + ({shift})
"""
NAMES = ("a\nb", "a\tb", "-x", "a%sb{x}", "a[0-9]*?", "{a}", " ", "e\u0301\u202e\u05d0\U0001f600",
         "a\udcffb", "n" * 255, "I\u0130\u0131i")  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """results.csv of the run on this machine as it is."""
    folder = tmp_path_factory.mktemp("usual")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert main([*SMALL.split(), "--quiet", "--out", "sweep"]) == 0
    return (folder / "sweep" / "results.csv").read_bytes()


def shell(line, folder):
    kept = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=kept, capture_output=True, text=True, timeout=300
    )


@SLOW
@pytest.mark.parametrize("lack", FINE)
def test_the_same_table(lack, table, tmp_path):
    for name, shift in (("early", "1 - began"), ("late", "7e9")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sitecustomize.py").write_text(CLOCK.format(shift=shift))
    done = shell(FINE[lack].format(run=f"{COMMAND} {SMALL} --out sweep"), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "sweep" / "results.csv").read_bytes() == table


@pytest.mark.parametrize("name", [NAMES[0], *(pytest.param(n, marks=SLOW) for n in NAMES[1:])])
def test_a_folder_of_any_name(name, table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL.split(), "--quiet", f"--out={name}"]) == 0
    assert (tmp_path / name / "results.csv").read_bytes() == table
    assert main(["report", f"./{name}"]) == 0
    assert main(["check", f"./{name}", "--baseline", f"./{name}/results.csv"]) == 0
    assert capsys.readouterr().err == ""


def test_names_that_differ_by_case_alone_are_two_labels(tmp_path, monkeypatch, capsys):
    """Whatever a language makes of a dotted I."""
    monkeypatch.chdir(tmp_path)
    words = [*SMALL.replace("euler", "euler,heun").split(), "--quiet", "--out", "sweep"]
    for label in ("euler=I", "heun=\u0131"):
        words += ["--label", label]
    code = main(words)
    lines = capsys.readouterr().err.splitlines()
    assert code == 0 and lines == [], lines
    figure = tmp_path / "sweep" / "figures" / "digits-exact.fd-digits.svg"
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", figure.read_text(encoding="utf-8"))
    assert any(text.startswith("I") for text in texts), texts
    assert any(text.startswith("\u0131") for text in texts), texts


@SLOW
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGTSTP"])
def test_signals_in_the_midst_of_a_run(name, tmp_path):
    """A run that is stopped in order, or halted for a while, ends with the same bytes."""
    number = getattr(signal, name)
    words = "run --num-samples 640 --sampler euler,heun --nfe 31,41 --quiet --out".split()
    command = [sys.executable, "-m", "samplebench", *words, "sweep"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not any(tmp_path.glob("sweep/cells/*.partial.*")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.001)
    process.send_signal(number)
    if name == "SIGTSTP":
        time.sleep(1)
        process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    if name == "SIGTSTP":
        assert (process.returncode, err) == (0, "")
    else:
        assert process.returncode == 128 + number
        assert err == f"stopped by {name}; the same command resumes\n"
    for folder in ("sweep", "whole"):
        assert shell(f"{COMMAND} {' '.join(words)} {folder}", tmp_path).returncode == 0
    tables = [(tmp_path / folder / "results.csv").read_bytes() for folder in ("sweep", "whole")]
    assert tables[0] == tables[1]

"""A run that is killed without a word keeps the blocks that ended, and ends with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WORDS = (
    "nll", "--data", "digits", "--device", "cpu", "--quiet", "--batch-size", "4",
    "--num-samples", "60",
)  # fmt: skip
METHODS = {
    "bound": ("--model", "digits-adm", "--steps", "60"),
    "ode": ("--model", "digits-exact", "--rtol", "1e-3"),
}


def start(method, folder, out):
    kept = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "samplebench", *WORDS, *METHODS[method], "--out", out]
    return subprocess.Popen(
        words, cwd=folder, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_twice(method, tmp_path):
    assert start(method, tmp_path, "whole").wait(timeout=120) == 0
    kept: dict[Path, bytes] = {}
    for least in (2, 6):
        process = start(method, tmp_path, "parts")
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if len(list(tmp_path.glob("parts/*/blocks/[!.]*.npz"))) >= least:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        assert process.wait(timeout=60) == -signal.SIGKILL
        assert not list(tmp_path.glob("parts/*/nll.json"))
        for path, content in kept.items():
            assert path.read_bytes() == content
        blocks = tmp_path.glob("parts/*/blocks/[!.]*.npz")
        kept |= {path: path.read_bytes() for path in blocks}
    assert len(kept) >= 6
    assert start(method, tmp_path, "parts").wait(timeout=120) == 0
    for path in sorted(tmp_path.glob("whole/*/**/*")):
        if path.is_file() and path.name != "record.json":  # which says when
            other = tmp_path / "parts" / path.relative_to(tmp_path / "whole")
            assert other.read_bytes() == path.read_bytes(), path.name

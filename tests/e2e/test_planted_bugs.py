"""The committed curves see a bug: each one planted, the fast sweep run, `check` asked."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASELINES = ROOT / "benchmarks" / "baselines"
# The part of the sweep that a bug can reach, for the quick tests; the slow one runs all of it.
REACHES = {
    "rho_off_by_one": ("digits-edm", "euler"),
    "missing_last_step": ("digits-edm", "heun"),
    "wrong_uint8_rule": ("digits-edm", "euler"),
    "ema_ignored": ("digits-vp", "euler"),
    "attention_order_swapped": ("digits-adm", "ddim"),
    "labels_shifted": ("digits-adm", "ddim"),
    "sigma_in_float16": ("digits-edm", "euler"),
    "variance_fraction_not_halved": ("digits-adm", "respaced"),
    "one_seed_reused": ("digits-edm", "euler"),
}


@pytest.fixture(scope="module")
def clean():
    """Results without a bug, by the words that chose a part of the sweep."""
    return {}


@pytest.fixture
def sweep(script, samplebench, tmp_path, tmp_path_factory, clean):
    """`sweep(bug, *words)`: the fast sweep with a bug (None: without), and what check says.

    Without a bug it is compared with the committed curves; with one to what this processor gives
    without, as another's values may differ by more than the least of the bugs.
    """

    def curves(out, *words):
        return ("run", "--config", BASELINES / "fast.toml", "--out", out, "--quiet", *words)

    def run(bug, *words):
        part = ["--subset"] if words else []
        if bug is None:
            out = tmp_path / "out-None"
            done = samplebench(*curves(out, *words))
            assert done.code == 0, done.err
            return samplebench("check", out, "--baseline", BASELINES / "fast.csv", *part)
        if words not in clean:
            clean[words] = tmp_path_factory.mktemp("clean") / "out"
            done = samplebench(*curves(clean[words], *words))
            assert done.code == 0, done.err
        out = tmp_path / f"out-{bug}"
        script(HERE / "planted.py", bug, *curves(out, *words))
        return samplebench("check", out, "--baseline", clean[words] / "results.csv")

    return run


HERE = Path(__file__).parent
# One of a sampler's, one of a container's and one of a process's run with the quick tests.
QUICK = ("rho_off_by_one", "ema_ignored", "variance_fraction_not_halved")
EACH = [pytest.param(bug, marks=() if bug in QUICK else pytest.mark.slow) for bug in REACHES]


def test_every_bug_has_its_place():
    planted = runpy.run_path(str(HERE / "planted.py"), run_name="planted")
    assert REACHES.keys() == planted["BUGS"].keys()


@pytest.mark.parametrize("bug", EACH)
def test_a_planted_bug_is_caught(bug, sweep):
    model, sampler = REACHES[bug]
    found = sweep(bug, "--model", model, "--sampler", sampler)
    assert found.code == 1, found.out + found.err
    assert "moved" in found.out


@pytest.mark.slow
@pytest.mark.parametrize(("model", "sampler"), sorted(set(REACHES.values())))
def test_without_a_bug_nothing_moved(model, sampler, sweep):
    found = sweep(None, "--model", model, "--sampler", sampler)
    assert found.code == 0, found.out + found.err


@pytest.mark.slow
@pytest.mark.parametrize("bug", REACHES)
def test_a_planted_bug_is_caught_by_the_whole_fast_sweep(bug, sweep):
    assert sweep(bug).code == 1


@pytest.mark.slow
def test_twenty_other_batch_sizes_move_nothing(sweep, tmp_path):
    for block in (*range(16, 160, 8), 200, 256):
        found = sweep(None, "--batch-size", block)
        assert found.code == 0, f"block {block}: {found.out}{found.err}"
        shutil.rmtree(tmp_path / "out-None")

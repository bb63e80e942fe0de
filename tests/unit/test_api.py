"""`sb.run` over time: edited code, other words, half-finished folders."""

from __future__ import annotations

import json
import sys
from itertools import pairwise

import numpy as np
import pytest

import samplebench as sb
from samplebench import regression
from samplebench.bench.request import Request
from samplebench.cli import main
from samplebench.errors import InputError, UsageError
from samplebench.results.store import Store
from samplebench.results.tables import read_csv

WORDS = {"nfe": 5, "num_samples": 80, "quiet": True}


def sampler_with(factor):
    def mine(model, x, grid, *, noise=None, callback=None):
        for sigma, sigma_next in pairwise(grid.tolist()):
            denoised = model(x, sigma)
            x = denoised + sigma_next / sigma * (x - denoised)
        return factor * x

    return mine


def values(frame):
    return frame["fd-digits"].tolist()


def test_two_samplers_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two samplers are called"):
        sb.run(sampler=[sampler_with(1.0), sampler_with(1.1)], out=str(tmp_path / "out"), **WORDS)


def test_an_edited_sampler_is_run_again_and_reported(tmp_path):
    """Its row is that of the code that ran last, in the frame and in the folder."""
    out = str(tmp_path / "out")
    for factor in (1.0, 1.1, 1.2, 1.0):
        (shown,) = values(sb.run(sampler=sampler_with(factor), out=out, **WORDS))
        elsewhere = str(tmp_path / f"{factor}")
        assert [shown] == values(sb.run(sampler=sampler_with(factor), out=elsewhere, **WORDS))
        (row,) = read_csv(tmp_path / "out" / "results.csv")
        assert row["fd-digits"] == pytest.approx(shown, rel=1e-11)


def test_an_edited_discretization_is_run_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for sigma_max in (80, 20):
        (tmp_path / "toy_grid.py").write_text(
            "import numpy as np\n"
            f"def grid(steps, *, sigma_min=0.02, sigma_max={sigma_max}.0):\n"
            "    return np.geomspace(sigma_max, sigma_min, steps)\n"
        )
        for name in [name for name in sys.modules if name == "toy_grid"]:
            del sys.modules[name]
        from samplebench.registry import discretizations

        discretizations._entries.pop("toy_grid:grid", None)
        words = {"sampler": "euler", "discretization": "toy_grid:grid", **WORDS}
        found += values(sb.run(out=str(tmp_path / "out"), **words))
    assert found[0] != found[1]


def test_another_block_size_shows_what_ran_last(tmp_path):
    out = tmp_path / "out"
    for block in (64, 16, 32):
        frame = sb.run(sampler="euler", batch_size=block, out=str(out), **WORDS)
        assert [row["cell"] for row in read_csv(out / "results.csv")] == frame["cell"].tolist()
    assert len(list((out / "cells").glob("*.json"))) == 3


def test_evaluations_are_counted_over_all_blocks(tmp_path):
    calls = []

    def uneven(model, x, grid, *, noise=None, callback=None):
        calls.append(len(x))
        for _ in range(8 if len(x) > 1 and calls.count(64) == 1 else 0):
            model(x, 1.0)
        return sampler_with(1.0)(model, x, grid)

    frame = sb.run(sampler=uneven, out=str(tmp_path / "out"), **WORDS)
    # A block of 64 with 13 evaluations, and one of 16 with 5, whose padding does not count.
    assert frame["nfe"].tolist() == [(64 * 13 + 16 * 5) / 80]
    (record,) = Store(tmp_path / "out").view().cells.values()
    assert (record["nfe"], record["nfe_planned"]) == (11.4, 5)


def test_a_callbacks_own_exception_is_left_alone():
    class Enough(Exception):
        pass

    def stop(step):
        raise Enough

    with pytest.raises(Enough):
        sb.sample(sb.load("digits-exact"), "heun", steps=3, seeds=range(2), callback=stop)


def test_a_run_killed_while_it_made_the_folder_goes_on(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".samplebench.json.77.tmp").write_text("{")
    assert len(sb.run(sampler="euler", out=str(out), **WORDS)) == 1
    assert not list(out.rglob("*.tmp"))


def test_a_partial_of_another_version_is_not_finished(tmp_path):
    """Same value as a fresh run, whatever the foreign half holds."""
    fresh = sb.run(sampler="euler", out=str(tmp_path / "fresh"), **WORDS)
    (cell,) = fresh["cell"]
    store = Store(tmp_path / "out", create=True)
    for state in ({"stamp": np.array("another machine")}, {"counts": np.array([1, 2])}):
        store.save_partial(cell, state)
        frame = sb.run(sampler="euler", out=str(tmp_path / "out"), **WORDS)
        assert values(frame) == values(fresh)
        store._cell(cell).unlink()


class TestBaselines:
    @pytest.fixture
    def out(self, tmp_path):
        sb.run(sampler="euler,heun", out=str(tmp_path / "out"), **WORDS)
        return tmp_path / "out"

    def test_a_half_finished_folder_is_no_baseline(self, out, tmp_path):
        next((out / "cells").glob("*.json")).unlink()
        with pytest.raises(InputError, match="is not finished"):
            regression.update(out, tmp_path / "baseline.csv")
        assert not (tmp_path / "baseline.csv").exists()

    def test_a_folder_is_no_baseline_file(self, out, tmp_path):
        with pytest.raises(InputError, match="is a folder"):
            regression.update(out, tmp_path)

    def test_a_folder_and_its_own_csv_are_one(self, out):
        assert regression.load_rows(out) == regression.load_rows(out / "results.csv")


class TestMerged:
    def test_flags_replace_single_parameters(self):
        base = {"nfe": 9, "param": {"edm": {"S_churn": [10], "S_noise": [1.003]}}}
        found = Request.merged(base, {"param": "edm.S_min=1,edm.S_churn=20", "seed": "3"})
        assert found.param == {"edm": {"S_churn": (20,), "S_noise": (1.003,), "S_min": (1,)}}
        assert (found.nfe, found.seed) == ((9,), 3)

    def test_parameters_of_samplers_left_out_go(self):
        base = {"sampler": ["edm", "ddim"], "param": {"edm": {"S_churn": 1}, "ddim": {"eta": 1}}}
        assert Request.merged(base, {"sampler": "ddim"}).param == {"ddim": {"eta": (1,)}}

    def test_a_flag_at_its_default_still_wins(self):
        assert Request.merged({"seed": 5}, {"seed": "0"}).seed == 0


def test_a_defect_does_not_look_like_a_regression(monkeypatch, capsys, tmp_path):
    def broken(source):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(regression, "load_rows", broken)
    assert main(["check", str(tmp_path), "--baseline", "x.csv"]) == 3
    assert capsys.readouterr().err.startswith(
        "samplebench: internal error (a defect of samplebench): RuntimeError: no such luck"
    )


def test_a_dumped_config_holds_the_defaults_of_today(capsys):
    assert main(["run", "--dump-config"]) == 0
    text = capsys.readouterr().out
    assert "S_churn = [10]" in text and "ddim" in text


@pytest.mark.parametrize("param", ["edm.S_churn=-5", "edm.S_churn=5,edm.S_noise=-1"])
def test_negative_churn_is_refused(param, tmp_path):
    with pytest.raises(UsageError, match="cannot be negative"):
        sb.run(sampler="edm", param=param, out=str(tmp_path / "out"), **WORDS)
    assert not (tmp_path / "out").exists()


def test_names_of_one_dtype_are_one_cell(tmp_path):
    for name in ("double", "float64"):
        sb.run(sampler="euler", dtype=name, state_dtype=name, out=str(tmp_path / "out"), **WORDS)
    assert len(list((tmp_path / "out" / "cells").glob("*.json"))) == 1
    (request, *_) = sorted((tmp_path / "out" / "requests").glob("*.json"))
    assert json.loads(request.read_text())["request"]["dtype"] == "float64"

"""`samplebench run` on models of a linear process."""

from __future__ import annotations

import json

import pytest

SAMPLERS = "gddim,euler-maruyama,euler-flow,rk45-flow"
SMALL = ("--num-samples", "128", "--nfe", "10,20", "--json", "--quiet")


@pytest.mark.parametrize("process", ["cld", pytest.param("bdm", marks=pytest.mark.slow)])
def test_a_sweep_over_all_samplers(samplebench, tmp_path, process):
    words = ("run", "--model", f"digits-{process}-exact", "--sampler", SAMPLERS, *SMALL)
    done = samplebench(*words, "--out", "sweep")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [row["sampler"] for row in rows[::2]] == SAMPLERS.split(",")
    for row in rows:
        end = process == "cld"  # its own step to t = 0 is an evaluation too
        steps, nfe = row["steps"], row["nfe"]
        assert nfe == (6 * steps if row["sampler"] == "rk45-flow" else steps) + end
        assert nfe <= row["nfe_requested"]
        assert (row["discretization"], row["rho"]) == ("time", None)
        assert row["fd-digits"] > 0
        record = json.loads((tmp_path / f"sweep/cells/{row['cell']}.json").read_text())
        assert record["nfe"] == record["nfe_planned"] == nfe
        assert record["conditions"]["config"]["process"] == process
    assert (tmp_path / "sweep/report.html").is_file()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "sweep/cells").iterdir()}
    again = samplebench(*words, "--out", "sweep")
    assert json.loads(again.out) == rows
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "sweep/cells").iterdir()} == before


def test_parameters_are_swept_and_aliases_computed_once(samplebench, tmp_path):
    param = "gddim.degree=0,2,gddim.corrector=1,euler-maruyama.lam=0,gddim.ts_order=3"
    words = ("--sampler", "gddim,euler-maruyama,euler-flow", "--param", param)
    done = samplebench("run", "--model", "digits-cld-exact", *words, *SMALL, "--out", "sweep")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert rows[0]["params"] == "corrector=1 degree=0 ts_order=3"
    # 2N - 1 and the last step: of an even budget one is left over.
    assert (rows[1]["steps"], rows[1]["nfe"]) == (10, 20)
    flow = {row["nfe"]: row["cell"] for row in rows if row["sampler"] == "euler-flow"}
    named = {row["nfe"]: row["cell"] for row in rows if row["sampler"] == "euler-maruyama"}
    assert flow == named


def test_isotropic_models_run_beside_the_samplers_of_noise_levels(samplebench):
    words = ("--model", "digits-exact", "--sampler", "gddim,heun", "--param", "gddim.process=ve")
    done = samplebench("run", *words, *SMALL)
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert {row["protocol"] for row in rows} == {rows[0]["protocol"]}
    assert [row["params"] for row in rows] == ["process=ve", "process=ve", "", ""]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model digits-cld-exact --sampler heun", "heun needs D(x; sigma); digits-cld-exact"),
        ("--model cld-cifar10 --sampler heun", "heun needs D(x; sigma); cld-cifar10"),
        ("--model cld-cifar10 --sampler respaced", "respaced needs a discrete model"),
        ("--model adm-imagenet64 --sampler gddim", "adm-imagenet64 knows discrete steps alone"),
        ("--sampler gddim --param gddim.process=cld", "process cld needs a model"),
        ("--sampler gddim --param gddim.process=vpp", "unknown process 'vpp'; did you mean 'vp'"),
        ("--model digits-cld-exact --param gddim.process=vp", "process=vp: digits-cld-exact"),
        ("--model digits-cld-exact --param gddim.rho=7", "parameter 'rho' of sampler gddim"),
        ("--model digits-cld-exact --param gddim.ts_order=0", "ts_order=0 must be"),
        ("--model digits-cld-exact --param gddim.degree=-1", "degree=-1: a polynomial's degree"),
        ("--model digits-cld-exact --param gddim.lam=-1", "lam=-1"),
        ("--model digits-cld-exact --sampler rk45-flow --nfe 6", "nfe=6 is too small"),
        ("--model digits-cld-exact --protocol digits", "protocol digits is not for digits-cld"),
        ("--sampler gddim --protocol digits-cld", "protocol digits-cld is not for digits-exact"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_fetched(samplebench, words, message):
    done = samplebench("run", *words.split(), "--out", "nothing")
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_trajectory_is_measured_in_noise_levels(samplebench):
    for words in ("--model digits-cld-exact", "--model digits-exact --sampler gddim"):
        done = samplebench("trajectory", *words.split(), "--steps", "10")
        assert done.code == 2 and "the reference solution is in noise levels" in done.err

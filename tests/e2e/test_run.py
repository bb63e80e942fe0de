"""`samplebench run` as a user meets it."""

from __future__ import annotations

import json
import math
import re
import tomllib

import pytest

from samplebench.results.store import Store

SMALL = ("--num-samples", "128", "--sampler", "euler,heun", "--nfe", "5,10")
COLUMNS = (
    "model sampler params discretization rho steps nfe nfe_requested depth guidance guide_nfe seed "
    "repeats num_samples protocol dtype reference fd-digits fd-digits_stderr cell"
).split()
MODULE = '''
FACTOR = 1.0

def my_sampler(model, x, grid, *, noise=None, callback=None, strength: float = 1.0):
    """Euler's method, written by a user."""
    levels = grid.tolist()
    for sigma, following in zip(levels[:-1], levels[1:]):
        x = x + strength * FACTOR * (following - sigma) * (x - model(x, sigma)) / sigma
    return x

def sample_mine(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """The same, in k-diffusion's signature."""
    ones = x.new_ones([x.shape[0]])
    for i in range(len(sigmas) - 1):
        denoised = model(x, sigmas[i] * ones)
        x = x + (sigmas[i + 1] - sigmas[i]) * (x - denoised) / sigmas[i]
    return x

def sample_global(model, x, sigmas):
    import torch
    return model(x, sigmas[0]) + sum(0.01 * torch.randn_like(model(x, s)) for s in sigmas[1:-1])

def half(model, x, grid, *, noise=None, callback=None):
    """Every other step evaluates the first half of the batch only."""
    import torch
    for i, (sigma, following) in enumerate(zip(grid.tolist()[:-1], grid.tolist()[1:])):
        n = len(x) if i % 2 == 0 or len(x) == 1 else len(x) // 2
        denoised = torch.cat([model(x[:n], sigma), x[n:]])
        x = x + (following - sigma) * (x - denoised) / sigma
    return x
'''


@pytest.fixture
def modules(tmp_path):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "mymod.py").write_text(MODULE)
    return folder


def test_a_sweep_prints_its_table_and_leaves_its_files(samplebench, tmp_path, rows, cells):
    done = samplebench("run", *SMALL, "--out", "sweep")
    assert done.code == 0, done.err
    folder = tmp_path / "sweep"
    table = [line.split() for line in done.out.splitlines()]
    for sampler in ("euler", "heun"):
        lines = [line for line in table if line[:1] == [sampler]]
        assert len(lines) == 2
    assert "fd-digits" in done.out
    assert "report.html" in done.out
    for said in ("digits-exact on cpu, float64", "4 rows, 4 cells (0 done already)", "N = 128"):
        assert said in done.err

    found = rows(folder)
    assert [list(row) for row in found] == [COLUMNS] * 4
    assert [(r["sampler"], r["steps"], r["nfe"], r["nfe_requested"]) for r in found] == [
        ("euler", "5", "5", "5"),
        ("euler", "10", "10", "10"),
        ("heun", "3", "5", "5"),
        ("heun", "5", "9", "10"),
    ]
    for row in found:
        assert (row["model"], row["discretization"], row["rho"]) == ("digits-exact", "edm", "7")
        for column in ("fd-digits", "fd-digits_stderr"):
            assert 0 < float(row[column]) < 100
            assert len(re.sub(r"e.*|\D", "", row[column]).lstrip("0")) <= 12
    assert b"\r" not in (folder / "results.csv").read_bytes()

    assert {name.split(".")[0] for name in cells(folder)} == {row["cell"] for row in found}
    assert len(cells(folder)) == 8
    figures = {path.name for path in (folder / "figures").iterdir()}
    names = ("digits-exact.fd-digits", "digits-exact.fd-digits.overview")
    assert figures == {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "data:image/png;base64," in page
    assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css|png|svg)', page)
    # Neither temporary files nor the state of a cell under way stay behind.
    left = [path.name for path in folder.rglob("*") if re.search(r"tmp|partial", path.name)]
    assert left == []


def test_the_same_sweep_again_computes_nothing(samplebench, copied, cells):
    before = cells(copied), (copied / "results.csv").read_bytes()
    page = (copied / "report.html").read_bytes()
    done = samplebench("run", *SMALL, "--out", "sweep")
    assert done.code == 0
    assert "4 cells (4 done already)" in done.err
    assert ", 0 network evaluations" in done.err
    assert (cells(copied), (copied / "results.csv").read_bytes()) == before
    assert (copied / "report.html").read_bytes() == page


def test_a_larger_sweep_computes_the_new_cells_only(samplebench, copied, cells, rows):
    before, known = cells(copied), rows(copied)
    larger = ("--sampler", "euler,heun", "--nfe", "5,10,20", "--num-samples", "128")
    done = samplebench("run", *larger, "--out", "sweep")
    assert done.code == 0
    assert "6 cells (4 done already)" in done.err
    after = cells(copied)
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * 6
    now = rows(copied)
    assert len(now) == 6
    assert all(row in now for row in known)


def test_a_dumped_config_repeats_the_sweep(samplebench, tmp_path, cells, rows):
    words = (
        "--sampler", "edm,ddim", "--param", "edm.S_churn=0,10,ddim.eta=0.5", "--nfe", "6",
        "--rho", "5", "--discretization", "edm,80/20/5/1", "--num-samples", "128", "--seed", "3",
    )  # fmt: skip
    dumped = samplebench("run", *words, "--dump-config")
    assert dumped.code == 0
    assert dumped.err == ""
    assert not (tmp_path / "reports").exists()
    config = tomllib.loads(dumped.out)
    assert config["nfe"] == [6]
    assert config["param"] == {"edm": {"S_churn": [0, 10]}, "ddim": {"eta": [0.5]}}
    (tmp_path / "sweep.toml").write_text(dumped.out)
    by_words = samplebench("run", *words, "--out", "words")
    by_file = samplebench("run", "--config", "sweep.toml", "--out", "file")
    assert by_words.code == by_file.code == 0
    one, two = tmp_path / "words", tmp_path / "file"
    assert cells(one).keys() == cells(two).keys()
    assert rows(one) == rows(two)
    assert (one / "results.csv").read_bytes() == (two / "results.csv").read_bytes()
    # A word of the command line goes before the file's.
    plan = samplebench("run", "--config", "sweep.toml", "--nfe", "9", "--dry-run", "--json")
    assert {row["nfe_requested"] for row in json.loads(plan.out)} == {9, None}
    again = samplebench("run", "--config", "sweep.toml", "--dump-config")
    assert again.out == dumped.out


def test_a_dry_run_computes_nothing(samplebench, copied, cells, tmp_path):
    done = samplebench("run", *SMALL, "--dry-run")
    assert done.code == 0
    assert done.out.count("0/1 done") == 4
    assert "4 cells (0 done already), 3,712 network evaluations left" in done.out
    assert not (tmp_path / "reports").exists()
    before = cells(copied)
    files = sorted(copied.rglob("*"))
    done = samplebench("run", *SMALL, "--out", "sweep", "--nfe", "5,10,20", "--dry-run", "--json")
    assert done.code == 0
    assert [row["cells"] for row in json.loads(done.out)] == [
        "1/1 done",
        "1/1 done",
        "0/1 done",
    ] * 2
    assert cells(copied) == before
    assert sorted(copied.rglob("*")) == files


def test_defaults_need_no_word(samplebench, tmp_path):
    done = samplebench("run", "--dry-run", "--json")
    assert done.code == 0
    plan = json.loads(done.out)
    assert {row["model"] for row in plan} == {"digits-exact"}
    assert {row["num_samples"] for row in plan} == {1797}
    assert {row["sampler"] for row in plan} == {"euler", "heun", "edm", "ddim"}
    assert list(tmp_path.iterdir()) == []


def test_json_is_the_table_of_the_request(samplebench, copied, rows):
    # The table shows what was asked for, the files of the folder all that is there.
    words = ("--sampler", "heun", "--nfe", "5,10", "--num-samples", "128")
    done = samplebench("run", *words, "--out", "sweep", "--json")
    assert done.code == 0
    table, written = json.loads(done.out), rows(copied)
    assert [list(row) for row in table] == [COLUMNS] * 2
    assert len(written) == 4
    for row, line in zip(table, written[2:], strict=True):
        assert row["sampler"] == line["sampler"] == "heun"
        assert row["fd-digits"] == float(line["fd-digits"])
        assert row["nfe"] == int(line["nfe"])
        assert row["cell"] == line["cell"]


def test_quiet_says_nothing_on_stderr(samplebench):
    words = ("--sampler", "euler", "--nfe", "5", "--num-samples", "70", "--out", "sweep")
    done = samplebench("run", *words, "--quiet")
    assert (done.code, done.err) == (0, "")
    assert "euler" in done.out
    report = samplebench("report", "sweep", "--quiet")
    assert report == (0, done.out, "")


def test_repeats_average_disjoint_seeds(samplebench, tmp_path, rows):
    words = ("run", "--sampler", "euler", "--nfe", "5", "--num-samples", "128", "--out", "sweep")
    folder = tmp_path / "sweep"
    assert samplebench(*words, "--repeats", "2", "--seed", "7").code == 0
    (mean,) = rows(folder)
    assert (mean["seed"], mean["repeats"]) == ("7", "2")
    hashes = mean["cell"].split()
    seeds = [
        json.loads((folder / "cells" / f"{name}.json").read_text())["conditions"]["seed"]
        for name in hashes
    ]
    assert seeds == [7, 7 + 128]
    # Each repeat is the cell of a sweep that starts at its seed.
    for seed in seeds:
        plan = samplebench(*words, "--seed", seed, "--dry-run", "--json")
        assert [row["cells"] for row in json.loads(plan.out)] == ["1/1 done"]
    found = Store(folder).view().scores
    terms = [found[name, "fd-digits", mean["reference"]]["value"] for name in hashes]
    values, errors = [t["value"] for t in terms], [t["stderr"] for t in terms]
    assert values[0] != values[1]
    assert float(mean["fd-digits"]) == pytest.approx(sum(values) / 2, rel=1e-11)
    assert float(mean["fd-digits_stderr"]) == pytest.approx(math.hypot(*errors) / 2, rel=1e-11)


def test_both_noise_modes(samplebench, tmp_path, rows):
    words = ("run", "--sampler", "euler,ddim", "--param", "ddim.eta=1", "--nfe", "5")
    for mode in ("portable", "nvlabs"):
        done = samplebench(*words, "--num-samples", "128", "--noise", mode, "--out", "sweep")
        assert done.code == 0
    found = rows(tmp_path / "sweep")
    assert len({row["cell"] for row in found}) == 4
    assert len({row["fd-digits"] for row in found}) == 4
    assert len({row["protocol"] for row in found}) == 2


def test_explicit_levels(samplebench, tmp_path, rows):
    words = ("run", "--sampler", "euler,heun", "--num-samples", "128", "--out", "sweep")
    assert samplebench(*words, "--discretization", "80/20/5/1/0.1").code == 0
    found = rows(tmp_path / "sweep")
    assert [(r["sampler"], r["steps"], r["nfe"]) for r in found] == [
        ("euler", "5", "5"),
        ("heun", "5", "9"),
    ]
    for row in found:
        assert row["discretization"] == "80/20/5/1/0.1"
        assert row["rho"] == row["nfe_requested"] == ""
    # A final 0 is the same list.
    done = samplebench(*words, "--discretization", "80/20/5/1/0.1/0", "--dry-run")
    assert "2 cells (2 done already)" in done.out


def test_aliases_are_computed_once(samplebench, tmp_path, rows):
    words = ("--sampler", "heun,edm,euler,ddim", "--param", "edm.S_churn=0", "--nfe", "5")
    done = samplebench("run", *words, "--num-samples", "128", "--out", "sweep")
    assert "4 rows, 2 cells" in done.err
    found = {row["sampler"]: row for row in rows(tmp_path / "sweep")}
    assert found["edm"]["cell"] == found["heun"]["cell"]
    assert found["ddim"]["cell"] == found["euler"]["cell"]
    assert found["ddim"]["fd-digits"] == found["euler"]["fd-digits"]


def test_a_users_sampler(samplebench, tmp_path, modules, rows):
    mine = "mymod:my_sampler,mymod:sample_mine"
    words = ("run", "--nfe", "5", "--num-samples", "128", "--out", "sweep")
    done = samplebench(*words, "--sampler", f"{mine},euler", path=modules)
    assert done.code == 0, done.err
    found = {row["sampler"]: row for row in rows(tmp_path / "sweep")}
    values = {float(row["fd-digits"]) for row in found.values()}
    assert max(values) == pytest.approx(min(values), rel=1e-9)
    assert len({row["cell"] for row in found.values()}) == 3
    assert {row["nfe"] for row in found.values()} == {"5"}

    sampler = ("--sampler", "mymod:my_sampler")
    param = ("--param", "mymod:my_sampler.strength=1.0,0.9")
    done = samplebench(*words, *sampler, *param, "--dry-run", path=modules)
    assert "2 cells (1 done already)" in done.out
    # The source is part of what decides a value: another source, another cell.
    text = (modules / "mymod.py").read_text()
    (modules / "mymod.py").write_text(text.replace("FACTOR = 1.0", "FACTOR = 0.9"))
    done = samplebench(*words, *sampler, "--dry-run", path=modules)
    assert "1 cells (0 done already)" in done.out
    # The report of the folder needs neither the module nor its path.
    assert samplebench("report", "sweep").code == 0


def test_a_sampler_with_the_global_generator_is_marked(samplebench, tmp_path):
    # A module of the working folder is found without PYTHONPATH.
    (tmp_path / "mymod.py").write_text(MODULE)
    words = ("--sampler", "mymod:sample_global", "--nfe", "5", "--num-samples", "128")
    done = samplebench("run", *words, "--out", "sweep")
    assert done.code == 0, done.err
    assert "not seed-reproducible" in done.err


def test_a_mean_number_of_evaluations_is_reported_as_it_is(samplebench, modules, tmp_path, rows):
    words = ("--model", "digits-exact-uncond", "--sampler", "mymod:half", "--nfe", "6")
    done = samplebench("run", *words, "--num-samples", "128", "--out", "sweep", path=modules)
    assert done.code == 0, done.err
    (row,) = rows(tmp_path / "sweep")
    assert (row["steps"], row["nfe"], row["nfe_requested"]) == ("6", "4.5", "6")
    done = samplebench("check", "sweep", "--baseline", "sweep/results.csv")
    assert done.code == 0, done.err


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63 - 1])
def test_large_seeds_are_kept_to_the_last_digit(samplebench, seed):
    words = ("--sampler", "euler", "--nfe", "5", "--seed", seed, "--dry-run", "--json")
    (row,) = json.loads(samplebench("run", *words).out)
    assert row["seed"] == seed


def test_help_and_version(samplebench, python):
    assert "usage: samplebench" in samplebench().out
    assert samplebench().code == 0
    assert re.fullmatch(r"samplebench \d+\.\d+\.\d+\S*\n", samplebench("--version").out)
    assert python("-m", "samplebench", "--version") == samplebench("--version")
    for command in ("run", "list", "reference", "report", "check"):
        done = samplebench(command, "--help")
        assert done.code == 0
        assert "examples:" in done.out


def test_lists(samplebench):
    everything = samplebench("list", "--json")
    assert everything.code == 0
    tables = json.loads(everything.out)
    assert {"models", "samplers", "discretizations", "metrics", "protocols"} <= set(tables)
    for kind, table in tables.items():
        done = samplebench("list", kind)
        assert done.code == 0
        for entry in table:
            assert entry.get("name", entry.get("id")) in done.out

"""Runs of presets of samplebench's own, from the plan to both pages."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from samplebench.bench.progress import Progress
from samplebench.bench.ready import ready
from samplebench.cli import main
from samplebench.reproduce import preset
from samplebench.reproduce.by_others import by_others, told
from samplebench.reproduce.execute import execute, intended, planned
from samplebench.reproduce.outcome import OwnValue, Reproduction, reproduction

QUICK = "digits-exact/euler/5"


def run(each, folder, **words):
    plan = ready(planned(each, out=str(folder), **words), quiet=True)
    return execute(each, plan, Progress(quiet=True))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The command on an own value: (folder, exit code)."""
    folder = tmp_path_factory.mktemp("own")
    code = main(["reproduce", QUICK, "--out", str(folder / "out"), "--quiet"])
    return folder / "out", code


def test_an_own_value_comes_out_again(own):
    folder, code = own
    found = json.loads((folder / "reproduction.json").read_text())
    assert code == 0
    # On another platform 1e-3.
    assert math.isclose(found["value"], found["published"], rel_tol=1e-3)
    assert math.isclose(found["stderr"], found["published_stderr"], rel_tol=1e-2)
    assert abs(found["difference_in_standard_errors"]) < 0.05
    assert {each["verdict"] for each in found["conditions"]} == {"matches"}
    assert found["comparable"] and found["metric"] == "fd-digits"
    page = (folder / "reproduction.html").read_text(encoding="utf-8")
    assert (
        "Reproduction of digits-exact/euler/5" in page and "fid" not in page.partition("<script")[0]
    )
    assert len(page) < 200_000  # no figure, no library
    assert (folder / "report.html").is_file() and (folder / "results.csv").is_file()


def test_it_is_not_computed_again(own, capsys):
    folder, _ = own
    before = {path: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}
    assert main(["reproduce", QUICK, "--out", str(folder), "--json", "--quiet"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}
    assert json.loads(capsys.readouterr().out)["name"] == QUICK


def test_a_smaller_n_is_said_and_never_called_a_reproduction(tmp_path, capsys):
    words = ["--num-samples", "12", "--out", str(tmp_path / "out"), "--quiet"]
    assert main(["reproduce", QUICK, *words]) == 0
    out = capsys.readouterr().out
    assert "another N: not a reproduction" in out
    assert "ours 12, theirs 1,797" in out
    # Of the run's own caveats none is lost.
    assert "the value means little" in out
    assert json.loads((tmp_path / "out" / "reproduction.json").read_text())["comparable"] is False


def test_of_three_ranges_the_lowest_is_compared_and_all_are_shown(tmp_path):
    each = preset(QUICK)
    three = replace(each, runs=3, words={**each.words, "num_samples": 64})
    done = run(three, tmp_path / "three")
    assert [value.seed for value in done.values] == [0, 64, 128]
    assert len({value.value for value in done.values}) == 3
    assert done.own.value == min(value.value for value in done.values)
    lines = dict(done.lines())
    assert {"seed 0", "seed 64", "seed 128", "lowest of 3"} <= lines.keys()
    # A published value that is what comes out here.
    planted = Reproduction(replace(three, value=done.own.value), done.values, done.checks)
    assert planted.difference == planted.in_errors == 0
    above = replace(three, value=done.own.value - 2 * done.own.stderr)
    assert math.isclose(Reproduction(above, done.values, done.checks).in_errors, 2)


def test_a_failed_range_leaves_no_value(tmp_path):
    each = preset(QUICK)
    values = (OwnValue(0, 1.0, 0.1), OwnValue(50, None, None))
    done = Reproduction(each, values, ())
    assert (done.own, done.difference, done.in_errors) == (None, None, None)
    assert dict(done.lines())["own"].startswith("no value")
    assert done.plain()["value"] is None


def test_a_view_without_a_score_is_a_failure(tmp_path):
    each = preset(QUICK)
    plan = ready(planned(each, out=str(tmp_path), num_samples=16), quiet=True)
    from samplebench.api import sweep

    view = sweep(plan, Progress(quiet=True))
    empty = replace(view, scores={})
    assert reproduction(each, plan, intended(each, plan), empty).own is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("edm-cifar10-32x32-cond-vp/heun/35", "1.94966"),
        ("edm-cifar10-32x32-uncond-vp/heun/35", "retrained"),
        ("adm-imagenet64/respaced/100@adm-es", "3.25"),
    ],
)
def test_what_others_measured_again_stands_beside(name, text):
    assert text in "; ".join(map(told, by_others(preset(name))))


def test_a_measurement_is_not_its_own_repetition():
    assert by_others(preset("adm-imagenet64/respaced/100@guided-diffusion-issue-119")) == []
    assert by_others(preset(QUICK)) == []


def test_a_reference_that_has_to_be_made_ends_with_the_command(capsys):
    assert main(["reproduce", "admip-lsun-tower64/respaced/100"]) == 3
    err = capsys.readouterr().err
    assert "samplebench reference make --images PATH --extractor inception" in err
    assert err.count("\n") == 1

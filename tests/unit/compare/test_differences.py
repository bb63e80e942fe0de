"""Differences of points: sign, error bar, verdict, and which points are one."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from samplebench.compare import compare
from samplebench.compare.difference import difference
from samplebench.compare.page import page_of
from samplebench.compare.table import columns_of, csv_of, json_of, text_of
from samplebench.errors import InputError, UsageError
from samplebench.report.best import TIE
from samplebench.results.store import Store
from samplebench.results.tables import read_csv, write_csv
from tests.unit.compare.conftest import METRICS, N

POINTS = 4


def differences(found, metric):
    (each,) = found.against
    return [one for one in each.differences if one.metric == metric]


def alone(found):
    return [(one.side.label, one.reason) for each in found.against for one in each.alone]


def test_a_folder_and_its_copy_are_ties_without_an_error(ran, copied):
    found = compare([str(ran()), str(copied("copy"))])
    (each,) = found.against
    assert len(each.differences) == POINTS * len(METRICS)
    assert {(one.value, one.change.error, one.z) for one in each.differences} == {(0.0, 0.0, 0.0)}
    assert {one.verdict for one in each.differences} == {"tie"}
    assert each.counts() == "8 ties" and each.alone == [] and each.subject == ()
    assert not any(one.unpaired for one in each.differences)
    assert all(condition.equal for condition in found.conditions)
    assert found.remarks() == []


@pytest.mark.parametrize(
    ("metric", "by", "verdict"),
    [
        ("fd-digits", 0.5, "worse"),
        ("fd-digits", -0.5, "better"),
        ("recall-digits", 0.01, "better"),
        ("recall-digits", -0.01, "worse"),
    ],
)
def test_a_planted_shift_is_found_with_its_sign(ran, copied, shifted, metric, by, verdict):
    other = shifted(copied("shifted"), metric, by)
    found = compare([str(ran()), str(other)])
    for one in differences(found, metric):
        assert one.value == pytest.approx(by) and one.verdict == verdict
        # All blocks move alike: nothing of the error of either value is in the difference.
        assert one.change.error == pytest.approx(0, abs=1e-9) and one.z * by > 0
    (rest,) = set(METRICS) - {metric}
    assert {one.verdict for one in differences(found, rest)} == {"tie"}
    # The other way round it is the other way round.
    turned = compare([str(other), str(ran())], [metric])
    assert {one.value for one in differences(turned, metric)} == {
        -one.value for one in differences(found, metric)
    }


@pytest.mark.parametrize(("scale", "verdict"), [(0.049, "worse"), (0.051, "tie")])
def test_the_error_is_the_jackknife_of_the_differences(ran, copied, shifted, scale, verdict):
    """By hand: sqrt(19 / 20 sum of squares) over 20 differences; it decides at 2 of itself."""
    wave = np.resize([1.0, -1.0], 20) * scale / math.sqrt(19)
    noise = list(map(float, wave))
    other = shifted(copied("noisy"), "fd-digits", 0.1, noise)
    found = compare([str(ran()), str(other)], ["fd-digits"])
    base = Store(ran()).view()
    for one in differences(found, "fd-digits"):
        (row,) = found.base.points[one.base].rows
        (score,) = base.scores_of(row, "fd-digits")
        without = np.array(score["value"]["deleted"])
        gaps = (without + 0.1 + wave) - without
        expected = math.sqrt(19 / 20 * np.square(gaps - gaps.mean()).sum())
        assert expected == pytest.approx(scale)
        assert one.change.error == pytest.approx(expected)
        assert one.change.error < math.hypot(*one.errors)
        assert one.z == pytest.approx(0.1 / expected)
        assert one.verdict == verdict and (abs(one.z) > TIE) == (verdict == "worse")


def test_without_delete_one_values_errors_are_independent_and_that_is_said(ran, copied, rewritten):
    other = rewritten(copied("older"), lambda score: score["value"].pop("deleted"))
    found = compare([str(ran()), str(other)])
    for one in found.against[0].differences:
        assert one.unpaired == "no delete-one values in older"
        assert one.change.error == pytest.approx(math.hypot(*one.errors))
    assert found.remarks() == ["older: not paired, no delete-one values in older"]


def test_other_seeds_are_compared_without_pairs(ran):
    found = compare([str(ran()), str(ran(seed=1000))])
    ones = differences(found, "fd-digits")
    assert {one.unpaired for one in ones} == {"other seeds"} and len(ones) == POINTS
    assert all(one.change.error == pytest.approx(math.hypot(*one.errors)) for one in ones)
    assert {c.name: c.texts for c in found.conditions if not c.equal}["seed"] == ["0", "1000"]
    # Not said of all values: it is the base's alone.
    facts, columns = columns_of(found)
    assert "seed" not in {*dict(facts), *(column.head for column in columns)}
    assert dict(facts)["repeats"] == "1"
    facts, _ = columns_of(compare([str(ran()), str(ran(repeats=2))]))
    assert dict(facts)["seed"] == "0" and "repeats" not in dict(facts)


def test_another_number_of_blocks_is_no_pair(ran, copied, rewritten):
    def cut(score):
        score["value"]["deleted"] = score["value"]["deleted"][:10]

    found = compare([str(ran()), str(rewritten(copied("blocks"), cut))])
    assert {one.unpaired for one in found.against[0].differences} == {"other blocks of samples"}


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_delete_one_values_give_no_paired_error(ran, copied, rewritten, count):
    """On both sides alike, so that nothing else is in the way of pairs."""

    def cut(score):
        score["value"]["deleted"] = score["value"]["deleted"][:count]

    sides = [str(rewritten(copied(name), cut)) for name in ("one", "two")]
    found = compare(sides, ["fd-digits"])
    for one in found.against[0].differences:
        assert one.unpaired == "no delete-one values in one"
        assert one.change.error == pytest.approx(math.hypot(*one.errors))
    assert json.dumps(json_of(found), allow_nan=False) and page_of(found, csv_of(found))


def test_repeats_and_rows_of_further_seeds_are_one_point(ran):
    """Two ranges of seeds as `repeats`, and as two requests of a folder: the same cells."""
    few = {"nfe": [5], "sampler": ["euler"]}
    repeats, rows = ran(repeats=2, **few), ran(few | {"seed": N}, **few)
    found = compare([str(repeats), str(rows)])
    ones = found.against[0].differences
    assert [len(found.against[0].side.points[one.other].rows) for one in ones] == [2, 2]
    assert {(one.change.error, one.z, one.unpaired) for one in ones} == {(0.0, 0.0, "")}
    assert all(abs(one.value) < 1e-10 and one.verdict == "tie" for one in ones)
    one = compare([str(ran(**few)), str(rows)]).against[0].differences[0]
    assert one.unpaired == "other seeds" and one.value != 0


@pytest.mark.parametrize("turned", [False, True])
def test_a_metric_that_one_side_lacks_is_said(ran, tmp_path, turned):
    """Of one point, and of all."""
    rows = read_csv(ran() / "results.csv")
    some = [
        {k: v for k, v in row.items() if k == "fd-digits" or not k.startswith(METRICS)}
        for row in rows
    ]
    some[0]["fd-digits"] = None
    sides = [str(ran()), str(write_csv(some, tmp_path / "some.csv"))]
    found = compare(sides[::-1] if turned else sides)
    label = ran().name
    assert [one.metric for one in found.against[0].differences] == ["fd-digits"] * (POINTS - 1)
    told = [remark for remark in found.remarks() if "some.csv: no " in remark]
    assert sorted(told) == [
        f"some.csv: no fd-digits at 1 point where {label} has it",
        f"some.csv: no recall-digits at {POINTS} points where {label} has it",
    ]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1.7e308, -1.7e308, 5e-324, 0.0])
@pytest.mark.parametrize("turned", [False, True])
def test_any_number_has_its_row_and_its_page(ran, tmp_path, value, turned):
    """Also where its error band or its share of the base is beyond the largest number."""
    rows = read_csv(ran() / "results.csv")
    error = min(abs(value), 1.7e308)
    far = [{**row, "fd-digits": value, "fd-digits_stderr": error} for row in rows]
    sides = [str(ran()), str(write_csv(far, tmp_path / "far.csv"))]
    found = compare(sides[::-1] if turned else sides, ["fd-digits"])
    assert len(differences(found, "fd-digits")) == POINTS
    assert json.dumps(json_of(found), allow_nan=False) and page_of(found, csv_of(found))
    assert text_of(found)


def test_a_point_that_failed_has_no_value(ran, copied, rewritten):
    def fail(score):
        score["value"] |= {"value": None, "stderr": None, "deleted": []}
        score["failed"] = "12 of 40 samples are not finite"

    found = compare([str(ran()), str(rewritten(copied("failed"), fail))])
    ones = found.against[0].differences
    assert {(one.verdict, one.value, one.z) for one in ones} == {("no value", None, None)}
    assert found.against[0].counts() == "8 no value"


def test_a_metric_that_does_not_say_which_way_is_better(ran, copied, shifted):
    found = compare([str(ran()), str(shifted(copied("up"), "fd-digits", 0.5))], ["fd-digits"])
    base, other = found.sides
    assert difference("fd-digits", base, other, (0, 0), "").verdict == "higher"
    assert difference("fd-digits", other, base, (0, 0), "").verdict == "lower"


@pytest.mark.parametrize(("share", "verdict"), [(5e-7, "tie"), (5e-6, "worse")])
def test_what_rounding_leaves_is_a_tie(ran, copied, rewritten, share, verdict):
    """Whatever its own error bar says: blocks of another size move all values alike."""

    def rounded(score):
        value = score["value"]
        value["value"] *= 1 + share
        value["deleted"] = [(1 + share) * d for d in value["deleted"]]
        value["deleted"] = [value["value"] + (d - value["value"]) * 1e-3 for d in value["deleted"]]

    def base(score):
        value = score["value"]
        value["deleted"] = [value["value"] + (d - value["value"]) * 1e-3 for d in value["deleted"]]

    paths = [rewritten(copied("a"), base), rewritten(copied("b"), rounded)]
    ones = differences(compare(list(map(str, paths))), "fd-digits")
    assert {one.verdict for one in ones} == {verdict}
    assert all(abs(one.z) > TIE for one in ones)


# which points are one


def test_another_model_is_what_the_comparison_is_about(ran):
    base, other = (ran(model=f"digits-adm-{name}", nfe=[5]) for name in ("base", "ip"))
    found = compare([str(base), str(other)])
    (each,) = found.against
    assert each.subject == ("model",) and each.alone == [] and len(each.differences) == 4
    differs = {c.name: c.texts for c in found.conditions if not c.equal}
    assert differs["model"] == ["digits-adm-base", "digits-adm-ip"]
    assert "checkpoint sha256" in differs and "seed" not in differs
    assert not any(one.unpaired for one in each.differences)


def test_another_sampler_is_compared_at_one_budget(ran):
    """Euler at 10 evaluations in 10 steps, Heun at 9 in 5."""
    found = compare([str(ran(sampler=["euler"])), str(ran(sampler=["heun"]))], ["fd-digits"])
    (each,) = found.against
    assert each.subject == ("sampler",) and each.alone == []
    pairs = [(found.base.rows[d.base]["nfe"], each.side.rows[d.other]["nfe"])
             for d in each.differences]  # fmt: skip
    assert pairs == [(5, 5), (10, 9)]


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ({"rho": [3]}, ("rho",)),
        ({"param": {"euler": {"S_churn": [5]}, "heun": {"S_churn": [5]}}}, ("params",)),
        ({"discretization": ["logsnr"]}, ("discretization", "rho")),
    ],
)
def test_any_setting_may_be_the_subject(ran, words, subject):
    found = compare([str(ran()), str(ran(**words))], ["fd-digits"])
    assert found.against[0].subject == subject and found.against[0].alone == []
    assert len(found.against[0].differences) == POINTS


def test_what_one_folder_has_both_of_is_no_subject(ran):
    """A has Heun alone, B both samplers: Euler's points have no counterpart."""
    found = compare([str(ran(sampler=["heun"])), str(ran())], ["fd-digits"])
    assert found.against[0].subject == () and len(found.against[0].differences) == 2
    assert {reason.partition(":")[0] for _, reason in alone(found)} == {
        f"nearest in {found.base.label}"
    }
    assert all("sampler euler -> heun" in reason for _, reason in alone(found))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"num_samples": 20}, f"N {N} -> 20"),
        ({"reference": ["digits-kde"], "metric": ["fd-digits"]}, "reference digits@"),
        ({"state_dtype": "float32"}, "protocol custom:"),
    ],
)
def test_another_quantity_is_not_compared_and_the_reason_said(ran, words, told):
    found = compare([str(ran()), str(ran(**words))], ["fd-digits"])
    assert found.against[0].differences == [] and len(alone(found)) == 2 * POINTS
    assert found.against[0].counts() == "nothing in common"
    assert alone(found)[0][1].startswith("a different quantity in ") and told in alone(found)[0][1]


def test_other_weights_of_the_extractor_are_another_quantity(ran, copied, tmp_path):
    """Where rows look alike and what stands beside a table says otherwise."""
    from samplebench.regression import update

    for name in ("a", "b"):
        update(ran(), tmp_path / f"{name}.csv")
    beside = tmp_path / "b.provenance.json"
    facts = json.loads(beside.read_text())
    for origin in facts["origins"]:
        origin["conditions"]["extractors"] = dict.fromkeys(
            origin["conditions"]["extractors"], "0" * 64
        )
    beside.write_text(json.dumps(facts))
    found = compare([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")])
    assert found.against[0].differences == []
    assert all("extractor digits weights sha256" in reason for _, reason in alone(found))


def test_no_counterpart_at_a_budget_names_the_nearest(ran):
    found = compare([str(ran()), str(ran(nfe=[5]))], ["fd-digits"])
    assert len(found.against[0].differences) == 2
    assert {reason for _, reason in alone(found)} == {
        f"nearest in {found.against[0].side.label}: NFE budget 10 -> 5"
    }


def test_the_nearest_has_the_nearest_budget(ran):
    found = compare([str(ran(nfe=[5, 10, 35])), str(ran())], ["fd-digits"])
    assert {reason for _, reason in alone(found)} == {
        f"nearest in {found.against[0].side.label}: NFE budget 35 -> 10"
    }


def test_three_folders_each_against_the_first(ran, copied, shifted):
    up = shifted(copied("up"), "fd-digits", 0.5)
    down = shifted(copied("down"), "fd-digits", -0.5)
    found = compare([str(ran()), str(up), str(down)], ["fd-digits"])
    assert [(each.side.label, each.counts()) for each in found.against] == [
        ("up", "4 worse"), ("down", "4 better"),
    ]  # fmt: skip


# what is given


def test_an_unfinished_folder_is_compared_as_far_as_it_is(ran, copied):
    other = copied("partial")
    next((other / "cells").glob("*.json")).unlink()
    found = compare([str(ran()), str(other)])
    assert len(found.against[0].differences) == 2 * (POINTS - 1) and len(alone(found)) == 1
    assert found.remarks() == ["partial: 1 planned cell without a result yet"]


def test_tables_with_and_without_what_stands_beside_them(ran, tmp_path):
    from samplebench.regression import update

    update(ran(), tmp_path / "beside.csv")
    shutil.copy(tmp_path / "beside.csv", tmp_path / "bare.csv")
    for name in ("beside", "bare"):
        found = compare([str(ran()), str(tmp_path / f"{name}.csv")])
        ones = found.against[0].differences
        assert len(ones) == 8 and {one.value for one in ones} == {0.0}
        assert {one.unpaired for one in ones} == {f"no delete-one values in {name}.csv"}
        known = {c.name: c.texts for c in found.conditions}
        assert ("not known" in known["block"]) == (name == "bare")
    # Within its folder the delete-one values are at hand.
    found = compare([str(ran() / "results.csv"), str(ran())])
    assert not any(one.unpaired for one in found.against[0].differences)


def test_a_folder_of_schema_1_is_read():
    older = Path(__file__).parents[2] / "e2e" / "data" / "schema-1"
    found = compare([str(older), str(older / "results.csv")])
    assert found.against[0].differences
    assert {one.value for one in found.against[0].differences} == {0.0}


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
def test_mistakes_are_one_line(ran, copied, tmp_path, refused):
    good, empty = copied("good"), tmp_path / "empty"
    (tmp_path / "foreign").mkdir()
    Store(empty, create=True)
    broken = copied("broken")
    next((broken / "scores").glob("*.json")).write_text("{")
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    (tmp_path / "odd" / "samplebench.json").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe.csv")
    wrong = {
        (good, tmp_path / "odd"): (InputError, "is a folder, not a file"),
        (good, tmp_path / "pipe.csv"): (InputError, "is a pipe, not a file"),
        (good,): (UsageError, "needs two results folders"),
        (good, good): (UsageError, f"{good} is given twice"),
        (good, tmp_path / "good" / ".." / "good"): (UsageError, "is given twice"),
        (good, tmp_path / "goood"): (UsageError, f"did you mean '{good}'?"),
        (good, tmp_path / "foreign"): (InputError, "is not a results folder"),
        (good, tmp_path): (InputError, f"is not a results folder; in it are {broken}"),
        (good, empty): (InputError, f"{empty} has no finished point yet"),
        (good, broken): (InputError, "is damaged"),
        (good, tmp_path / "text.csv"): (InputError, "text.csv is not a results.csv"),
        (good, tmp_path / "text.csv" / "below"): (InputError, "does not exist"),
    }
    for sources, (kind, words) in wrong.items():
        refused(lambda s=sources: compare(list(map(str, s))), kind, words)
    refused(lambda: compare([str(good), str(ran())], ["fd-digit"]), UsageError, "did you mean")

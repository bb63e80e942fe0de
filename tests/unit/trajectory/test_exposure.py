"""Chains from real images, scored: an exact model's, kept ones, what is counted and refused."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

import samplebench as sb
from samplebench.bench.request import Request
from samplebench.bench.start_images import StartImages
from samplebench.embedded import held_out_digits, load_digits
from samplebench.errors import InputError, UsageError
from samplebench.image_sets.classes import Classes
from samplebench.images import to_uint8
from samplebench.metrics.uncertainty import spread
from samplebench.models.bound import listening
from samplebench.models.discrete import DiscreteModel
from samplebench.processes.discrete import DiscreteProcess
from samplebench.scoring.real_images import real_images
from samplebench.scoring.real_images import spread as spread_places
from samplebench.trajectory.accumulation import Gap, compared
from samplebench.trajectory.chains import planned
from samplebench.trajectory.exposure import exposure
from samplebench.trajectory.exposure_page import chart_of, write_exposure
from samplebench.trajectory.exposure_table import table_of, text_rows
from samplebench.trajectory.starting_levels import asked_levels, moved, steps_at
from samplebench.trajectory.starts import notes_of, starts_of

MODEL = "digits-exact-uncond"
N = 96


@pytest.fixture(scope="module")
def draws(tmp_path_factory):
    """A file of exact draws of MODEL: images whose law every chain of it keeps."""
    x0, _ = sb.load(MODEL, device="cpu").draw(N, seed=3)
    path = tmp_path_factory.mktemp("draws") / "draws.npz"
    np.savez(path, images=to_uint8(x0, "edm").numpy())
    return path


@pytest.fixture
def ask(draws, tmp_path):
    """`ask(sampler="euler", ...)`: chains from the draws, and the images that the model saw."""

    def found(data=draws, **words):
        seen = []
        usual = {"model": MODEL, "sampler": "euler", "nfe": 6, "levels": 3, "device": "cpu"}
        with listening(lambda images, seconds: seen.append(images)):
            result = exposure(str(data), quiet=True, **{**usual, "out": str(tmp_path), **words})
        # A single image is of planning: a method is tried on one pixel.
        return result, sum(images for images in seen if images > 1)

    return found


@pytest.fixture(scope="module")
def measured(draws, tmp_path_factory):
    """Two samplers from four levels, and the folder that they are kept in."""
    out = tmp_path_factory.mktemp("measured")
    words = {"model": MODEL, "sampler": ["euler", "heun"], "nfe": 6, "device": "cpu"}
    return exposure(str(draws), levels=4, quiet=True, out=str(out), **words), out


def test_every_chain_is_counted_and_begins_where_it_says(measured):
    result, _ = measured
    euler, heun = result.curves
    assert [c.start for c in euler.chains] == ["real images", *["data"] * 4, "noise"]
    assert [c.nfe for c in euler.chains] == [0, 1, 3, 4, 6, 6]
    assert [(c.steps, c.nfe) for c in heun.chains] == [(0, 0), (1, 1), (2, 3), (3, 5), (3, 5)]
    levels = [c.sigma for c in euler.begun]
    assert levels == sorted(levels) and levels[-1] == 80 == euler.plain.sigma
    assert levels[0] == pytest.approx(0.002)
    rows = list(csv.DictReader(io.StringIO(result.csv())))
    assert len(rows) == len(result.rows()) == 11
    assert rows[0]["value"] == rows[6]["value"] != rows[5]["value"]


def test_an_exact_model_adds_nothing_up(ask):
    """Draws of its own law stay draws of it, wherever a fine chain begins."""
    result, _ = ask(nfe=60, sampler="heun", levels=5, num_samples=N)
    (curve,) = result.curves
    assert max(abs(c.excess.value / c.excess.stderr) for c in curve.chains[1:]) < 3.5
    assert all(c.excess.stderr > 0 for c in curve.chains[1:])


def test_a_wrong_model_adds_up_more_the_longer_its_chain_is(draws, tmp_path):
    """A denoiser whose answers are too dark, in memory: the earlier it begins, the worse."""
    exact = sb.load(MODEL, device="cpu")

    def network(x, sigma):
        return exact(x, sigma) - 0.1

    dark = sb.wrap(network, predicts="D", process="ve", shape=(1, 8, 8), time="sigma", name="dark")
    found = exposure(
        str(draws), model=[dark], sampler="euler", nfe=20, levels="0.002,0.1,1,5", quiet=True,
        reference="digits-kde-uncond", metric="fd-digits", out=str(tmp_path),
    )  # fmt: skip
    excess = [c.excess for c in found.curves[0].begun]
    assert len(excess) == 4
    assert all(b.value > a.value for a, b in pairwise(excess))
    assert excess[-1].value > 10 * excess[-1].stderr


def test_finished_chains_are_not_computed_again(ask, measured, draws, tmp_path):
    first, kept = measured
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    both = {"sampler": ["euler", "heun"], "levels": 4}
    assert ask(**both) == (first, 0)
    # Other levels, another reference: of what is there nothing is asked again.
    more, seen = ask(sampler="euler", levels="0.002,1.0,80")
    assert seen == 0 < len(more.remarks)
    assert ask(**both, metric="fd-digits", reference=["digits", str(draws)])[1] == 0
    assert ask(sampler="ddim", levels=4)[1] == 0  # computed as euler
    assert ask(sampler="dpmpp-2m", levels=2)[1] > 0
    assert ask(sampler="euler", levels=2, seed=7)[1] > 0


def test_other_images_are_other_chains(ask, draws, tmp_path):
    first, _ = ask()
    images = np.load(draws)["images"]
    turned = tmp_path / "turned.npz"
    np.savez(turned, images=images[::-1].copy())
    other, seen = ask(turned)
    assert seen > 0
    both = {c.cell for r in (first, other) for c in r.curves[0].begun}
    assert len(both) == 2 * len(first.curves[0].begun)
    assert first.curves[0].plain == replace(
        other.curves[0].plain, excess=first.curves[0].plain.excess
    )


def test_the_block_does_not_matter(ask, tmp_path):
    one, _ = ask(sampler="edm", param={"edm.S_churn": 8})
    other, _ = ask(
        sampler="edm", param={"edm.S_churn": 8}, batch_size=20, out=str(tmp_path / "other")
    )
    for a, b in zip(one.curves[0].chains, other.curves[0].chains, strict=True):
        assert a.value["value"] == pytest.approx(b.value["value"], rel=1e-9)


@pytest.mark.parametrize(
    ("model", "sampler"),
    [("digits-adm", "respaced"), ("digits-cld", "gddim"), *(
        pytest.param(*pair, marks=pytest.mark.slow)
        for pair in (("digits-adm", "ddim"), ("digits-bdm", "gddim"), ("digits-vp", "dpmpp-2m"),
                     ("digits-edm", "gddim"))
    )],
)  # fmt: skip
def test_every_kind_of_time_and_state(model, sampler, tmp_path):
    found = exposure(
        "digits", model=model, sampler=sampler, nfe=4, levels=2, num_samples=40, device="cpu",
        out=str(tmp_path), quiet=True,
    )  # fmt: skip
    (curve,) = found.curves
    assert not found.failures and curve.num_samples == 40
    lowest, whole = curve.begun
    # From the lowest level on there is hardly anything to do.
    assert abs(lowest.excess.value) < abs(whole.excess.value)
    assert lowest.nfe < whole.nfe == curve.plain.nfe


def test_models_are_compared_chain_by_chain(ask):
    result, _ = ask("digits", model=["digits-edm", "digits-vp"], num_samples=60, nfe=4, levels=2)
    first, second = result.curves
    assert {c.difference for c in first.chains} == {None}
    for a, b in zip(first.chains[1:], second.chains[1:], strict=True):
        if not np.isclose(a.sigma, b.sigma, rtol=1e-9):
            assert b.difference is None
            continue
        deleted = zip(b.value["deleted"], a.value["deleted"], strict=True)
        assert b.difference.value == b.value["value"] - a.value["value"]
        assert b.difference.stderr == spread([p - q for p, q in deleted])
    assert second.begun[1].difference is not None
    rows = text_rows(result)
    assert [row["to the first model"] == "-" for row in rows[:4]] == [True] * 4
    assert rows[-1]["model"] == "digits-vp"


def test_a_difference_needs_two_values_and_pairs():
    value = {"value": 1.0, "stderr": 0.1, "deleted": [1.0, 2.0]}
    assert Gap.between(value, {"value": None, "stderr": None}) is None
    assert Gap.between(value, {"value": 3.0, "stderr": None}) == Gap(-2.0, None)
    assert Gap.between(value, value) == Gap(0.0, 0.0)


# which levels

LEVELS = [80.0, 20.0, 5.0, 1.0, 0.2]


@pytest.mark.parametrize(
    ("given", "steps"),
    [("2", [0, 4]), (3, [0, 2, 4]), ("99", [0, 1, 2, 3, 4]), ("2.0", [3]), ("1,80", [0, 3]),
     ([4.9, 5.2], [2]), (0.2, [4]), ("80", [0, 1, 2, 3, 4]), ("0.2,0.2", [4])],
)  # fmt: skip
def test_levels_by_number_or_by_value(given, steps):
    assert steps_at(LEVELS, asked_levels(given), "euler") == steps


def test_a_level_between_two_is_moved_and_told():
    assert list(moved(LEVELS, asked_levels("2.0,20"))) == [(2.0, 1.0)]
    assert list(moved(LEVELS, 3)) == []


@pytest.mark.parametrize("given", ["1", "0", "-3", "", "a,b", "nan", "inf,1", "0.0", "1,-2", 1])
def test_levels_that_are_none(given):
    with pytest.raises(UsageError, match="--levels") as caught:
        asked_levels(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", ["81.0", "0.19", "1,500"])
def test_a_level_that_a_run_does_not_reach(level):
    with pytest.raises(UsageError, match=r"euler has noise levels from 80 down to 0\.2"):
        steps_at(LEVELS, asked_levels(level), "euler")


# which images


@pytest.mark.parametrize(("number", "begun"), [(1000, 360), (360, 360), (40, 40)])
def test_samples_begin_with_the_images_or_with_as_many(number, begun):
    plan, real = planned(Request.of(model="digits-adm"), 360), real_images("digits", "--from-data")
    starts = starts_of(plan, real, number)
    places = np.sort(spread_places(360)[:number])
    pixels, labels = load_digits()
    assert starts.count == begun and (np.diff(places) > 0).all()
    assert np.array_equal(starts.pixels, pixels[held_out_digits()[places]])
    assert np.array_equal(starts.labels, labels[held_out_digits()[places]])
    told = notes_of(real, number)
    assert ("sample i from image i mod 360" in "".join(told)) == (number > 360)
    assert ("spread over the set" in "".join(told)) == (number < 360)


def test_folders_are_classes_and_labels_are_read_where_a_model_is_told_one(tmp_path):
    for i in range(6):
        (tmp_path / f"set/{i}").mkdir(parents=True)
        Image.fromarray(load_digits()[0][i, 0]).save(tmp_path / f"set/{i}/x.png")
    words = {"sampler": "ddim", "nfe": 2, "levels": 2, "quiet": True}
    found = exposure(str(tmp_path / "set"), model="digits-adm", out=str(tmp_path / "a"), **words)
    assert found.count == 6 and not found.failures
    # Labels that are none are of no concern to a model without classes.
    np.savez(tmp_path / "x.npz", images=load_digits()[0][:6], labels=np.zeros(6))
    found = exposure(str(tmp_path / "x.npz"), model=MODEL, out=str(tmp_path / "b"), **words)
    assert found.count == 6 and not found.failures


def test_sample_i_begins_with_image_i_modulo_their_number():
    pixels = np.arange(5, dtype=np.uint8).repeat(4).reshape(5, 1, 2, 2) * 51
    images = StartImages("five", pixels, Classes(np.array([4, 3, 2, 1, 0]), ""))
    like = torch.zeros(1, dtype=torch.float64)
    x, labels = images.of(range(3, 8), like, (1, 2, 2), 5)
    assert ((x[:, 0, 0, 0] + 1) / 2 * 5).round().tolist() == [3, 4, 0, 1, 2]
    assert labels.tolist() == [1, 0, 4, 3, 2]
    assert images.of(range(2), like, (1, 2, 2), 0)[1] is None
    assert np.concatenate([*images.batches(7)])[:, 0, 0, 0].tolist() == [
        0,
        51,
        102,
        153,
        204,
        0,
        51,
    ]
    assert images.content != StartImages("five", pixels).content
    assert images.content != StartImages("five", pixels[::-1], images.classes).content


BAD = {
    "labels of the wrong number": ({"labels": np.zeros(4, int)}, InputError, "whole numbers [6]"),
    "labels that are no numbers": ({"labels": np.zeros(6)}, InputError, "whole numbers [6]"),
    "a class that is not there": (
        {"labels": np.full(6, 10)},
        InputError,
        "the model has 10",
    ),
    "no labels": ({}, UsageError, "is class-conditional"),
    "other sizes": ({"images": np.zeros((6, 1, 9, 8), np.uint8)}, UsageError, "1x9x8, digits-adm"),
    "one image": ({"images": np.zeros((1, 1, 8, 8), np.uint8)}, InputError, "holds one image"),
    "no images": ({"images": np.zeros((6, 1, 8, 8))}, InputError, "uint8"),
}


@pytest.mark.parametrize("why", BAD)
def test_images_that_a_model_cannot_begin_with(why, tmp_path):
    arrays, kind, told = BAD[why]
    np.savez(tmp_path / "x.npz", **{"images": np.zeros((6, 1, 8, 8), np.uint8), **arrays})
    with pytest.raises(kind, match=re.escape(told)) as caught:
        exposure(str(tmp_path / "x.npz"), model="digits-adm", sampler="ddim", nfe=4,
                 out=str(tmp_path / "out"), quiet=True)  # fmt: skip
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [({"sampler": "restart", "nfe": 40}, "sampler restart sets its own noise levels"),
     ({"sampler": "rk45", "nfe": None}, "sampler rk45 sets its own noise levels"),
     ({"sampler": "eulr"}, "did you mean 'euler'"),
     ({"model": "digts"}, "unknown model 'digts'"),
     ({"metric": "fd-digit"}, "did you mean 'fd-digits'"),
     ({"levels": "200.0"}, "noise levels from 80 down to 0.002"),
     ({"sampler": "heun", "nfe": 1}, "heun")],
)  # fmt: skip
def test_words_that_cannot_be_meant(words, told, ask):
    with pytest.raises(UsageError, match=told) as caught:
        ask(**words)
    assert "\n" not in str(caught.value)


# what is shown


def test_the_page_has_every_chain(measured, tmp_path):
    result, _ = measured
    chart, table = chart_of(result), table_of(result)
    assert [f.key.split()[0] for f in chart.figures] == ["score", "excess"]
    scores = [s for s in chart.series if s.figure.startswith("score")]
    names = [s.name for s in scores]
    assert names == [
        "euler", "heun", "euler, from noise alone", "heun, from noise alone",
        "the images themselves",
    ]  # fmt: skip
    assert all(s.points[0].hollow for s in scores if "noise alone" in s.name)
    lines = [s for s in chart.series if s.name in ("euler", "heun")]
    for series in lines:
        x = [point.x["sigma"] for point in series.points]
        assert x == sorted(x) and len(x) == len(series.points) > 1
    looks = {(s.colour, s.variant) for s in scores}
    assert len(looks) == 3
    json.dumps(chart.data(), allow_nan=False)
    assert len(table.rows) == sum(len(c.chains) for c in result.curves)
    assert all(len(row.cells) == len(table.heads) for row in table.rows)
    first = [path.read_bytes() for path in write_exposure(result, tmp_path / "a")]
    assert first == [path.read_bytes() for path in write_exposure(result, tmp_path / "b")]


def test_a_chain_from_a_step_without_an_image(tmp_path):
    """Zero terminal SNR: the first level is infinite, and has no place on an axis of levels."""
    kept = np.sqrt(np.cumprod(1 - np.linspace(1e-3, 0.2, 40)))
    kept = ((kept - kept[-1]) / (kept[0] - kept[-1]) * kept[0]) ** 2
    betas = 1 - kept / np.append(1, kept[:-1])
    law = DiscreteProcess(betas, np.arange(40), 40, variance="fixed_small", predict_xstart=True)
    model = DiscreteModel(lambda x, t, y=None: 0 * x, law, shape=(1, 8, 8))
    found = exposure(
        "digits", model=[model], sampler="ddim", nfe=5, levels=3, num_samples=40, quiet=True,
        reference="digits", metric="fd-digits", out=str(tmp_path / "out"), device="cpu",
    )  # fmt: skip
    (curve,) = found.curves
    assert [np.isfinite(chain.sigma) for chain in curve.begun] == [True, True, False]
    write_exposure(found, tmp_path)
    json.dumps([chart_of(found).data(), found.rows()], allow_nan=False)
    assert text_rows(found)[-1]["s"] == "inf"


def test_names_cannot_break_the_page_and_what_failed_is_a_gap(measured, tmp_path):
    result, _ = measured
    curve, _ = result.curves
    lost = replace(curve.begun[0], value={"value": None, "stderr": None}, failed="not finite")
    odd = replace(curve, model="</script><b>\x07", chains=(curve.floor, lost, *curve.chains[2:]))
    broken = replace(result, curves=compared([odd]))
    page = write_exposure(broken, tmp_path)[-1].read_text()
    assert "</script><b>" not in page and "\x07" not in page
    assert len(broken.failures) == 1 and "not finite" in broken.failures[0]
    assert json.loads(json.dumps(broken.rows(), allow_nan=False))[1]["value"] is None
    assert text_rows(broken)[1]["score"] == "-"

"""`samplebench score DIR`: finished cells against further metrics and references."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samplebench.cli import main
from samplebench.errors import InputError
from samplebench.registry import extractors, metrics
from samplebench.results.store import Store
from tests.unit.bench.conftest import ONE
from tests.unit.bench.folders import again, content, sweep, values_of


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """They take longer than all else."""
    monkeypatch.setattr("samplebench.report.plots.write_figures", lambda view, out: [])


def test_a_second_reference_of_a_default_run(finished, statistics, tmp_path):
    out = finished("moments")
    first = values_of(Store(out), sweep(out, **ONE).plan.rows)
    done, evaluations = again(out, "fd-digits", reference=[statistics["digits"]])
    assert (evaluations, done.lacking, done.complaint(out)) == (0, {}, "")
    fresh = sweep(tmp_path / "fresh", **ONE, reference=["digits-kde", statistics["digits"]])
    assert {**first, **values_of(Store(out), done.rows)} == fresh.values
    assert len(fresh.values) == 2
    # Both references are rows of the folder, and in its reports.
    view = Store(out).view()
    assert [row["reference"].split("@")[0] for row in view.rows] == ["digits-kde", "my-digits"]
    assert view.pending == 0


def test_another_extractor_on_kept_images(finished, statistics, tmp_path):
    words = {"metric": "fd-pixels", "reference": statistics["pixels"]}
    out = finished("images")
    done, evaluations = again(out, "fd-pixels", reference=[statistics["pixels"]])
    assert evaluations == 0
    fresh = sweep(tmp_path / "fresh", **ONE, **words, keep="images")
    assert values_of(Store(out), done.rows) == fresh.values
    kept, expected = content(out, "cells"), content(fresh.store.out, "cells")
    assert {name: kept[name] for name in expected} == expected
    # From now on without the images, too.
    next((out / "cells").glob("*.images.npz")).unlink()
    for path in (out / "scores").glob("*.json"):
        path.unlink()
    done, _ = again(out, "fd-pixels", reference=[statistics["pixels"]])
    assert values_of(Store(out), done.rows) == fresh.values


def test_an_extractor_that_draws_is_told_each_time(finished, tmp_path, monkeypatch):
    class Drawing(extractors.get("pixels")):
        def __call__(self, images):
            return super().__call__(images) + torch.rand(1, dtype=torch.float64)

    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(extractors, "_entries", dict(extractors._entries))
    monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))
    extractors.register("drawing")(Drawing)
    for name in ("drawn", "drawn-again"):
        metrics.register(name, extractor="drawing")(lambda moments, _: {"value": moments.count})
    images = np.random.default_rng(0).integers(256, size=(9, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "real.npy", images)
    out = finished("images")
    for name in ("drawn", "drawn-again"):
        again(out, name, reference=[str(tmp_path / "real.npy")])
    found = [
        store.score(path.stem) for store in (Store(out),) for path in (out / "scores").iterdir()
    ]
    told = {score["conditions"]["metric"]: score.get("unsteady") for score in found}
    why = ["extractor drawing draws from torch's global generator"]
    assert told == {"fd-digits": None, "drawn": why, "drawn-again": why}


def test_a_metric_on_features_of_a_plugin(statistics, kernel, tmp_path):
    pixels = {"metric": "fd-pixels", "reference": statistics["pixels"]}
    out = tmp_path / "features"
    sweep(out, **ONE, **pixels, keep="features")
    done, evaluations = again(out, kernel, reference=[statistics["pixels"]])
    assert (evaluations, done.lacking) == (0, {})
    found = values_of(Store(out), done.rows)
    fresh = sweep(tmp_path / "fresh", **ONE, **{**pixels, "metric": kernel})
    assert found == fresh.values
    ((value,),) = ([*found.values()],)
    assert len(value["deleted"]) == 20 and value["stderr"] > 0
    assert (value["rows"], value["better"]) == (56, "lower")


@pytest.mark.parametrize("keep", ["moments", "features", "images"])
def test_blocks_that_are_too_large_to_be_kept(keep, tmp_path, statistics, monkeypatch):
    """As of 2,048 features: without rows there is no error bar, with them there is."""
    monkeypatch.setattr("samplebench.metrics.moments.MOST_PARTS", 0)
    sweep(tmp_path / "out", **ONE, keep=keep)
    done, evaluations = again(tmp_path / "out", "fd-digits", reference=[statistics["digits"]])
    assert evaluations == 0
    (found,) = values_of(Store(tmp_path / "out"), done.rows).values()
    (fresh,) = sweep(tmp_path / "new", **ONE, reference=statistics["digits"]).values.values()
    assert found["value"] == fresh["value"]
    if keep == "moments":
        assert (found["stderr"], found["deleted"]) == (None, [])
    else:
        # Kept as float32, and of 53 samples their covariance is singular.
        assert found["deleted"] == pytest.approx(fresh["deleted"], rel=1e-5)
        assert len(fresh["deleted"]) == 20


@pytest.mark.parametrize(
    ("how", "why"),
    [("a byte", "Bad CRC-32"), ("a number", "its checksum does not match its numbers")],
)
@pytest.mark.parametrize("level", ["moments", "features", "images"])
def test_what_was_kept_and_is_changed_is_damage_by_name(
    level, how, why, finished, statistics, kernel
):
    out = finished("images")
    (path,) = (path for path in Store(out).kept.of() if path.name.split(".")[1].startswith(level))
    if how == "a byte":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        with np.load(path) as archive:
            arrays = dict(archive)
        name = {"moments": "total", "features": "features", "images": "arr_0"}[level]
        arrays[name].flat[7] += 1
        np.savez(path, **arrays)
    metric, reference = ("fd-digits", "digits") if level == "moments" else (kernel, "pixels")
    if level == "features":
        for other in set(Store(out).kept.of()) - {path}:
            other.unlink()
        metric, reference = "fd-digits", "digits"
    before = content(out, "scores")
    with pytest.raises(InputError) as caught:
        again(out, metric, reference=[statistics[reference]])
    said = str(caught.value)
    assert said.startswith(f"{path} is damaged ({why}")
    assert "; delete it" in said and "\n" not in said and content(out, "scores") == before


def test_what_was_not_kept_is_one_line(finished, statistics, kernel):
    out = finished("moments")
    before = content(out)
    with pytest.raises(InputError) as caught:
        again(out, "fd-pixels", kernel, reference=[statistics["pixels"]])
    said = str(caught.value)
    assert "\n" not in said
    assert "moments of pixels for fd-pixels of 1 cell" in said
    assert "features of pixels for mmd-pixels of 1 cell" in said and "--keep images" in said
    assert content(out) == before and len(Store(out).requests()) == 1


def test_what_can_be_scored_is(finished, statistics):
    """Two references of one extractor are one lack of a cell."""
    out = finished("moments")
    given = [statistics["digits"], statistics["pixels"]]
    done, evaluations = again(out, "fd-digits", "fd-pixels", reference=given)
    assert evaluations == 0
    assert [*values_of(Store(out), done.rows)] == [("fd-digits", "my-digits")]
    assert done.lacking == {"moments of pixels for fd-pixels": 1}


def test_cells_that_failed_stay_so(tmp_path, statistics):
    from tests.unit.bench.test_work import lost

    sweep(tmp_path, **{**ONE, "sampler": lost})
    done, evaluations = again(tmp_path, "fd-pixels", reference=[statistics["pixels"]])
    assert (evaluations, done.lacking) == (0, {})
    assert [*values_of(Store(tmp_path), done.rows).values()] == [{"value": None, "stderr": None}]


def test_several_cells_and_repeats(tmp_path, statistics):
    out = tmp_path / "out"
    words = {**ONE, "nfe": "3,4", "repeats": 2, "num_samples": 20}
    sweep(out, **words)
    done, evaluations = again(out, "fd-digits", reference=[statistics["digits"]])
    assert evaluations == 0 and len(done.rows) == 2
    fresh = sweep(tmp_path / "fresh", **words, reference=statistics["digits"])
    mine, theirs = (
        {row["cell"]: row for row in store.view(rows).rows}
        for store, rows in ((Store(out), done.rows), (fresh.store, fresh.plan.rows))
    )
    assert mine == theirs and len(mine) == 2


def test_again_is_no_second_request(finished, statistics):
    out = finished("moments")
    for _ in range(2):
        again(out, "fd-digits", reference=[statistics["digits"]])
    _, asked = Store(out).requests()
    assert asked.words["score"] is True


def test_a_folder_without_finished_cells(tmp_path):
    Store(tmp_path / "out", create=True)
    with pytest.raises(InputError, match="has no finished cell; finish its sweep"):
        again(tmp_path / "out", "fd-digits")


def test_from_the_command_line(finished, statistics, kernel, capsys):
    out = finished("images")
    words = ["score", str(out), "--reference", statistics["pixels"]]
    assert main([*words, "--metric", kernel, "--quiet"]) == 0
    shown, err = capsys.readouterr()
    assert err == "" and "mmd-pixels" in shown
    assert main([*words, "--metric", f"fd-pixels,{kernel}", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["forget", str(out), "--kept"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert not Store(out).kept.of()
    # What is there is shown; what is not is one line and an exit code.
    assert main([*words, "--metric", "fd-pixels", "--quiet"]) == 0
    capsys.readouterr()
    digits = ["score", str(out), "--reference", statistics["digits"], "--metric", "fd-digits"]
    assert main([*digits, "--quiet"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "not stored: moments of digits for fd-digits of 1 cell" in err


def test_a_run_takes_a_plugins_metric(tmp_path, statistics, kernel, capsys):
    code = main([
        "run", "--sampler", "euler", "--nfe", "3", "--num-samples", "24", "--metric",
        f"fd-pixels,{kernel}", "--reference", statistics["pixels"], "--quiet",
        "--out", str(tmp_path / "out"),
    ])  # fmt: skip
    assert code == 0
    (row,) = Store(tmp_path / "out").view().rows
    assert row["mmd-pixels"] > 0 and row["mmd-pixels_stderr"] > 0 and row["fd-pixels"] > 0


def test_a_score_that_failed_is_named(finished, statistics, monkeypatch, capsys):
    monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))
    metrics.register("no-number", extractor="digits")(lambda moments, _: {"value": float("nan")})
    words = ["--metric", "no-number", "--reference", statistics["digits"], "--quiet"]
    assert main(["score", str(finished("moments")), *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("samplebench: failed: digits-exact euler") and "its value is nan" in line

"""A cell that fails: the others go on, nothing that is not finite is written, the run exits 1."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import samplebench as sb
import samplebench.report
from samplebench.bench.cell import run_cell
from samplebench.bench.progress import Progress
from samplebench.bench.stop import Interrupted, Stop
from samplebench.checkpoints.catalog import Checkpoint
from samplebench.cli import main
from samplebench.errors import InputError, UsageError
from samplebench.files.sealed import Sealed
from samplebench.metrics.moments import Moments
from samplebench.models.model import Model
from samplebench.references import reference as references
from samplebench.registry import AdapterEntry, adapters, extractors, metrics
from samplebench.results.damage import Damaged
from samplebench.results.shown import with_values
from samplebench.results.store import Store
from samplebench.results.view import caveats
from tests.unit.bench.planned import loaded, make, planned

N = 24
SWEEP = {"num_samples": N, "batch_size": 8, "nfe": 3, "device": "cpu", "quiet": True}


def straight(model, x, grid, *, noise=None, callback=None):
    for sigma, after in pairwise(grid.tolist()):
        d = model(x, sigma)
        x = d + after / sigma * (x - d)
    return x


def lost(model, x, grid, *, noise=None, callback=None):
    x = straight(model, x, grid)
    if len(x) > 1:
        x[2] = torch.nan
    return x


def cut(model, x, grid, *, noise=None, callback=None):
    return straight(model, x, grid)[..., :4]


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    """The page takes longer than the sweep."""
    monkeypatch.setattr(samplebench.report, "write_report", lambda *given, **words: {})


@pytest.fixture
def replaced(monkeypatch):
    """`replaced(registry, name, change)`: an entry with another object, as if others wrote it."""

    def replaced(registry, name, change):
        entry = registry.entry(name)
        # What samplebench declares beside the function is of its own function.
        alone = {"blocked": None} if hasattr(entry, "blocked") else {}
        foreign = replace(entry, obj=change(entry.obj), builtin=False, **alone)
        monkeypatch.setitem(registry._entries, name, foreign)

    return replaced


def records(out, folder="cells"):
    return {path.name: json.loads(path.read_text()) for path in (out / folder).glob("*.json")}


def score(out):
    """The one score of a folder."""
    (found,) = records(out, "scores").values()
    return found


def test_the_others_go_on_and_it_is_not_computed_again(tmp_path):
    words = {**SWEEP, "sampler": ["euler", lost, "heun"], "out": tmp_path}
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"failed: digits-exact .*lost .* 3 of 24 samples: "):
            frame = sb.run(**words)
        found = frame.set_index("sampler")["fd-digits"].to_dict()
        assert np.isnan(found.pop(f"{__name__}:lost")) and np.isfinite([*found.values()]).all()
        seconds = {name: record["seconds"] for name, record in records(tmp_path).items()}
        assert len(seconds) == 3
        assert seconds == {name: record["seconds"] for name, record in records(tmp_path).items()}


def restless(model, x, grid, *, noise=None, callback=None):
    return straight(model, x, grid) + torch.rand(1) * np.random.rand() * random.random()


def test_global_generators_are_left_alone_and_seeded(tmp_path):
    def states():
        _, keys, *rest = np.random.get_state()
        return torch.random.get_rng_state().tolist(), random.getstate(), keys.tolist(), rest

    before, values = states(), []
    for folder in ("first", "second"):
        frame = sb.run(**SWEEP, sampler=restless, out=tmp_path / folder)
        values.append(frame["fd-digits"].item())
        assert states() == before
    assert values[0] == values[1]
    (record,) = records(tmp_path / "first").values()
    words = "draws from torch's and numpy's and Python's global generator"
    assert record["unsteady"] == [f"the sampler {words}"]
    assert f"not seed-reproducible: the sampler {words}" in caveats(record, [])


def test_what_ends_the_run_loses_nothing(tmp_path):
    with pytest.raises(UsageError, match="cut"):
        sb.run(**SWEEP, sampler=["euler", cut, "heun"], out=tmp_path)
    (record,) = records(tmp_path).values()
    assert record["conditions"]["sampler"] == "euler"
    assert np.isfinite(score(tmp_path)["value"]["value"])


def test_a_record_says_why_and_the_page_too(tmp_path):
    with pytest.warns(UserWarning):
        sb.run(**SWEEP, sampler=lost, out=tmp_path)
    (record,) = records(tmp_path).values()
    assert record["failed"] == f"3 of 24 samples: sampler {__name__}:lost produced no finite image"
    assert record["nonfinite"] == 3 and record["nfe"] == 3
    assert score(tmp_path)["failed"] == record["failed"]
    assert caveats(record, [score(tmp_path)])[0] == f"{record['failed']}: no value"
    old = {key: value for key, value in record.items() if key != "failed"}
    assert caveats(old, [])[0] == "3 of 24 samples are not finite: no value"


def test_features_that_are_not_finite_are_never_kept(tmp_path, replaced, monkeypatch):
    """Of the second block; the first is in the partial, the second never is."""
    seen = []

    class Sometimes(extractors.get("digits")):
        def __call__(self, images):
            found = super().__call__(images)
            seen.append(len(images))
            if len(seen) == 3:  # the first call is the rehearsal
                found = found.clone()
                found[1, 5] = torch.inf
            return found

    Sometimes.__module__ = __name__
    replaced(extractors, "digits", lambda known: Sometimes)
    monkeypatch.setattr("samplebench.bench.filing._SAVE_SHARE", 1e9)
    kept = []
    save = Store.save_partial
    monkeypatch.setattr(
        Store, "save_partial", lambda self, *given: (kept.append(given[1]), save(self, *given))
    )
    with pytest.warns(UserWarning, match="extractor digits: the features of 1 of 8 images are not"):
        sb.run(**SWEEP, sampler="euler", out=tmp_path)
    # The images are good, and other extractors want the rest of them.
    assert seen == [8, 8, 8, 8]
    assert [int(state["counts"][0]) for state in kept] == [1, 2]
    assert [len(state["failed"]) for state in kept] == [0, 1]
    assert not list((tmp_path / "cells").glob("*.npz"))
    (record,) = records(tmp_path).values()
    assert "failed" not in record and score(tmp_path)["failed"].startswith("extractor digits: ")
    assert score(tmp_path)["value"] == {"value": None, "stderr": None}


def test_a_standard_error_that_is_not_finite_is_none(tmp_path, replaced):
    def careful(known):
        def metric(moments, reference):
            whole = moments.count == N
            return {"value": known(moments, reference)["value"] if whole else np.nan}

        return metric

    replaced(metrics, "fd-digits", careful)
    frame = sb.run(**SWEEP, sampler="euler", out=tmp_path)
    assert frame["fd-digits"].notna().all() and frame["fd-digits_stderr"].isna().all()
    assert score(tmp_path)["value"]["stderr"] is None and "failed" not in score(tmp_path)


def test_a_metric_that_stumbles_over_these_samples_fails_the_score(tmp_path, replaced):
    """The rehearsal, on the reference's own moments, went well."""

    def picky(known):
        def metric(moments, reference):
            if np.abs(moments.mean - reference.mean).max() > 1e-9:
                raise KeyError("no such feature")
            return known(moments, reference)

        return metric

    replaced(metrics, "fd-digits", picky)
    code = main(["run", "--sampler", "euler", "--nfe", "3", "--num-samples", "24", "--quiet",
                 "--device", "cpu", "--out", str(tmp_path)])  # fmt: skip
    (record,) = records(tmp_path).values()
    assert code == 1 and "failed" not in record
    assert "metric fd-digits failed (KeyError: " in score(tmp_path)["failed"]


class StopAfter(Stop):
    requested = True


@pytest.mark.parametrize("old", [False, True])
def test_a_resumed_cell_remembers_what_was_not_finite(tmp_path, old):
    """Unless its partial is of a version that did not look."""
    bench, scoring = loaded(make(sampler="euler", nfe=3), 8)
    store = Store(tmp_path, create=True)
    honest, calls = bench.model, []

    class Once:
        """Not finite at the second evaluation of all."""

        def __getattr__(self, name):
            return getattr(honest, name)

        def __call__(self, x, sigma, labels=None):
            calls.append(len(x))
            return honest(x, sigma, labels) * (torch.inf if len(calls) == 2 else 1)

    bench = replace(bench, model=Once())
    cell, wanted = planned(sampler="euler", **words_of())
    progress, stop = Progress(quiet=True), Stop()
    stop.signal = 15
    with progress.over([cell]):
        with pytest.raises(Interrupted):
            run_cell(cell, wanted, bench, store, progress, stop, scoring)
        if old:
            (path,) = (tmp_path / "cells").glob("*.partial.npz")
            state = {key: value for key, value in Sealed(path).arrays().items() if key != "why"}
            store.save_partial(cell.hash, state)
        record, _ = run_cell(cell, wanted, bench, store, progress, Stop(), scoring)
    if old:
        assert "failed" not in record and len(calls) == 3 + 9
    else:
        assert record["failed"].startswith("8 of 24 samples: the network of digits-exact was not")
        assert "evaluation 2" in record["failed"] and len(calls) == 9


def words_of():
    return {key: value for key, value in SWEEP.items() if key != "quiet"}


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, 10**400], ids=["nan", "inf", "-inf", "huge"]
)
def test_numbers_that_are_none_are_a_damaged_score(tmp_path, value):
    """It is computed again, of what was kept: nothing is sampled."""
    sb.run(**SWEEP, sampler="euler", out=tmp_path)
    ((name, found),) = records(tmp_path, "scores").items()
    (record,) = records(tmp_path).values()
    expected = found["value"]["value"]
    found["value"]["value"] = value
    (tmp_path / "scores" / name).write_text(json.dumps(found))
    with pytest.raises(Damaged):
        Store(tmp_path).score(name.removesuffix(".json"))
    frame = sb.run(**SWEEP, sampler="euler", out=tmp_path)
    assert frame["fd-digits"].tolist() == [expected]
    assert (tmp_path / "scores" / f"{name}.corrupt").is_file()
    assert list(records(tmp_path).values()) == [record]


def test_a_partial_that_is_poisoned_is_set_aside(tmp_path, caplog):
    store = Store(tmp_path, create=True)
    store.save_partial("0" * 64, {"seconds": np.array([0.5, 0.25]), "counts": np.array([1])})
    (path,) = (tmp_path / "cells").iterdir()
    with np.load(path) as archive:
        np.savez(path, **{**archive, "seconds": np.array([np.nan, 0.25])})
    assert store.load_partial("0" * 64) is None
    with store.locked():
        pass
    assert "its checksum does not match its numbers" in caplog.text
    assert [path.suffix for path in (tmp_path / "cells").iterdir()] == [".corrupt"]


def test_large_values_and_errors_do_not_overflow():
    row = {"columns": {}, "cells": ["a", "b"], "scores": {"m": ["c", "d"]}}
    found = {"value": {"value": 1.5e308, "stderr": 1e200}}
    row = with_values(row, [{"nfe": 3}, {"nfe": 3}], {"m": [found, found]})
    assert row["m"] == 1.5e308
    assert row["m_stderr"] == pytest.approx(1e200 / 2**0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found[:-1], r"returned \[1, 64\] float64 where \[2, 64\]"),
        (lambda found: found[:, :9], r"\[2, 9\]"),
        (lambda found: found * torch.nan, "the features of 2 of 2 images are not finite"),
        (lambda found: None, "returned None"),
        (lambda found: exit(0), "SystemExit: 0"),
    ],
)
def test_references_are_made_of_features_alone(tmp_path, replaced, capsys, change, words):
    class Faulty(extractors.get("digits")):
        def __call__(self, images):
            return change(super().__call__(images))

    Faulty.__module__ = __name__
    replaced(extractors, "digits", lambda known: Faulty)
    np.save(tmp_path / "set.npy", np.arange(128, dtype=np.uint8).reshape(2, 1, 8, 8))
    out = tmp_path / "mine.npz"
    code = main(["reference", "make", "--images", str(tmp_path / "set.npy"), "--device", "cpu",
                 "--out", str(out), "--quiet"])  # fmt: skip
    said = capsys.readouterr().err
    assert code == 2 and said.startswith("samplebench: error: 2 images of set.npy: extractor ")
    assert re.search(words, said) and not out.exists()


@pytest.mark.parametrize("name", ["mean", "cov", "root"])
def test_a_metric_cannot_spoil_the_reference_of_the_others(tmp_path, replaced, name):
    def spoiling(known):
        def metric(moments, reference):
            getattr(reference, name)[:] = 0
            return known(moments, reference)

        return metric

    replaced(metrics, "fd-digits", spoiling)
    with pytest.raises(UsageError, match=r"metric fd-digits failed \(ValueError: .*read-only"):
        sb.run(**SWEEP, sampler="euler", out=tmp_path)


@pytest.mark.parametrize("statistic", ["moments", "features"])
def test_a_metric_cannot_spoil_the_samples_of_the_others(tmp_path, statistic):
    """It is told before anything is sampled."""

    def spoiling(given, reference):
        (given.outer if statistic == "moments" else given)[:] = 0
        return 1.0

    extractor = extractors.get("digits")()
    path, rows = tmp_path / "mine.reference.npz", np.ones((5, 64), np.float32)
    references.save(path, Moments.of(rows), extractor, "5 rows", rows)
    metrics.register("spoiling", statistic=statistic, extractor="digits")(spoiling)
    try:
        with pytest.raises(UsageError, match=r"metric spoiling failed \(ValueError: .*read-only"):
            sb.run(
                **SWEEP, sampler="euler", metric="spoiling,fd-digits", reference=str(path),
                out=tmp_path / "out",
            )  # fmt: skip
    finally:
        del metrics._entries["spoiling"]
    assert not list((tmp_path / "out").glob("cells/*"))


def test_a_module_that_exits_when_it_is_imported(tmp_path, monkeypatch, capsys):
    (tmp_path / "leaves_at_once.py").write_text("exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    code = main(["run", "--sampler", "leaves_at_once:sampler", "--dry-run"])
    assert code == 2
    assert "cannot be imported: SystemExit: 0;" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: None, "returned None without shape"),
        (lambda: exit(0), "failed .*SystemExit: 0"),
        (lambda: np.empty(3), r"returned a numpy array \[3\] float64 without num_classes"),
        (lambda: model_of(sigma_min=None), "noise levels from None to"),
        (lambda: model_of(sigma_max=float("nan")), "to float nan; 0 <= sigma_min"),
    ],
)
def test_an_adapter_that_returns_no_model(tmp_path, monkeypatch, made, words):
    (tmp_path / "net.bin").write_bytes(b"x")
    adapters._load()
    function = lambda path, config, *, device, dtype: made()  # noqa: E731
    monkeypatch.setitem(adapters._entries, "nothing", AdapterEntry("nothing", function))
    with pytest.raises((InputError, UsageError), match=f"adapter nothing .*{words}"):
        sb.load(Checkpoint("own", "nothing", str(tmp_path / "net.bin"), (1, 8, 8)))


def model_of(**attributes):
    made = Model()
    made.shape, made.device, made.state_dtype = (1, 8, 8), torch.device("cpu"), torch.float64
    vars(made).update(attributes)
    return made

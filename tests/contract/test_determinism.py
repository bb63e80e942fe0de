"""Sample i depends on its seed alone: for any batch, any subset of blocks, any resume point."""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

import samplebench as sb
from samplebench.bench import plan as planning
from samplebench.bench.cell import run_cell
from samplebench.bench.loaded import Bench, load_extractors
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.bench.scores import Scoring
from samplebench.bench.stop import Interrupted, Stop
from samplebench.errors import UsageError
from samplebench.images import contact_sheet, to_uint8
from samplebench.results.store import Store
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver
from tests.contract.registered import evaluates, on_levels, pace

BLOCK = 64
VOLATILE = ("seconds", "provenance", "checksum")
ON_LEVELS, LINEAR = "digits-exact", "digits-cld-exact"


class Recorder:
    """An extractor that keeps what it was given and what it answered.

    Args:
        inner: the real one.
        after: called with the number of blocks so far, before the answer.
    """

    def __init__(self, inner, after=lambda blocks: None) -> None:
        self.inner, self.after = inner, after
        self.images, self.features = [], []

    def __call__(self, images):
        self.images.append(images.clone())
        self.features.append(self.inner(images))
        self.after(len(self.images))
        return self.features[-1]


def model_of(solver):
    """The embedded model that a sampler runs on."""
    if on_levels(solver) or not evaluates(solver):
        return ON_LEVELS
    if solver.entry.timeline != "linear":
        pytest.skip(f"no embedded model has the {solver.entry.timeline} steps of {solver.name}")
    return LINEAR


@cache
def exact_of(name):
    return sb.load(name, device="cpu")


def asked(solver, params, steps):
    """The NFE of so many steps, as a request says it; nothing where the sampler has no budget."""
    model = exact_of(model_of(solver))
    words = pace(solver, steps, params, model)
    if not words:
        return {}
    return {"nfe": prepare(model, solver.name, params=params, **words).evaluations}


def cell_of(solver, params, **words):
    """The one cell of a small request, and its scores."""
    words = {**asked(solver, params, 4), "batch_size": BLOCK, **words}
    param = {solver.name: params} if params else None
    request = Request.of(model=model_of(solver), sampler=solver.name, param=param, **words)
    plan = planning.make(request)
    (cell,) = plan.cells.values()
    return cell, tuple(plan.scores[cell.hash].values())


@pytest.fixture(scope="module")
def loaded():
    """`Bench` and `Scoring` of each embedded model, by its id."""
    plan = planning.make(Request.of(model=[ON_LEVELS, LINEAR], nfe=10))
    device, found = torch.device("cpu"), {}
    for name, source in plan.sources.items():
        (scores, *_) = plan.scores_of(name).values()
        extractors = load_extractors(scores, source.measures, device)
        bench = Bench.of(source.checkpoint, extractors, BLOCK, device, None)
        found[name] = (bench, Scoring(source.measures, device))
    return found


def bare(content):
    """A record or score without what differs from run to run."""
    return {key: value for key, value in content.items() if key not in VOLATILE}


@pytest.fixture
def run(loaded, tmp_path):
    """`run(planned, folder="a", after=..., stop=...)` -> (record, scores, sheet, recorder)."""

    def go(planned, folder="store", after=lambda blocks: None, stop=None):
        cell, wanted = planned
        bench, scoring = loaded[cell.conditions["model"]]
        (extractor,) = bench.extractors
        recorder = Recorder(extractor.function, after)
        bench = replace(bench, extractors=(replace(extractor, function=recorder),))
        progress, store = Progress(quiet=True), Store(tmp_path / folder, create=True)
        with progress.over([cell]):
            record, scores = run_cell(cell, wanted, bench, store, progress, stop or Stop(), scoring)
        with Image.open(store.sheet(cell.hash)) as sheet:
            return bare(record), [bare(score) for score in scores], np.array(sheet), recorder

    return go


def test_bench_and_sample_draw_the_same_images(kind, run, exact):
    solver, params = kind
    cell = cell_of(solver, params, num_samples=3 * BLOCK)
    _, _, sheet, recorder = run(cell)
    for block, images in enumerate(recorder.images):
        seeds = range(block * BLOCK, (block + 1) * BLOCK)
        words = pace(solver, 4, params, exact)
        x = sb.sample(exact, solver.name, seeds=seeds, **words, **params)
        # An alias is computed by another sampler: the same to 1e-10, not to the bit.
        if solver.canonical(params)[0] == solver.name:
            assert torch.equal(images, to_uint8(x, "edm"))
        else:
            assert (images.int() - to_uint8(x, "edm").int()).abs().max() <= 1
        if block == 0:
            tiles = contact_sheet(images.permute(0, 2, 3, 1).numpy())
            assert np.array_equal(sheet, tiles[..., 0])


def test_a_subset_aligned_to_blocks_has_equal_bits(kind, run):
    *_, whole = run(cell_of(*kind, num_samples=3 * BLOCK), "whole")
    record, *_, part = run(cell_of(*kind, num_samples=BLOCK, seed=BLOCK), "part")
    assert record["conditions"]["seed"] == BLOCK
    assert torch.equal(part.images[0], whole.images[1])
    assert torch.equal(part.features[0], whole.features[1])
    # The last block of another N is padded, and holds the same samples all the same.
    *_, padded = run(cell_of(*kind, num_samples=BLOCK + 20), "padded")
    assert torch.equal(padded.images[1], whole.images[1])
    assert torch.equal(padded.features[1], whole.features[1])


def test_every_resume_point_gives_equal_bits(kind, run):
    cell = cell_of(*kind, num_samples=3 * BLOCK + 38)
    *expected, sheet, recorder = run(cell, "straight")
    assert len(recorder.images) == 4
    for blocks in (1, 2, 3):
        stop = Stop()

        def ask(done, stop=stop, blocks=blocks):
            if done == blocks:
                stop.signal = signal.SIGTERM

        folder = f"stopped after {blocks}"
        with pytest.raises(Interrupted):
            run(cell, folder, after=ask, stop=stop)
        *found, again, rest = run(cell, folder)
        assert len(rest.images) == 4 - blocks
        assert found == expected
        assert np.array_equal(again, sheet)


def test_a_crash_at_any_block_loses_no_more_than_work(kind, run):
    cell = cell_of(*kind, num_samples=3 * BLOCK + 38)
    *expected, sheet, _ = run(cell, "straight")

    class Crash(Exception):
        pass

    # One folder for all: a partial state is resumed, crashed again and resumed again.
    for limit in (1, 2, 1):

        def crash(done, limit=limit):
            if done == limit:
                raise Crash

        with pytest.raises(UsageError, match=r"extractor digits failed \(Crash\)"):
            run(cell, "crashed", after=crash)
    *found, again, _ = run(cell, "crashed")
    assert found == expected
    assert np.array_equal(again, sheet)


@pytest.fixture
def any_cell():
    solver = Solver.of("euler")
    return cell_of(solver, {}, num_samples=2 * BLOCK)


@pytest.mark.parametrize("damage", ["empty", "cut short", "cut in half", "last byte", "flipped"])
def test_a_damaged_partial_state_is_computed_again(damage, any_cell, run, tmp_path):
    *expected, _, _ = run(any_cell, "straight")
    stop = Stop()
    stop.signal = signal.SIGINT
    with pytest.raises(Interrupted):
        run(any_cell, "damaged", stop=stop)
    (partial,) = (tmp_path / "damaged" / "cells").glob("*.partial.npz")
    data = bytearray(partial.read_bytes())
    length = {"empty": 0, "cut short": 10, "cut in half": len(data) // 2, "last byte": -1}
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    partial.write_bytes(data[: length.get(damage, len(data))])
    *found, _, _ = run(any_cell, "damaged")
    assert found == expected


@pytest.mark.parametrize(
    ("batch", "count"), [(1, 8), (7, 21), pytest.param(1, BLOCK, marks=pytest.mark.slow)]
)
def test_samples_of_another_batch_size_agree(setting, batch, count, exact):
    solver, params = setting
    if solver.entry.coupled:
        pytest.skip(f"{solver.name} says that a sample depends on the rest of its batch")
    words = {**pace(solver, 5, params, exact), **params}

    def drawn(size, count):
        starts = range(0, count, size)
        parts = [range(i, min(i + size, count)) for i in starts]
        return torch.cat([sb.sample(exact, solver.name, seeds=part, **words) for part in parts])

    difference = (drawn(batch, count) - drawn(count, count)).abs().flatten(1).max(1).values
    assert difference.max() <= 1e-12, f"seed {difference.argmax()}: {difference.max():.3g}"


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 18])
@pytest.mark.parametrize("batch", [1, 7])
def test_many_samples_of_another_batch_size_agree(setting, batch, steps, model_id):
    solver, params = setting
    model = sb.load(model_id, device="cpu")
    if not on_levels(solver) or solver.entry.coupled:
        pytest.skip(f"{model_id} has no {solver.entry.timeline} steps, or its samples are coupled")
    if hasattr(model, "network"):
        pytest.skip("a network's sums depend on the batch; see the test below")
    words = {**pace(solver, steps, params, model), **params}
    for first in range(0, 4 * BLOCK, BLOCK):
        seeds = range(first, first + BLOCK)
        together = sb.sample(model, solver.name, seeds=seeds, **words)
        for i in range(0, BLOCK, batch):
            part = sb.sample(model, solver.name, seeds=seeds[i : i + batch], **words)
            difference = (part - together[i : i + batch]).abs().max()
            assert difference <= 1e-12, f"seeds {seeds[i : i + batch]}: {difference:.3g}"


@pytest.mark.parametrize("batch", [16, 24, 40])
def test_samples_of_a_network_in_another_batch_agree(batch, model_id):
    model = sb.load(model_id, device="cpu")
    if not hasattr(model, "network"):
        pytest.skip("exact models are held to more above")
    how = {"sampler": "euler", "steps": 4}
    together = sb.sample(model, seeds=range(2 * batch), **how)
    part = sb.sample(model, seeds=range(batch, 2 * batch), **how)
    assert (part - together[batch:]).abs().max() <= 1e-5


def test_metrics_of_another_batch_size_agree(kind, run):
    solver, params = kind
    found, budget = {}, asked(solver, params, 3)
    # One by one, many evaluations would take long.
    for size in (1, 7, BLOCK) if budget.get("nfe", math.inf) <= 20 else (7, BLOCK):
        words = {"num_samples": BLOCK + 6, "batch_size": size, **budget}
        found[size] = run(cell_of(solver, params, **words), f"B={size}")[:2]
    expected, scores = found.pop(BLOCK)
    for size, (record, again) in found.items():
        assert record["cell"] != expected["cell"]
        assert record["nfe"] == expected["nfe"]
        for score, other in zip(scores, again, strict=True):
            assert other["value"].pop("better") == score["value"].get("better")
            for name, term in other["value"].items():
                known = score["value"][name]
                assert term == pytest.approx(known, rel=1e-6), (size, name)


def test_one_folder_serves_python_and_the_engine(kind, run, tmp_path):
    """`sb.run` gives the values of the lower-level calls above."""
    solver, params = kind
    cell = cell_of(solver, params, num_samples=2 * BLOCK)
    words = {"num_samples": 2 * BLOCK, **asked(solver, params, 4)}
    frame = sb.run(
        model=model_of(solver),
        sampler=solver.name,
        param={solver.name: params} if params else None,
        out=str(tmp_path / "sweep"),
        quiet=True,
        **words,
    )
    record, scores, *_ = run(cell)
    assert len(frame) == len(scores) == 1
    assert frame["cell"][0] == record["cell"]
    assert frame["nfe"][0] == record["nfe"]
    for score in scores:
        metric, value = score["conditions"]["metric"], score["value"]
        assert frame[metric][0] == value["value"]
        assert frame[f"{metric}_stderr"][0] == value["stderr"]

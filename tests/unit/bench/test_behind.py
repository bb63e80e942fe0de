"""A block's features are made while the next one is sampled: equal bits, errors and interrupts."""

from __future__ import annotations

import threading

import pytest
import torch

from samplebench.bench import behind as room
from samplebench.bench import cell as cells
from samplebench.bench.behind import Behind, overlaps
from samplebench.bench.progress import Progress
from samplebench.bench.stop import Interrupted, Stop
from samplebench.errors import UsageError
from samplebench.registry import extractors
from samplebench.results.store import Store
from tests.unit.bench.planned import loaded, make, planned

WORDS = {"sampler": "edm", "param": "edm.S_churn=5", "nfe": 5, "num_samples": 56, "batch_size": 16}
BLOCKS = 4


@pytest.fixture(scope="module")
def engine():
    return loaded(make(**WORDS), 16)


@pytest.fixture
def overlapped(monkeypatch):
    monkeypatch.setattr(room, "overlaps", lambda bench: True)


def run(engine, out, stop=None):
    bench, scoring = engine
    cell, wanted = planned(**WORDS)
    store = Store(out, create=True)
    return *cells.run_cell(
        cell, wanted, bench, store, Progress(True), stop or Stop(), scoring
    ), store


def filed(out):
    """What of a folder does not tell the time: numbers of moments, images."""
    return {p.name: p.read_bytes() for p in out.glob("cells/*") if p.suffix in (".npz", ".png")}


def values(scores):
    """Each with its delete-one values."""
    return [s["value"] for s in scores]


def feature_threads():
    return [t for t in threading.enumerate() if t.name.startswith("features")]


def test_overlapped_blocks_give_equal_bits(engine, monkeypatch, tmp_path):
    record, scores, _ = run(engine, tmp_path / "plain")
    where = []
    with_features = cells.with_features
    monkeypatch.setattr(room, "overlaps", lambda bench: True)
    monkeypatch.setattr(
        cells,
        "with_features",
        lambda *a: where.append(threading.current_thread().name) or with_features(*a),
    )
    again, found, _ = run(engine, tmp_path / "overlapped")
    assert where == ["features_0"] * BLOCKS and not feature_threads()
    assert values(found) == values(scores) and again["nfe"] == record["nfe"]
    assert filed(tmp_path / "plain") == filed(tmp_path / "overlapped") != {}


def test_a_block_is_sampled_while_the_last_one_is_filed(engine, overlapped, monkeypatch, tmp_path):
    """Features of block 0 end only after block 1 has begun to be sampled, which waits for them."""
    begun, sample_block, with_features = threading.Event(), cells.sample_block, cells.with_features

    def sample(bench, setting, conditions, index):
        if index == 1:
            begun.set()
        return sample_block(bench, setting, conditions, index)

    def features(bench, sampled):
        assert sampled.index or begun.wait(30)
        return with_features(bench, sampled)

    monkeypatch.setattr(cells, "sample_block", sample)
    monkeypatch.setattr(cells, "with_features", features)
    run(engine, tmp_path / "out")


@pytest.mark.parametrize("where", ["sample_block", "with_features"])
def test_failure_is_told_and_whole_blocks_are_kept(
    engine, overlapped, monkeypatch, tmp_path, where
):
    plain, calls = getattr(cells, where), []

    def fails(*args):
        calls.append(args)
        if len(calls) == 3:
            raise UsageError("the third one fails")
        return plain(*args)

    monkeypatch.setattr(cells, where, fails)
    with pytest.raises(UsageError, match="third one"):
        run(engine, tmp_path / "out")
    assert not feature_threads()
    cell, _ = planned(**WORDS)
    assert Store(tmp_path / "out").load_partial(cell.hash)["counts"][0] == 2
    monkeypatch.undo()
    _, scores, _ = run(engine, tmp_path / "out")
    assert values(scores) == values(run(engine, tmp_path / "whole")[1])


def test_interrupt_keeps_every_sampled_block(engine, overlapped, monkeypatch, tmp_path):
    stop, sample_block = Stop(), cells.sample_block

    def sample(bench, setting, conditions, index):
        if index == 2:
            stop.signal = 2
        return sample_block(bench, setting, conditions, index)

    monkeypatch.setattr(cells, "sample_block", sample)
    with pytest.raises(Interrupted):
        run(engine, tmp_path / "out", stop)
    cell, _ = planned(**WORDS)
    assert Store(tmp_path / "out").load_partial(cell.hash)["counts"][0] == 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_work_is_done_and_the_thread_ends_whatever_happens(overlapped, engine, error):
    done = []
    with pytest.raises(error), room.behind(engine[0]) as work:
        work.take(lambda: done.append(1))
        raise error
    assert done == [1] and not feature_threads()


def test_failed_work_is_told_before_more_is_taken(overlapped, engine):
    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), room.behind(engine[0]) as work:
        work.take(fails)
        work.take(lambda: None)
    with pytest.raises(ValueError, match="no"), room.behind(engine[0]) as work:
        work.take(fails)


def test_without_a_thread_it_is_done_at_once():
    done = []
    Behind(None, torch.device("cpu")).take(lambda: done.append(threading.current_thread()))
    assert done == [threading.main_thread()]


@pytest.mark.parametrize(
    ("device", "precision", "guide", "own", "wanted"),
    [
        ("cpu", None, None, 1, 0),
        ("cuda", None, None, 1, 1),
        ("cuda", "bfloat16", "float32", 1, 1),
        ("cuda", None, None, 0, 0),
        ("cuda", "tf32", None, 1, 0),
        ("cuda", "float32", "tf32", 1, 0),
    ],
)
def test_it_pays_beside_a_network_on_a_device(device, precision, guide, own, wanted):
    """And not with code of others, whose draws from the global generators are watched, nor beside
    products that are set for all threads."""
    from types import SimpleNamespace

    function = extractors.get("digits")(device=torch.device("cpu")) if own else (lambda x: x)
    network = SimpleNamespace(precision=guide)
    bench = SimpleNamespace(
        model=SimpleNamespace(device=torch.device(device), precision=precision),
        guides={} if guide is None else {"guide": SimpleNamespace(network=network)},
        extractors=[SimpleNamespace(function=function)],
    )
    assert overlaps(bench) == bool(wanted)

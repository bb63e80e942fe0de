"""Killed after any block and resumed, a folder holds what it would have held: byte by byte."""

from __future__ import annotations

import pytest

from samplebench.bench.cell import run_cell
from samplebench.bench.pictures import Pictures
from samplebench.bench.progress import Progress
from samplebench.bench.stop import Interrupted, Stop
from samplebench.files.sealed import Sealed
from samplebench.models.bound import listening
from samplebench.results.kept import LEVELS
from samplebench.results.store import Store
from tests.unit.bench.folders import After, content
from tests.unit.bench.planned import loaded, make, planned

# The last of four blocks is half a one.
WORDS = {
    "sampler": "edm", "param": "edm.S_churn=5", "nfe": 5, "num_samples": 56, "batch_size": 16
}  # fmt: skip
BLOCKS = 4


@pytest.fixture(scope="module")
def engine():
    return (*loaded(make(**WORDS), 16), *planned(**WORDS))


@pytest.fixture
def run(engine, tmp_path):
    """`run("folder", keep, saved, stop)`: how many evaluations of a block it took."""

    def go(folder, keep, saved=False, stop=None):
        bench, scoring, cell, wanted = engine
        store, progress, seen = Store(tmp_path / folder, create=True), Progress(quiet=True), []
        pictures = Pictures(store.out / "images") if saved else None
        with (
            progress.over([cell]),
            listening(lambda images, seconds: seen.append(images)),
            store.locked(),
        ):
            stop = stop or Stop()
            run_cell(cell, wanted, bench, store, progress, stop, scoring, keep, pictures)
        return len(seen)

    return go


@pytest.fixture(scope="module")
def whole(engine, tmp_path_factory):
    """What an undisturbed run leaves, by what is kept."""
    found = {}
    for keep in LEVELS:
        bench, scoring, cell, wanted = engine
        store = Store(tmp_path_factory.mktemp(keep) / "whole", create=True)
        pictures, progress = Pictures(store.out / "images"), Progress(quiet=True)
        with progress.over([cell]):
            run_cell(cell, wanted, bench, store, progress, Stop(), scoring, keep, pictures)
        found[keep] = content(store.out)
    return found


def saved(found):
    return {name for name in found if name.startswith("images/")}


@pytest.mark.parametrize("keep", LEVELS)
def test_stopped_after_every_block_in_turn(keep, run, whole, tmp_path):
    for blocks in range(1, BLOCKS + 1):
        folder = f"after {blocks}"
        with pytest.raises(Interrupted):
            run(folder, keep, True, After(blocks))
        assert run(folder, keep, True) == 5 * (BLOCKS - blocks)
        assert content(tmp_path / folder) == whole[keep]
    assert len(saved(whole[keep])) == 56


@pytest.mark.parametrize("keep", LEVELS)
def test_stopped_again_and_again(keep, run, whole, tmp_path):
    for blocks in range(1, BLOCKS):
        with pytest.raises(Interrupted):
            run("often", keep, True, After(1))
        found = content(tmp_path / "often")
        assert len(saved(found)) == 16 * blocks
    assert run("often", keep, True) == 5
    assert content(tmp_path / "often") == whole[keep]


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "longer"])
@pytest.mark.parametrize("keep", ["moments", "images"])
def test_rows_that_are_not_those_of_the_state(keep, damage, run, whole, tmp_path):
    """They are computed anew; what a killed block wrote behind them does not count."""
    with pytest.raises(Interrupted):
        run("damaged", keep, stop=After(2))
    rows = sorted(
        path for path in (tmp_path / "damaged" / "cells").glob("*.partial.*")
        if path.suffix != ".npz"
    )  # fmt: skip
    assert len(rows) == (2 if keep == "images" else 1)
    data = rows[-1].read_bytes()
    if damage == "gone":
        rows[-1].unlink()
    else:
        changed = data[:100] + bytes([data[100] ^ 1]) + data[101:]
        rows[-1].write_bytes(
            {"cut": data[:-1], "changed": changed, "longer": data + b"half a block"}[damage]
        )
    assert run("damaged", keep) == 5 * (2 if damage == "longer" else BLOCKS)
    expected = {name: each for name, each in whole[keep].items() if name not in saved(whole[keep])}
    assert content(tmp_path / "damaged") == expected


@pytest.mark.parametrize(
    ("begun", "ended", "blocks"),
    [
        ("images", "moments", 2), ("images", "features", 2), ("features", "moments", 2),
        ("moments", "features", 2), ("moments", "images", 4),
    ],
)  # fmt: skip
def test_another_keep_takes_up_what_it_can(begun, ended, blocks, run, whole, tmp_path):
    """Rows of features are there anyway; the images of the first blocks are not."""
    with pytest.raises(Interrupted):
        run("other", begun, stop=After(2))
    assert run("other", ended) == 5 * blocks
    expected = {name for name in whole[ended] if name not in saved(whole[ended])}
    found = content(tmp_path / "other")
    assert found == {name: whole[ended][name] for name in expected}


@pytest.mark.parametrize(("first", "blocks"), [(True, 2), (False, 4)])
def test_pngs_of_the_first_blocks_are_not_missed(first, blocks, run, whole, tmp_path):
    with pytest.raises(Interrupted):
        run("pngs", "moments", first, After(2))
    assert run("pngs", "moments", True) == 5 * blocks
    assert content(tmp_path / "pngs") == whole["moments"]


def test_a_state_holds_no_statistics(run, tmp_path):
    """Counts and reasons alone: what is summed is summed once, of all rows in their order."""
    with pytest.raises(Interrupted):
        run("state", "moments", stop=After(2))
    (path,) = (tmp_path / "state" / "cells").glob("*.partial.npz")
    state = Sealed(path).arrays()
    assert state["counts"].tolist() == [2, 32, 5 * 32, 0, 32, 0]
    assert sum(array.nbytes for name, array in state.items() if name != "sheet") < 2000

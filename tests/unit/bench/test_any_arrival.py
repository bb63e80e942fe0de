"""Blocks in any order, once or twice, with stops between them: equal rows and sums."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.bench.block import Block
from samplebench.bench.partial import Partial
from samplebench.files.sealed import Sealed, write_arrays
from samplebench.metrics.moments import BlockedMoments
from samplebench.results.rows import RowsFile

DIM, SHAPE = 5, (2, 2, 1)


def made(sizes, seed):
    """Blocks of so many samples each."""
    draw, found, first = np.random.default_rng(seed), [], 0
    for index, size in enumerate(sizes):
        found.append(
            Block(
                index=index, first=first,
                images=draw.integers(0, 256, (size, *SHAPE), dtype=np.uint8),
                rows={"f": draw.normal(size=(size, DIM)) * 10.0 ** draw.integers(-8, 8)},
                failed={}, evaluated=3 * size, guided=0, drawn=size,
                nonfinite=int(draw.integers(0, 2)), why="", doubts=(),
                seconds={"sampling": 0.0, "features": 0.0},
            )
        )  # fmt: skip
        first += size
    return found


def begun(folder):
    files = {
        "f": RowsFile(folder / "rows", (DIM,), np.float64),
        "images": RowsFile(folder / "images", SHAPE, np.uint8),
    }
    return Partial("here", files)


def arrive(folder, blocks, order, stops):
    """As `Filing` takes them: kept until those before them are there; after some the run is killed
    and begins anew from what was saved, and blocks that were not folded come again."""
    partial, waiting, left = begun(folder), {}, [*order]
    while left:
        block = blocks[left.pop(0)]
        if block.index < partial.next_block:
            continue
        waiting[block.index] = block
        while (following := waiting.pop(partial.next_block, None)) is not None:
            partial.fold(following)
        if block.index in stops:
            stops = stops - {block.index}
            write_arrays(folder / "state.npz", partial.state(), {"schema": 2})
            # What is written after the last save is lost, or may be there.
            if partial.next_block < len(blocks):
                lost = blocks[partial.next_block]
                partial.files["f"].write(lost.first, -lost.rows["f"])
            done, waiting, partial = partial.next_block, {}, begun(folder)
            # Of nothing there is nothing to take up.
            assert not done or partial.resume(Sealed(folder / "state.npz").arrays())
            left += [i for i in order if i >= partial.next_block and i not in left]
    return partial


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=8),
    seed=st.integers(0, 2**32 - 1),
    twice=st.lists(st.integers(0, 7), max_size=4),
    stops=st.sets(st.integers(0, 7), max_size=3),
)
def test_equal_bits(sizes, seed, twice, stops):
    blocks, shuffled = made(sizes, seed), random.Random(seed)
    order = [*range(len(sizes)), *(i for i in twice if i < len(sizes))]
    shuffled.shuffle(order)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        plain = arrive(Path(first), blocks, range(len(sizes)), frozenset())
        other = arrive(Path(second), blocks, order, frozenset(stops))
        assert other.next_block == plain.next_block == len(sizes)
        for key in plain.files:
            assert other.rows(key).tobytes() == plain.rows(key).tobytes()
        assert other.sheet.tobytes() == plain.sheet.tobytes()
        facts = ("evaluated", "drawn", "nonfinite", "next_sample", "nfe")
        assert [getattr(other, f) for f in facts] == [getattr(plain, f) for f in facts]
        sums = [BlockedMoments.of(p.rows("f")).state() for p in (plain, other)]
        assert {k: v.tobytes() for k, v in sums[0].items()} == {
            k: v.tobytes() for k, v in sums[1].items()
        }

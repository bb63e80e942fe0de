"""Jobs that share a sweep: each has its cells, and together they leave the whole table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samplebench as sb
from samplebench.bench import plan as planning
from samplebench.bench.progress import work
from samplebench.bench.request import Request
from samplebench.bench.shares import share_of
from samplebench.errors import EnvironmentError_
from samplebench.results.store import Store
from tests.unit.bench.folders import content

WORDS = {
    "model": "digits-exact", "sampler": ["euler", "heun"], "nfe": [2, 5, 9], "num_samples": 40,
    "batch_size": 20,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pages and figures are tested elsewhere."""
    monkeypatch.setattr("samplebench.report.write_report", lambda view, out: written.append(view))
    written.clear()


written: list = []


def plan_of(**words):
    return planning.make(Request.of(**{**WORDS, **words}))


@pytest.fixture(scope="module")
def plan():
    return plan_of(nfe=[*range(2, 20)], repeats=2)


@given(st.integers(1, 40))
@settings(deadline=None, max_examples=15)
def test_every_cell_is_somebodys_and_nobody_has_much_more(plan, count):
    from dataclasses import replace

    jobs = [
        replace(plan, request=replace(plan.request, shard=f"{i}/{count}")) for i in range(count)
    ]
    shares = [share_of(job) for job in jobs]
    assert sorted(cell for share in shares for cell in share) == sorted(plan.cells)
    loads = [sum(work(plan.cells[cell]) for cell in share) for share in shares]
    longest = max(work(cell) for cell in plan.cells.values())
    assert max(loads) - min(loads) <= longest
    # The longest ones are each another's.
    first = sorted(plan.cells.values(), key=lambda cell: (-work(cell), cell.hash))[:count]
    assert all(len({cell.hash for cell in first} & share) <= 1 for share in shares)


def test_jobs_beyond_the_cells_have_nothing():
    cells, many = len(plan_of().cells), 10**21
    shares = [share_of(plan_of(shard=f"{i}/{many}")) for i in (0, cells - 1, cells, many - 1)]
    assert [len(share) for share in shares] == [1, 1, 0, 0]


def test_without_a_shard_all_are_its_own(plan):
    assert share_of(plan) == set(plan.cells)


def test_shards_leave_the_whole_table(tmp_path, capsys):
    for index in range(4):
        frame = sb.run(**WORDS, out=tmp_path / "out", shard=f"{index}/4")
        said = capsys.readouterr().err
        left = len(plan_of().cells) - len(content(tmp_path / "out", "cells")) // 3
        note = f"note: {left} of 5 cells belong to other shards, which have not finished yet"
        assert (note in said) == (left > 0)
        assert len(written[-1].cells) == 5 - left
    whole = sb.run(**WORDS, out=tmp_path / "one", quiet=True)
    assert frame.equals(whole)
    assert content(tmp_path / "out") == content(tmp_path / "one")
    # To the folder it is one request.
    assert [asked.number for asked in Store(tmp_path / "out").requests()] == [4]
    (asked,) = Store(tmp_path / "out").requests()
    assert "shard" not in asked.words


def test_finished_cells_are_scored_by_their_own_shard(tmp_path):
    words = {**WORDS, "reference": "digits", "keep": "images"}
    sb.run(**words, out=tmp_path, quiet=True)
    plan, before = plan_of(), len(content(tmp_path, "scores"))
    words["metric"] = ["fd-digits", "kd-digits"]
    sb.run(**words, out=tmp_path, quiet=True, shard="0/2")
    own = len(share_of(plan_of(shard="0/2")))
    assert len(content(tmp_path, "scores")) - before == own < len(plan.cells)
    sb.run(**words, out=tmp_path, quiet=True, shard="1/2")
    assert len(content(tmp_path, "scores")) - before == len(plan.cells)


def test_halves_of_another_shard_that_runs_are_left_alone(tmp_path):
    """Whatever of its own this one sweeps up."""
    plan, store = plan_of(shard="0/2"), Store(tmp_path, create=True)
    mine, others = share_of(plan), set(plan.cells) - share_of(plan)
    own, other = sorted(mine)[0], sorted(others)[0]
    names = ["{}.partial.digits", ".{}.json.4711.tmp", "{}.json"]
    asked = plan.request.asked(), plan.rows

    def fill():
        for cell in (own, other):
            for name in names:
                (tmp_path / "cells" / name.format(cell)).write_text("{")

    def there(cell):
        return [name for name in names if (tmp_path / "cells" / name.format(cell)).exists()]

    from samplebench.results.locking import Shard

    with store.shared(Shard(1, 2), *asked, others):
        fill()
        with store.shared(Shard(0, 2), *asked, mine):
            assert (there(own), there(other)) == ([], names)
    fill()
    with store.shared(Shard(0, 2), *asked, mine):
        assert (there(own), there(other)) == ([], [])


def test_other_words_are_another_sweep(tmp_path):
    plan, store = plan_of(shard="0/2"), Store(tmp_path, create=True)
    from samplebench.results.locking import Shard

    with store.shared(Shard(1, 2), plan.request.asked(), plan.rows, set()):
        for words in ({"nfe": 3}, {"keep": "images"}):
            with pytest.raises(EnvironmentError_, match="shards 1/2 of another sweep"):
                sb.run(**{**WORDS, **words}, out=tmp_path, quiet=True, shard="0/2")
        with pytest.raises(EnvironmentError_, match="shards 1/2 of a sweep are writing"):
            sb.run(**WORDS, out=tmp_path, quiet=True)

"""The schedule under virtual workers that lag, die and come back."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.bench.engines.cluster.schedule import (
    HELD,
    QUEUE,
    RETRIES,
    BlockSchedule,
    Load,
    Sample,
    Todo,
)


class Sweep:
    """A sweep on virtual workers: each task takes a time of its own, by a virtual clock."""

    def __init__(self, cells, workers, *, ahead, done=(), seed=0, deaths=0.0, lag=1.0):
        self.missing = {
            name: [i for i in range(n) if (name, i) not in done] for name, _, n in cells
        }
        self.todos = [Todo(name, model, n) for name, model, n in cells]
        self.schedule = BlockSchedule(self.todos, self._open, ahead)
        self.ahead, self.random, self.deaths, self.lag = ahead, random.Random(seed), deaths, lag
        self.model = {name: model for name, model, _ in cells}
        self.now, self.events, self.lives = 0.0, [], {}
        self.order, self.given, self.ended = {}, Counter(), []
        self.loads, self.idle, self.most, self.opened = Counter(), [], 0, []
        self.loaded = {}
        for worker in range(workers):
            self._join(worker)

    def _open(self, cell):
        assert cell not in self.opened
        assert any(self.model[cell] in models for models in self.loaded.values())
        self.opened.append(cell)
        return self.missing[cell]

    def _join(self, worker):
        self.lives[worker], self.loaded[worker] = self.lives.get(worker, 0) + 1, set()
        self.free = {**getattr(self, "free", {}), worker: self.now}
        self.schedule.join(worker)

    def _later(self, worker, task):
        takes = self.random.uniform(0.5, 1.5) * (self.lag if worker == 0 else 1)
        if isinstance(task, Load):
            takes *= 3
        self.free[worker] = max(self.now, self.free[worker]) + takes
        self.events.append((self.free[worker], self.lives[worker], worker, task))

    def run(self, most=100_000):
        while not self.schedule.done:
            for worker, task in self.schedule.tasks():
                self.given[task] += 1
                self._later(worker, task)
            self.ended += self.schedule.completed()
            self.most = max(self.most, self.schedule.unfolded)
            if self.schedule.done:  # nothing was missing
                break
            assert self.events, "nothing is under way, and the sweep is not done"
            busy = {worker for _, _, worker, _ in self.events}
            self.idle.append(len(self.free) - len(busy))
            self.events.sort(key=lambda event: event[0])
            self.now, life, worker, task = self.events.pop(0)
            if life == self.lives[worker]:
                self._happens(worker, task)
            self.ended += self.schedule.completed()
            most -= 1
            assert most, "the sweep does not end"
        return self

    def _happens(self, worker, task):
        if self.random.random() < self.deaths:
            beyond = self.schedule.leave(worker)
            self.deaths *= 0.9
            self.events = [event for event in self.events if event[2] != worker]
            assert not beyond or max(self.schedule.lost.values()) > RETRIES
            self._join(worker)
        elif isinstance(task, Load):
            self.loads[worker, task.model] += 1
            self.loaded[worker].add(task.model)
            self.schedule.loaded(worker, task.model)
        else:
            assert self.model[task.cell] in self.loaded[worker]
            assert self.schedule.finish(worker, task.cell, task.index)
            self.order.setdefault(task.cell, []).append(task.index)


def names(cells):
    return [(f"cell{i}", f"model{m}", n) for i, (m, n) in enumerate(cells)]


cells_of = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    cells=cells_of,
    workers=st.integers(1, 9),
    ahead=st.integers(1, 30),
    seed=st.integers(0, 2**16),
    deaths=st.sampled_from([0.0, 0.1]),
    lag=st.sampled_from([1.0, 40.0]),
    share=st.floats(0, 1),
)
def test_every_missing_block_is_folded_once(cells, workers, ahead, seed, deaths, lag, share):
    cells, chance = names(cells), random.Random(seed)
    every = [(name, i) for name, _, n in cells for i in range(n)]
    done = {each for each in every if chance.random() < share}
    sweep = Sweep(cells, workers, ahead=ahead, done=done, seed=seed, deaths=deaths, lag=lag).run()
    found = Counter((cell, index) for cell, order in sweep.order.items() for index in order)
    assert found == Counter(each for each in every if each not in done)
    assert Counter(sweep.ended) == Counter(name for name, _, _ in cells)
    # What waits for an earlier block is bounded, whatever lags.
    assert sweep.most <= ahead
    assert sweep.schedule.unfolded == 0


@settings(max_examples=20, deadline=None)
@given(cells=cells_of, workers=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_block_is_handed_out_once_where_nobody_dies(cells, workers, seed):
    sweep = Sweep(names(cells), workers, ahead=1000, seed=seed).run()
    assert {n for task, n in sweep.given.items() if isinstance(task, Sample)} == {1}


def test_no_worker_idles_while_there_is_a_block_for_it():
    cells = names([(0, 5)] * 40)
    sweep = Sweep(cells, 8, ahead=64, seed=3).run()
    # All are busy until the last cell's last blocks are under way.
    left = 200 + 8
    assert not any(sweep.idle[: left - 2 * 8])


def test_all_work_on_the_first_cell_before_the_next():
    sweep = Sweep(names([(0, 30), (0, 30), (0, 30)]), 4, ahead=64, seed=1).run()
    assert sweep.ended == ["cell0", "cell1", "cell2"]
    assert sweep.opened == sweep.ended


def test_workers_spread_over_the_models_and_stay():
    sweep = Sweep(names([(0, 20), (1, 20), (2, 20), (3, 20)] * 5), 4, ahead=64, seed=2).run()
    first = [model for (_, model) in sweep.loads]
    assert Counter(first[:4]) == Counter(["model0", "model1", "model2", "model3"])
    # Beyond the first one a worker takes others only when its own has nothing left.
    assert sum(sweep.loads.values()) <= 4 + 4


def test_the_model_with_more_to_do_gets_more_workers():
    todos = [Todo("long", "big", 100, 9.0), Todo("short", "small", 100, 1.0)]
    schedule = BlockSchedule(todos, lambda cell: range(100), 64)
    for worker in range(10):
        schedule.join(worker)
    loads = Counter(task.model for _, task in schedule.tasks())
    assert loads == {"big": 9, "small": 1}


def test_no_more_workers_load_a_model_than_it_has_blocks():
    schedule = BlockSchedule([Todo("a", "m", 2)], lambda cell: range(2), 64)
    for worker in range(9):
        schedule.join(worker)
    assert [*schedule.tasks()] == [(0, Load("m")), (1, Load("m"))]


def test_a_worker_forgets_the_model_that_it_used_longest_ago():
    sweep = Sweep(names([(m, 2) for m in (0, 1, 2, 0, 1, 2)]), 1, ahead=8)
    sweep.run()
    # One after the other: each is loaded once, though not more than `HELD` are kept.
    assert HELD < 3
    assert set(sweep.loads.values()) == {1}


def test_beyond_the_bound_only_blocks_that_wait_for_none():
    schedule = BlockSchedule([Todo("a", "m", 100), Todo("b", "m", 100)], lambda cell: range(100), 4)
    for worker in range(2):
        schedule.join(worker)
    for worker, task in [*schedule.tasks()]:
        schedule.loaded(worker, task.model)
    given = [*schedule.tasks()]
    assert [(w, t.index) for w, t in given] == [(0, 0), (1, 1), (0, 2), (1, 3)]
    # Worker 0 lags: the other goes on until as many wait as may, then on another cell.
    seen = []
    for _ in range(20):
        task = next(t for w, t in given if w == 1)
        given = [pair for pair in given if pair != (1, task)]
        schedule.finish(1, task.cell, task.index)
        given += (more := [*schedule.tasks()])
        seen += [task for _, task in more]
        assert schedule.unfolded <= 4
    assert {task.cell for task in seen} == {"b"}


def test_a_lost_block_is_the_next_and_its_late_answer_does_not_count():
    schedule = BlockSchedule([Todo("a", "m", 9)], lambda cell: range(9), 64)
    for worker in "xy":
        schedule.join(worker)
    for worker, task in [*schedule.tasks()]:
        schedule.loaded(worker, task.model)
    assert [(w, t.index) for w, t in schedule.tasks()] == [("x", 0), ("y", 1), ("x", 2), ("y", 3)]
    assert schedule.leave("x") == []
    assert not schedule.finish("x", "a", 0)
    schedule.finish("y", "a", 1)
    assert [(w, t.index) for w, t in schedule.tasks()] == [("y", 0)]
    assert schedule.unfolded == 1


def test_what_kills_every_worker_is_given_up():
    schedule = BlockSchedule([Todo("a", "m", 1)], lambda cell: [0], 64)
    for _ in range(RETRIES):
        schedule.join("w")
        ((_, load),) = schedule.tasks()
        schedule.loaded("w", load.model)
        ((_, block),) = schedule.tasks()
        assert schedule.leave("w") == []
    schedule.join("w")
    ((_, load),) = schedule.tasks()
    schedule.loaded("w", load.model)
    assert [task for _, task in schedule.tasks()] == [block]
    assert schedule.leave("w") == [block]


def test_half_a_cell_goes_on_and_a_whole_one_ends_without_a_block():
    halves = {"a": [], "b": [3, 4]}
    schedule = BlockSchedule([Todo("a", "m", 5), Todo("b", "m", 5)], halves.__getitem__, 64)
    schedule.join(0)
    ((_, load),) = schedule.tasks()
    schedule.loaded(0, load.model)
    assert [task for _, task in schedule.tasks()] == [Sample("b", 3), Sample("b", 4)]
    assert schedule.completed() == ["a"] and schedule.completed() == []
    schedule.finish(0, "b", 4)
    assert schedule.unfolded == 1 and not schedule.done
    schedule.finish(0, "b", 3)
    assert schedule.completed() == ["b"] and schedule.done


def test_a_worker_without_a_block_under_way_comes_first():
    schedule = BlockSchedule([Todo("a", "m", 3)], lambda cell: range(3), 64)
    schedule.join("x")
    ((_, load),) = schedule.tasks()
    schedule.loaded("x", load.model)
    # Alone it gets what it can queue.
    assert len([*schedule.tasks()]) == QUEUE
    schedule.join("y")
    assert [*schedule.tasks()] == [("y", load)]
    schedule.loaded("y", load.model)
    assert [*schedule.tasks()] == [("y", Sample("a", 2))]


@pytest.mark.parametrize("workers", [1, 64])
def test_a_large_sweep_ends(workers):
    sweep = Sweep(names([(i % 3, 12) for i in range(60)]), workers, ahead=4 * workers, seed=5)
    sweep.run()
    assert sum(map(len, sweep.order.values())) == 720

"""Who is best at a budget and who is tied with the best, on constructed rows and cells."""

from __future__ import annotations

import math
from itertools import count

import numpy as np
import pytest

from samplebench.registry import metrics
from samplebench.report.best import contests, difference_error, direction, marks_of
from samplebench.results.row import COLUMNS, reference_label
from samplebench.results.view import View, key_of

METRIC = "fd-toy"


class Table:
    """Rows with their cells; `add` names what matters of a row and gives its index."""

    def __init__(self, better="lower"):
        self.rows, self.cells, self.scores = [], {}, {}
        self.better, self._names = better, count()

    def add(self, value, asked=20, nfe=None, stderr=0.1, deleted=None, seeds=(0,), **more):
        """`deleted` has one list per seed; `reference` is an (id, sha256)."""
        reference = more.pop("reference", ("toy", "ab"))
        row = dict.fromkeys(COLUMNS) | {"model": "m", "protocol": "p", "num_samples": 100} | more
        row["reference"] = reference_label(*reference)
        row |= {"nfe": asked if nfe is None else nfe, "nfe_requested": asked}
        keys = more.get("cell", "").split() or [f"{next(self._names):064x}" for _ in seeds]
        row |= {METRIC: value, f"{METRIC}_stderr": stderr, "cell": " ".join(keys)}
        for place, (key, seed) in enumerate(zip(keys, seeds, strict=True)):
            found = {"value": value, "stderr": stderr, "better": self.better}
            if deleted is not None:
                found["deleted"] = [float(x) for x in deleted[place]]
            conditions = {"seed": seed, "num_samples": row["num_samples"]}
            self.cells[key] = {"conditions": conditions}
            named = dict(zip(("id", "sha256"), reference, strict=True))
            conditions = {"cell": key, "metric": METRIC, "reference": named}
            score = {"conditions": conditions, "value": found}
            self.scores[key_of(score)] = score
        self.rows.append(row)
        return len(self.rows) - 1

    @property
    def view(self):
        return View("t", self.rows, self.cells, {}, scores=self.scores)

    @property
    def marks(self):
        return marks_of(self.view, METRIC)

    @property
    def budgets(self):
        """Which rows compete at which budget."""
        found = contests(self.view, METRIC)
        return {contest.budget: {*contest.best, *contest.tied} for contest in found}

    def error(self, a, b):
        return difference_error(self.rows[a], self.rows[b], self.view, METRIC)


def wave(scale=1.0, blocks=20):
    """Values that add up to zero, whose jackknife error is `scale`."""
    return scale * np.resize([1.0, -1.0], blocks) / math.sqrt(blocks - 1)


def test_heun_at_19_of_20_competes_with_euler_at_20():
    table = Table()
    euler, heun = table.add(3.0), table.add(2.0, nfe=19)
    table.add(1.0, asked=10)
    assert table.marks == {heun: "best"}
    assert table.budgets == {20: {heun}}
    assert euler not in table.marks


def test_what_was_asked_for_counts_whatever_was_needed():
    """A sampler that needs 9 of 20 evaluations is no rival of those that were given 10."""
    table = Table()
    for asked in (10, 20):
        table.add(2.0, asked=asked)
    less, unknown = table.add(1.0, asked=20, nfe=9), table.add(1.5, asked=20)
    table.rows[unknown]["nfe"] = None
    assert table.budgets == {20: {less}}
    table.rows[less]["fd-toy"] = 3.0
    assert table.budgets == {20: {unknown}}


@pytest.mark.parametrize(
    ("better", "expected"),
    [
        ("lower", {0: "best", 1: "tied"}),
        ("higher", {2: "best", 1: "tied"}),
        (None, {}),
        ("sideways", {}),
    ],
)
def test_the_metric_says_which_way_is_better(better, expected):
    table = Table(better)
    for value in (1.0, 1.2, 1.4):
        table.add(value)
    assert table.marks == expected


@pytest.mark.parametrize(("distance", "mark"), [(0.27, "tied"), (0.30, None)])
def test_unpaired_errors_add_in_squares(distance, mark):
    """sqrt(0.1^2 + 0.1^2) = 0.141, twice that 0.283."""
    table = Table()
    table.add(1.0)
    other = table.add(1.0 + distance)
    assert table.error(0, other) == pytest.approx(math.hypot(0.1, 0.1))
    assert table.marks.get(other) == mark


@pytest.mark.parametrize("factor", [0.5, 1.5])
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_pairs_separate_what_errors_alone_do_not(better, factor):
    """Both move together from block to block; only what does not is the difference's error."""
    table, step = Table(better), 0.02 * factor * (1 if better == "lower" else -1)
    first = table.add(1.0, deleted=[1 + wave(0.1)])
    second = table.add(1.0 + step, deleted=[1 + step + wave(0.11)])
    assert table.error(first, second) == pytest.approx(0.01)
    assert table.marks == {first: "best"} | ({second: "tied"} if factor < 1 else {})
    for score in table.scores.values():  # as those of older versions are
        del score["value"]["deleted"]
    assert table.marks == {first: "best", second: "tied"}


def test_pairs_tie_what_moves_against_each_other():
    """Errors alone would tell these apart: 0.3 against 2 x 0.141."""
    table = Table()
    table.add(1.0, deleted=[1 + wave(0.1)])
    other = table.add(1.3, deleted=[1.3 - wave(0.1)])
    assert table.error(0, other) == pytest.approx(0.2)
    assert table.marks == {0: "best", other: "tied"}


@pytest.mark.parametrize(
    "change",
    [{"seeds": (100,)}, {"deleted": [wave(0.1, 10)]}, {"deleted": [[]]}, {"deleted": None}],
    ids=["seed", "blocks", "none", "absent"],
)
def test_only_equal_seeds_and_blocks_are_paired(change):
    table = Table()
    table.add(1.0, deleted=[1 + wave(0.1)])
    other = table.add(1.05, **{"deleted": [1.05 + wave(0.1)], **change})
    assert table.error(0, other) == pytest.approx(math.hypot(0.1, 0.1))
    assert table.marks == {0: "best", other: "tied"}
    paired = table.add(1.05, deleted=[1.05 + wave(0.1)])
    assert table.error(0, paired) == pytest.approx(0.0, abs=1e-12)
    assert paired not in table.marks


def test_the_paired_error_is_the_jackknife_of_the_differences():
    a, b = np.random.default_rng(0).standard_normal((2, 17))
    table = Table()
    table.add(1.0, deleted=[a])
    table.add(2.0, deleted=[b])
    d = a - b
    assert table.error(0, 1) == pytest.approx(math.sqrt(16 / 17 * np.sum((d - d.mean()) ** 2)))
    assert table.error(0, 1) == table.error(1, 0)


def test_variances_of_repeats_are_added_and_divided_by_their_squared_number():
    """0.03, 0.04 and 0.12 give 0.13 / 3 = 0.0433."""
    table, seeds = Table(), (0, 100, 200)
    table.add(1.0, seeds=seeds, deleted=[wave(0.5)] * 3)
    spreads = (0.53, 0.54, 0.62)
    for step in (0.08, 0.09):
        table.add(1 + step, seeds=seeds, deleted=[step + wave(s) for s in spreads])
    assert table.error(0, 1) == pytest.approx(0.13 / 3)
    assert table.marks == {0: "best", 1: "tied"}
    # In another order, or fewer of them: not the same samples.
    other = table.add(1.01, seeds=seeds[::-1], deleted=[wave(0.5)] * 3)
    fewer = table.add(1.01, seeds=(0,), deleted=[wave(0.5)])
    for index in (other, fewer):
        assert table.error(0, index) == pytest.approx(math.hypot(0.1, 0.1))


@pytest.mark.parametrize(
    ("nfe", "budget"), [(3, 5), (5, 5), (7, 10), (7.5, 10), (19, 20), (20, 20), (21, None)]
)
def test_a_row_without_a_budget_competes_at_the_smallest_one_not_below_its_nfe(nfe, budget):
    table = Table()
    for asked in (20, 5, 10):
        table.add(1.0, asked=asked)
    free = table.add(0.5, asked=None, nfe=nfe)
    assert table.budgets == ({} if budget is None else {budget: {free}})
    assert table.marks == ({} if budget is None else {free: "best"})


def test_budgets_of_others_and_rows_without_any_are_no_contest():
    table = Table()
    table.add(1.0, asked=None, nfe=5)
    table.add(2.0, asked=None, nfe=5)
    table.add(3.0, asked=None, nfe=None)
    table.add(1.0, model="other")
    table.add(2.0, model="other")
    assert table.budgets == {20: {3}}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"}, {"protocol": "other"}, {"num_samples": 99}, {"asked": 10},
        {"reference": ("other", "ab")}, {"reference": ("toy", "cd")},
    ],
    ids=str,
)  # fmt: skip
def test_rows_compete_only_under_equal_conditions(change):
    table = Table()
    table.add(2.0)
    table.add(1.0, **change)
    assert table.marks == {}  # each is alone
    table.add(3.0)
    assert table.marks == {0: "best"}


@pytest.mark.parametrize(
    "change", [{"seed": 7}, {"dtype": "float32"}, {"sampler": "heun"}], ids=str
)
def test_other_columns_do_not_keep_rows_apart(change):
    table = Table()
    table.add(2.0)
    table.add(1.0, **change)
    assert table.marks == {1: "best"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_no_number_never_wins(value):
    table = Table()
    for found in (value, 1.0, 2.0):
        table.add(found)
    assert table.marks == {1: "best"}
    table.rows.pop()
    assert table.marks == {}  # one row is no contest
    table.add(value)
    assert table.marks == {}


@pytest.mark.parametrize("stderr", [None, math.nan])
def test_without_an_error_nothing_shows_that_values_differ(stderr):
    table = Table()
    table.add(1.0)
    table.add(50.0, stderr=stderr)
    assert table.marks == {0: "best", 1: "tied"}


def test_equal_values_are_all_tied():
    table = Table()
    for stderr in (0.1, 0.0, 0.2):
        table.add(1.0, stderr=stderr)
    assert table.marks == {0: "tied", 1: "tied", 2: "tied"}


def test_aliases_share_what_they_have():
    """Rows of one cell are one algorithm: both are best, or both are tied, whatever their error."""
    table = Table()
    heun = table.add(1.0, stderr=0.0)
    edm = table.add(1.0, stderr=0.0, cell=table.rows[heun]["cell"])
    assert table.marks == {heun: "tied", edm: "tied"}
    table.add(2.0, stderr=0.0)
    assert table.marks == {heun: "best", edm: "best"}
    table.add(0.5, stderr=0.3)
    assert table.marks == {3: "best", heun: "tied", edm: "tied"}


def test_contests_are_in_the_order_of_budgets_with_the_best_first():
    table = Table()
    for asked in (20, 5):
        for value in (1.2, 1.1, 1.0):
            table.add(value, asked=asked)
    found = contests(table.view, METRIC)
    assert [(c.budget, c.best, c.tied) for c in found] == [(5, (5,), (4, 3)), (20, (2,), (1, 0))]


def test_one_set_of_images_competes_against_each_reference():
    """What is paired are the delete-one values against the row's own reference."""
    table = Table()
    for reference, error in ((("toy", "ab"), 0.01), (("toy", "cd"), 0.5)):
        for name, value in (("a", 1.0), ("b", 1.1)):
            deleted = [value + (error if name == "b" else 0.0) * wave()]
            table.add(value, cell=name * 64, deleted=deleted, reference=reference)
    assert len(table.cells) == 2
    assert table.error(0, 1) == pytest.approx(0.01)
    assert table.error(2, 3) == pytest.approx(0.5)
    assert table.marks == {0: "best", 2: "best", 3: "tied"}


def test_where_a_score_is_missing_nothing_is_paired():
    table = Table()
    for value in (1.0, 1.05):
        table.add(value, seeds=(0, 100), deleted=[value + wave(0.1)] * 2)
    assert table.error(0, 1) == pytest.approx(0.0, abs=1e-12)
    table.scores.popitem()
    assert table.error(0, 1) == pytest.approx(math.hypot(0.1, 0.1))


def test_rows_need_no_records():
    """As of a table alone: errors are then those of the rows, and the metric's own word counts."""
    rows = [{"fid": v, "fid_stderr": 0.1, "nfe": 5, "nfe_requested": 5} for v in (1.0, 1.2, 1.4)]
    assert marks_of(View("t", rows, {}, {}), "fid") == {0: "best", 1: "tied"}
    assert marks_of(EMPTY, "fid") == {}


@pytest.mark.parametrize(
    ("metric", "model", "value", "close"),
    [
        ("fid", "edm-cifar10-cond-vp", 2.03, (1,)),
        ("fid", "one of mine", 2.03, (1,)),
        ("fd-infinity-digits", "digits-vp", 2.03, (1,)),
        ("fid", "edm-cifar10-cond-vp", 2.05, ()),  # further than training it again moves
        ("fid", "edm-cifar10-cond-vp", 2.01, ()),  # tied
        ("fd-digits", "digits-exact", 2.03, ()),  # which was not trained
        ("fd-digits", "digits-cld-exact", 2.03, ()),
        ("kid", "edm-cifar10-cond-vp", 2.03, ()),
        ("fd-toy", "edm-cifar10-cond-vp", 2.03, ()),
    ],
)
def test_what_training_again_moves(monkeypatch, metric, model, value, close):
    """Of a Frechet distance: what differs by less than 2 % and is no tie."""
    monkeypatch.setattr("samplebench.report.best.direction", lambda metric, view: "lower")
    shared = {"model": model, "nfe": 5, "nfe_requested": 5, f"{metric}_stderr": 0.01}
    rows = [{**shared, metric: each} for each in (2.0, value, 3.0)]
    (found,) = contests(View("t", rows, {}, {}), metric)
    assert found.close == close and found.best == (0,)


EMPTY = View("t", [], {}, {})


class TestDirection:
    def view(self, metric, *words):
        scores = {(str(i), metric, "toy@ab"): {"value": word} for i, word in enumerate(words)}
        return View("t", [], {}, {}, scores=scores)

    def test_is_the_metrics_own(self):
        assert {name: direction(name, EMPTY) for name in metrics.names()} == {
            entry.name: entry.better for entry in metrics
        }
        # What a file says of a metric that is known does not count.
        assert direction("fid", self.view("fid", {"better": "higher"})) == "lower"

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ((), None), (("higher",), "higher"), (("lower", "lower"), "lower"),
            (("lower", "higher"), None), ((["lower"],), None), ((None,), None),
        ],
    )  # fmt: skip
    def test_is_in_the_score_where_the_metric_is_not_installed(self, words, expected):
        values = [{"value": 1.0, "better": word} for word in words]
        failed = {"value": None, "stderr": None}
        assert direction(METRIC, self.view(METRIC, *values, failed)) == expected
        assert direction("another", self.view(METRIC, *values)) is None

    def test_is_not_imported(self, tmp_path, monkeypatch):
        (tmp_path / "mine_of_a_file.py").write_text("raise SystemExit('was imported')\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert direction("mine_of_a_file:metric", EMPTY) is None

    def test_a_broken_plugin_is_not_in_the_way(self, monkeypatch):
        class Point:
            name, value = "broken", "broken:metric"

            def load(self):
                raise ImportError("gone")

        monkeypatch.setattr("samplebench.registry.registry.entry_points", lambda group: [Point()])
        monkeypatch.setattr(metrics, "_loaded", False)
        found = [direction(name, EMPTY) for name in ("fid", METRIC, "broken")]
        assert found == ["lower", None, None]

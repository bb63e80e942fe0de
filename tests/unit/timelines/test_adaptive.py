"""Steps that nobody plans: what a request may say of them, and how a sweep goes through."""

from __future__ import annotations

import csv

import pytest
import torch

import samplebench as sb
from samplebench.bench import estimate
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import Model
from samplebench.regression.rows import load_rows
from samplebench.results.columns import fault
from samplebench.results.store import Store
from samplebench.results.view import caveats
from samplebench.sampling.setting import prepare

RTOL = {"rk45": {"rtol": [1e-2, 1e-3]}}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"nfe": 20}, "nfe"),
        ({"steps": 5, "rho": 7}, "steps, rho"),
        ({"discretization": [9.0, 3.0, 1.0]}, "discretization"),
    ],
    ids=str,
)
def test_no_number_of_steps_may_be_said(mixture, words, named):
    line = (
        f"^sampler rk45 chooses its own steps; leave out {named} and set the tolerance, e.g. rtol"
    )
    with pytest.raises(UsageError, match=line):
        sb.sample(mixture("tiny3"), "rk45", seeds=[0], **words)


@pytest.mark.parametrize("rule", ["afs", "denoise_to_zero", "final"])
def test_end_rules_without_a_meaning_are_unknown(mixture, rule):
    with pytest.raises(UsageError, match=f"unknown parameter '{rule}' of sampler rk45"):
        prepare(mixture("tiny3"), "rk45", params={rule: True})


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep beside a sampler with budgets, of two repeats: its folder and its table."""
    out = tmp_path_factory.mktemp("swept")
    words = {"model": "digits-exact", "sampler": ["heun", "rk45"], "num_samples": 20, "repeats": 2}
    return out, sb.run(**words, nfe=[10, 20], param=RTOL, out=str(out), quiet=True)


def test_a_sweep_runs_it_once_for_all_budgets(swept):
    out, frame = swept
    assert frame["sampler"].tolist() == ["heun", "heun", "rk45", "rk45"]
    own = frame[frame["sampler"] == "rk45"]
    assert own[["steps", "nfe_requested", "rho"]].isna().all(axis=None)
    assert set(own["discretization"]) == {"adaptive steps"}
    assert own["nfe"].iloc[0] != own["nfe"].iloc[1] and (own["nfe"] == own["depth"]).all()
    with open(out / "results.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["sampler"] == "rk45"]
    assert [(row["steps"], row["nfe_requested"]) for row in rows] == [("", "")] * 2
    # The tables are read back, and equal themselves.
    assert load_rows(out).rows == load_rows(out / "results.csv").rows
    # A row that was measured has a count.
    for column in ("nfe", "depth"):
        assert fault({**load_rows(out).rows[-1], column: None}) == f"{column} is empty"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "None steps" not in page and "in None" not in page


def test_its_counts_are_those_of_the_samples(swept):
    """Whatever fills their last block; of repeats the mean."""
    out, frame = swept
    (row,) = frame[frame["params"] == "rtol=0.001"].to_dict("records")
    counts = [Store(out).cell(cell)["nfe"] for cell in row["cell"].split()]
    model, seen = sb.load("digits-exact"), []
    sb.sample(model, "rk45", rtol=1e-3, seeds=range(20), callback=seen.append)
    assert counts[0] == pytest.approx(seen[-1].nfe, rel=1e-11)
    assert counts[0] != counts[1] and row["nfe"] == sum(counts) / 2


def test_nothing_planned_is_nothing_to_compare_with(swept):
    out, frame = swept
    record = Store(out).cell(frame["cell"].iloc[-1].split()[0])
    assert "nfe_planned" not in record and record["conditions"]["steps"] is None
    assert isinstance(record["nfe"], float) and record["nfe"] % 1
    assert not [text for text in caveats(record) if "planned" in text]


def test_a_budget_alone_has_no_effect():
    with pytest.raises(
        UsageError, match=r"--nfe has no effect on any sampler .*rk45 \(adaptive steps\)"
    ):
        make(Request.of(model="digits-exact", sampler="rk45", nfe=10))
    (row,) = make(Request.of(model="digits-exact", sampler="rk45")).rows
    assert row.columns["nfe"] is row.columns["steps"] is row.columns["depth"] is None
    assert row.cells[0].nfe is None


def test_how_long_it_takes_is_seen_by_a_few_samples(monkeypatch):
    monkeypatch.setattr(estimate, "seconds_per_block", lambda model, block: 36.0)
    model = sb.load("digits-exact")
    plan = make(Request.of(model="digits-exact", sampler="rk45", num_samples=640, param=RTOL))
    few = make(Request.of(model="digits-exact", sampler="rk45", num_samples=10))
    cells = list(plan.cells.values())
    taken = [estimate.seen_nfe(model, cell) for cell in cells]
    assert all(20 < nfe < 100 for nfe in taken)
    hours = sum(taken) * 10 * 36 / 3600
    found = estimate.estimate(model, cells, False)
    assert found and float(found.split()[1]) == pytest.approx(hours, abs=0.1)
    assert estimate.estimate(model, list(few.cells.values()), False) is None


class Labelled(Model):
    shape, num_classes = (1, 2, 2), 9

    def __call__(self, x, sigma, labels=None):
        return labels.to(x).reshape(-1, 1, 1, 1) + 0 * x / sigma.reshape(-1, 1, 1, 1)


def test_a_part_of_the_samples_may_be_evaluated():
    labels = torch.tensor([4, 5, 6, 7])
    bound = Bound(Labelled(), labels, 4)
    x, rows = torch.zeros(2, 1, 2, 2), torch.tensor([3, 1])
    bound(torch.zeros(4, 1, 2, 2), 1.0)
    assert bound(x, torch.tensor([1.0, 2.0]), rows)[:, 0, 0, 0].tolist() == [7, 5]
    bound(x, torch.tensor([1.0, 0.0]), rows)
    assert bound.nfe == 2 and bound.counts.tolist() == [1, 3, 1, 3]
    assert bound.evaluated(3) == (5, 3)
    # 0 / 0, of sample 1 alone.
    assert bound.watch.look().tolist() == [0, 3, 0, 0]


def test_what_nobody_names_counts_in_all():
    bound = Bound(Labelled(), None, 4)
    bound.model = lambda x, sigma, labels: x
    bound(torch.zeros(8, 1, 2, 2), 1.0)
    assert bound.evaluated(3) == (6, 3)
    bound(torch.zeros(1, 1, 2, 2), 1.0)
    assert bound.evaluated(3) == (9, 4)

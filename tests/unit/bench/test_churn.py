"""S_churn above its clip, and without a level in its window: one algorithm, one cell."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import samplebench as sb
from samplebench.bench import plan as planning
from samplebench.bench.request import Request


def make(**words):
    return planning.make(Request.of(**words))


def cells(**words):
    return list(make(**words).cells)


class TestClippedChurn:
    """min(S_churn / N, sqrt(2) - 1) per step: 3 steps are clipped from 1.2 on, 18 from 7.5."""

    SWEEP: ClassVar = {"nfe": "5,35", "param": "edm.S_churn=5,10,20,40"}

    def test_one_algorithm_is_one_cell(self):
        plan = make(sampler="edm", **self.SWEEP)
        assert len(plan.rows) == 8 and len(plan.cells) == 3
        found = [(r.columns["params"], r.columns["nfe"], r.computed_as) for r in plan.rows]
        assert found == [
            ("S_churn=5", 5, ""),
            ("S_churn=5", 35, ""),
            ("S_churn=10", 5, "edm S_churn=5"),
            ("S_churn=10", 35, ""),
            ("S_churn=20", 5, "edm S_churn=5"),
            ("S_churn=20", 35, "edm S_churn=10"),
            ("S_churn=40", 5, "edm S_churn=5"),
            ("S_churn=40", 35, "edm S_churn=10"),
        ]

    def test_alone_it_has_its_own_name(self):
        (alone,) = cells(sampler="edm", nfe=5, param="edm.S_churn=20")
        assert alone != cells(sampler="edm", nfe=5, param="edm.S_churn=5")[0]
        assert make(sampler="edm", nfe=5, param="edm.S_churn=20").rows[0].computed_as == ""

    @pytest.mark.parametrize(
        "words",
        [
            {"param": "edm.S_churn=5,10,edm.S_noise=1,1.003"},
            {"param": "edm.S_churn=5,10,edm.S_max=50,inf"},
            {"param": "edm.S_churn=5,10", "rho": "3,7"},
            {"param": "edm.S_churn=5,10", "model": "digits-exact,digits-exact-uncond"},
            {"param": "edm.S_churn=5,10,euler.S_churn=5,10", "sampler": "edm,euler", "nfe": 3},
        ],
        ids=str,
    )
    def test_whatever_else_differs_is_another_cell(self, words):
        plan = make(**{"sampler": "edm", "nfe": 5, **words})
        assert (len(plan.rows), len(plan.cells)) == (4, 2)

    @pytest.mark.parametrize("sampler", ["euler", "heun", "edm"])
    @pytest.mark.parametrize(
        "other", [{"S_churn": 40}, {"S_churn": 10, "schedule": "vp", "scaling": "vp"}], ids=str
    )
    def test_aliases_agree_in_every_bit(self, sampler, other, mixture):
        if sampler == "edm":
            other = {"S_churn": other["S_churn"]}
        words = {"steps": 3, "seeds": range(3)}
        one = sb.sample(mixture("tiny3"), sampler, **words, **{**other, "S_churn": 5})
        assert torch.equal(one, sb.sample(mixture("tiny3"), sampler, **words, **other))

    @pytest.mark.parametrize("window", [{"S_max": 0.0}, {"S_min": 3.0, "S_max": 2.0}], ids=str)
    @pytest.mark.parametrize("sampler", ["euler", "heun", "edm"])
    def test_a_window_without_any_level_adds_none(self, sampler, window, mixture):
        words = {"steps": 4, "seeds": range(3)}
        plain = sb.sample(mixture("tiny3"), sampler, **words)
        churned = sb.sample(mixture("tiny3"), sampler, S_churn=3, **window, **words)
        assert torch.equal(plain, churned)
        param = {sampler: {"S_churn": 3, **window}}
        assert cells(sampler=sampler, nfe=9, param=param) == cells(
            sampler="heun" if sampler == "edm" else sampler, nfe=9
        )

    @pytest.mark.parametrize("model", ["digits-exact", "digits-edm"])
    def test_committed_cells_keep_their_names(self, model):
        """Some lie far above the clip, two of them are one algorithm."""
        path = Path(__file__).parents[3] / "benchmarks" / "baselines" / f"{model}.csv"
        with path.open(newline="") as file:
            committed = [row for row in csv.DictReader(file) if row["seed"] == "0"]
        assert sum("S_churn" in row["params"] for row in committed) >= 6
        for row in committed:
            param = ",".join(f"{row['sampler']}.{text}" for text in row["params"].split())
            words = {"model": model, "sampler": row["sampler"], "nfe": row["nfe_requested"]}
            words |= {"rho": row["rho"]} if row["rho"] else {}
            (found,) = make(**words, **({"param": param} if param else {})).rows
            (cell,) = found.cells
            assert row["cell"] == cell.hash

"""An invented result: two budgets, two methods, a metric."""

from __future__ import annotations

from pathlib import Path

from samplebench.trajectory.accumulation import Gap
from samplebench.tune.judged import GridScore, JudgedBudget, JudgedGrid, StepError
from samplebench.tune.steps import ALONE
from samplebench.tune.tuned import Tuned
from tests.unit.tune.problems import found, problem


def score(value, better="lower", first=False, gap=0.1, stderr=0.02):
    paired = None if first or value is None else Gap(gap, stderr)
    return GridScore("fd-digits", "digits@12345678", better, value, 0.03, paired, paired)


def budget_of(nfe, better="lower", values=(0.5, 0.45, 0.4, 0.3), errors=(0.4, 0.3, 0.28, 0.1)):
    own = problem(nfe=nfe)
    steps = tuple(StepError(level, 0.1 / (1 + level)) for level in own.baseline.positive)
    parts = [
        ("rho 7", own.baseline, 7.0, None),
        ("best rho", own.at_rho(3), 3.0, None),
        *((name, own.at_rho(r), None, found(own, own.at_rho(r).levels, name, nfe, cost))
          for name, r, cost in (("rho", 4, 3000), ("coordinate", 5, 24000))),
    ]  # fmt: skip
    grids = tuple(
        JudgedGrid(
            name, candidate, rho, one, tuple(error * (1 + 0.1 * i) for i in range(4)),
            () if name == "best rho" else steps,
            () if values is None else (score(value, better, name == "rho 7"),),
        )
        for (name, candidate, rho, one), error, value in zip(
            parts, errors, values or errors, strict=True
        )
    )  # fmt: skip
    return JudgedBudget(nfe, nfe, grids, "DOP853, rtol 1e-06", ALONE, 5000)


def result_of(*budgets, **more):
    facts = {
        "model": "digits-exact", "sampler": "euler", "params": {},
        "search_seeds": (10_000_000, 16), "judging_seeds": (0, 64),
        "num_samples": 1797 if budgets[0].grids[0].scores else 0, "budgets": budgets,
        "sampled": 7000, "out": Path("out"),
    }  # fmt: skip
    return Tuned(**{**facts, **more})

"""Does the cost of a student's own step mend GITS where Euler's does not help?

    python benchmarks/gits_costs.py
    python benchmarks/gits_costs.py --model exact-2d --out benchmarks/results/gits-costs.csv

On models in closed form, whose exact end states are solved for (DOP853). A teacher (ipndm) runs
once from 16 latents; one matrix of costs gives the grids of all numbers of steps. They are judged
by the distance to the exact end from 64 other latents, beside rho = 7 and the best whole rho from
1 to 20 of as many steps. Euler, Heun and DPM-Solver++(2M) end at 0, iPNDM at sigma_min, as they do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import samplebench as sb
from samplebench.files.atomic import write_atomic
from samplebench.models.bound import Bound
from samplebench.noise.latents import start
from samplebench.sampling.setting import Setting, prepare
from samplebench.trajectory.reference import Solution, solve
from samplebench.tune.gits import cost_matrix, own_costs, path_of, teach
from samplebench.tune.gits.steps import memory, on

MODELS = ("exact-2d", "exact-modes", "exact-overlap")
SAMPLERS = ("euler", "ipndm", "heun", "dpmpp-2m")
STEPS = (4, 5, 6, 8, 10)
RHO = range(1, 21)
# Of the searches, and of the judges; the paper's metric and coefficient, and ours.
WARM, JUDGES = range(10_000_000, 10_000_016), range(64)
METRIC, COEFFICIENT, STAMPS = {"euler": "dev", "own": "l2"}, 1.15, 31
RANGE = {"sigma_min": 0.002, "sigma_max": 80.0}
RTOL = 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, action="append", help="default: all")
    parser.add_argument("--out", type=Path, help="a CSV of every point")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for name in args.model or MODELS for row in measured(name)]
    frame = pd.DataFrame(rows)
    if args.out:
        write_atomic(args.out, frame.to_csv(index=False, float_format="%.6g").encode())
    print(table(frame))


def measured(name: str) -> Iterator[dict[str, Any]]:
    """A row for each sampler, number of steps and cost."""
    model = sb.load(name)
    latents, _, _ = start(model, JUDGES, None, 0)
    bound = Bound(model, None, len(latents))
    low, high = RANGE.values()
    exact = solve(bound, latents, high, [low, high], RTOL, lambda sigma: None)
    for sampler in SAMPLERS:
        levels, costs = searched(model, sampler)
        for steps in STEPS:
            rho = [error(model, at(model, sampler, steps, rho), latents, exact) for rho in RHO]
            for cost, matrix in costs.items():
                indices, _ = path_of(matrix, steps, COEFFICIENT)
                setting = on(at(model, sampler, steps, 7), levels[list(indices)])
                yield {
                    "model": name, "sampler": sampler, "steps": steps, "cost": cost,
                    "error": error(model, setting, latents, exact),
                    "error_rho_7": rho[RHO.index(7)], "error_best_rho": min(rho),
                }  # fmt: skip


def searched(model: Any, sampler: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The stamps, and a matrix of costs by its name."""
    student = at(model, sampler, 10, 7)
    final = {"final": student.timeline.supplies["final"]}
    latents, _, _ = start(model, WARM, None, 0)
    bound = Bound(model, None, len(latents))
    taught = teach(at(model, "ipndm", STAMPS - 1, 7, **final), bound, latents)
    costs = {"euler": cost_matrix(taught, METRIC["euler"])}
    costs["own"] = own_costs(taught, student, bound, latents, METRIC["own"])
    print(f"{sampler}: {bound.images:,} evaluations, keeps {memory(student, bound) or 'nothing'}")
    return taught.levels, costs


def at(model: Any, sampler: str, steps: int, rho: float, **params: Any) -> Setting:
    return prepare(model, sampler, steps=steps, rho=float(rho), params=params, **RANGE)


def error(model: Any, setting: Setting, latents: torch.Tensor, exact: Solution) -> float:
    """Root mean square distance of the end states to the exact ones."""
    end = setting.timeline.supplies["final"]
    with torch.no_grad():
        x = setting.run(Bound(model, None, len(latents)), latents, None)
    there = exact.states[0.0 if end == "zero" else RANGE["sigma_min"]]
    return float((x - there).square().mean().sqrt())


def table(frame: pd.DataFrame) -> str:
    """Points that are better than rho 7, and than the best rho; and the mean ratio to rho 7."""
    lines = ["| sampler | cost | beats rho 7 | beats the best rho | error / that of rho 7 |"]
    lines.append("|---|---|---|---|---|")
    for (sampler, cost), part in frame.groupby(["sampler", "cost"], sort=False):
        ratio = float(np.exp(np.log(part["error"] / part["error_rho_7"]).mean()))
        wins = [
            int((part["error"] < part[f"error_{name}"]).sum()) for name in ("rho_7", "best_rho")
        ]
        lines.append(f"| {sampler} | {cost} | {wins[0]} of {len(part)} | {wins[1]} | {ratio:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

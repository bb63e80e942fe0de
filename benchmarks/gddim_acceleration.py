"""How much faster gDDIM is than what it is compared with: fd-digits at 10 to 1,000 evaluations.

    python benchmarks/gddim_acceleration.py
    python benchmarks/gddim_acceleration.py --model digits-cld-exact --num-samples 896

On the exact models, whose noise prediction is the true one, so that every difference is the
sampler's. A finished cell is not computed again; the values are those of results.csv.

Under the first table: what as many exact draws of the data score, the least a sampler can reach.

The second table: a level is gDDIM's fd-digits at some NFE plus its standard error there. A sampler
needs the NFE at which its curve first comes down to the level, log fd interpolated linearly in
log NFE between the measured points. The ratio is that over gDDIM's NFE: above 1 gDDIM is faster.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import samplebench as sb
from samplebench.features.digits import DigitsExtractor
from samplebench.images import to_uint8
from samplebench.metrics.frechet import frechet_distance
from samplebench.metrics.moments import Moments
from samplebench.references import reference as references
from samplebench.regression import load_rows

MODELS = ("digits-cld-exact", "digits-bdm-exact")
SAMPLERS = ("gddim", "euler-maruyama", "euler-flow", "rk45-flow")
BASELINES = SAMPLERS[1:]
METRIC = "fd-digits"
DRAWS = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, action="append", help="default: both")
    parser.add_argument("--nfe", default="10,20,50,100,200,500,1000")
    parser.add_argument("--levels", default="10,20,50", help="NFE of gDDIM that set the levels")
    parser.add_argument("--num-samples", type=int, default=1797, help="of every cell")
    parser.add_argument("--out", type=Path, default=Path("build/gddim"))
    args = parser.parse_args()
    budgets, levels = ([int(n) for n in text.split(",")] for text in (args.nfe, args.levels))
    models = args.model or MODELS
    rows = {model: measured(model, budgets, args.num_samples, args.out / model) for model in models}
    values(rows, budgets, args.num_samples)
    drawn = ", ".join(f"{value:.3g}" for value in floor(args.num_samples))
    print(f"\nas many exact draws: {drawn}")
    ratios(rows, [level for level in levels if level in budgets])


def measured(model: str, budgets: Sequence[int], n: int, out: Path) -> list[dict[str, Any]]:
    """The rows of results.csv that belong to this sweep; the folder may hold others."""
    asked = sb.run(model=model, sampler=SAMPLERS, nfe=budgets, num_samples=n, out=str(out))
    cells = set(asked["cell"])
    return [row for row in load_rows(out / "results.csv").rows if row["cell"] in cells]


def values(rows: dict[str, list[dict[str, Any]]], budgets: Sequence[int], n: int) -> None:
    """The first table: one line per curve."""
    print(f"{METRIC}, N = {n}, at a budget of so many evaluations\n")
    print(f"| model | sampler | {' | '.join(f'{budget:,}' for budget in budgets)} |")
    print("|---|---|" + "---|" * len(budgets))
    for model, found in rows.items():
        for sampler in SAMPLERS:
            at = {row["nfe_requested"]: row for row in found if row["sampler"] == sampler}
            shown = [f"{at[b][METRIC]:.3g} ± {at[b][f'{METRIC}_stderr']:.2g}" for b in budgets]
            print(f"| {model} | {sampler} | {' | '.join(shown)} |")


def floor(n: int) -> Iterator[float]:
    """fd-digits of n exact draws, for some seeds; both models have the same data."""
    model, extract, real = sb.load("digits-exact"), DigitsExtractor(), references.load("digits-kde")
    for seed in range(DRAWS):
        images = to_uint8(model.draw(n, seed)[0], "edm")
        drawn = Moments.of(extract(images).numpy())
        yield frechet_distance(drawn.mean, drawn.cov, real.mean, real.cov, root2=real.root)


def ratios(rows: dict[str, list[dict[str, Any]]], levels: Sequence[int]) -> None:
    """The second table: evaluations for equal fd-digits, over gDDIM's."""
    print(f"\n| model | level: gddim at | {METRIC} | {' | '.join(BASELINES)} |")
    print("|---|---|---|" + "---|" * len(BASELINES))
    for model, found in rows.items():
        for budget in levels:
            own = next(r for r in found if (r["sampler"], r["nfe_requested"]) == ("gddim", budget))
            level = own[METRIC] + own[f"{METRIC}_stderr"]
            cells = [ratio(curve(found, name), level, own["nfe"]) for name in BASELINES]
            print(f"| {model} | NFE {budget} | {level:.3g} | {' | '.join(cells)} |")


def curve(rows: Sequence[dict[str, Any]], sampler: str) -> list[tuple[float, float]]:
    """(evaluations counted, fd-digits), increasing in evaluations."""
    return sorted((row["nfe"], row[METRIC]) for row in rows if row["sampler"] == sampler)


def ratio(points: Sequence[tuple[float, float]], level: float, own: float) -> str:
    """Evaluations that the curve needs over gDDIM's, in words where the curve only bounds them."""
    first, last = points[0][0], points[-1][0]
    if points[0][1] <= level:
        return f"at most {first / own:.2g} (NFE {first:g})"
    for (nfe, value), (more, less) in pairwise(points):
        if less <= level:
            share = math.log(value / level) / math.log(value / less)
            needed = nfe * (more / nfe) ** share
            return f"{needed / own:.2g} (NFE {needed:.0f})"
    return f"more than {last / own:.2g} (NFE {last:g})"


if __name__ == "__main__":
    main()

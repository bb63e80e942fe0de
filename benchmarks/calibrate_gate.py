"""How often `samplebench check --tolerance Nsigma` is wrong, and what it sees.

    python benchmarks/calibrate_gate.py
    python benchmarks/calibrate_gate.py --model digits-exact-uncond --nfe 5,10,20,35 --sweeps 100

Every sweep has seeds of its own: three make the baseline, each of the others is held to it. A
finished sweep is not computed again. Printed are, per point, the jackknife's standard error over
the spread between seeds; per rule, the sweeps that failed although nothing had changed, against
this baseline (the bound holds for it alone) and against baselines drawn anew from all sweeps; and
the change of a point's value, or of every point's, that half and 95 % of the sweeps find.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from scipy.stats import beta

import samplebench as sb
from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.regression import Gate, Table, compare, load_rows
from samplebench.regression.tolerance import parse
from samplebench.results.fields import grid_label, metrics_of, sampler_label

# Of a point's value; a larger one that is not seen is called infinite.
_LARGEST = 10.0
_HALVINGS = 12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="digits-exact")
    parser.add_argument("--sampler", default="euler,heun")
    parser.add_argument("--nfe", default="5,10")
    parser.add_argument("--num-samples", type=int, default=None)
    parser.add_argument("--device", default=None)
    parser.add_argument("--sweeps", type=int, default=40, help="beside the baseline's")
    parser.add_argument("--baseline-sweeps", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rule", default="2sigma,3sigma")
    parser.add_argument("--draws", type=int, default=1000, help="baselines drawn anew")
    parser.add_argument("--out", type=Path, default=Path("build/calibrate"))
    args = parser.parse_args()

    tables = list(sweeps(args))
    metric = metrics_of(tables[0].rows)[0]
    print(f"{args.model}, {metric}, N = {tables[0].rows[0]['num_samples']}, {len(tables)} sweeps")
    spread(tables, metric)
    count = args.baseline_sweeps
    baseline, fresh = joined(tables[:count]), tables[count:]
    draw = random.Random(0)
    drawn = [draw.sample(tables, count + 1) for _ in range(args.draws)]
    for rule in args.rule.split(","):
        gate = Gate(parse([rule], [metric]))
        alarms(rule, "fresh sweeps", [compare(t, baseline, gate).failed for t in fresh])
        redrawn = [compare(first, joined(others), gate).failed for first, *others in drawn]
        alarms(rule, f"draws of {count} + 1 sweeps", redrawn, independent=False)
        power(fresh, baseline, gate, metric)


def sweeps(args: argparse.Namespace) -> Iterator[Table]:
    """One table per disjoint range of seeds."""
    words = {
        "model": args.model, "sampler": args.sampler, "nfe": args.nfe,
        "num_samples": args.num_samples, "device": args.device,
    }  # fmt: skip
    n = planning.make(Request.of(**words)).rows[0].columns["num_samples"]
    for index in range(args.baseline_sweeps + args.sweeps):
        seed = args.first_seed + index * n
        out = args.out / f"{args.model}-{seed}"
        frame = sb.run(**words, seed=seed, out=str(out), quiet=True)
        table = load_rows(out)
        # The folder may hold larger sweeps.
        asked = set(frame["cell"])
        yield replace(table, rows=[row for row in table.rows if row["cell"] in asked])


def joined(tables: Sequence[Table]) -> Table:
    """One side of several seed ranges."""
    return Table(
        [row for table in tables for row in table.rows],
        {cell: origin for table in tables for cell, origin in table.origins.items()},
        frozenset().union(*(table.platforms for table in tables)),
    )


def spread(tables: Sequence[Table], metric: str) -> None:
    """Standard deviation between seeds and the jackknife's idea of it, per point."""
    print("\npoint                          value  sd of seeds  jackknife  ratio")
    for rows in zip(*(table.rows for table in tables), strict=True):
        values = [row[metric] for row in rows]
        deviation = statistics.stdev(values)
        jackknife = math.sqrt(statistics.fmean(row[f"{metric}_stderr"] ** 2 for row in rows))
        print(
            f"{label(rows[0]):<28} {statistics.fmean(values):7.4g} {deviation:12.4f} "
            f"{jackknife:10.4f} {jackknife / deviation:6.2f}"
        )


def alarms(rule: str, name: str, failed: Sequence[bool], independent: bool = True) -> None:
    """The rate of failures, and where draws are independent its 95 % upper bound."""
    k, n = sum(failed), len(failed)
    bound = f", at most {beta.ppf(0.95, k + 1, n - k):.1%} (95 %)" if independent and k < n else ""
    print(f"\n{rule}: {k} false alarms in {n} {name}: {k / n:.1%}{bound}", end="")


def power(fresh: Sequence[Table], baseline: Table, gate: Gate, metric: str) -> None:
    """The smallest change of one point's value that fails, over the fresh sweeps."""
    print("\n  change of a value found in:    half of the sweeps    95 % of the sweeps")
    for index in (*range(len(fresh[0].rows)), None):
        cells = []
        for sign in (1, -1):
            least = sorted(smallest(t, baseline, gate, metric, index, sign) for t in fresh)
            cells.append([quantile(least, 0.5), quantile(least, 0.95)])
        (up, most_up), (down, most_down) = cells
        print(
            f"  {where(fresh[0], index):<28} {sign_text(up, 1):>9} {sign_text(down, -1):>9}"
            f"    {sign_text(most_up, 1):>9} {sign_text(most_down, -1):>9}"
        )


def smallest(
    table: Table, baseline: Table, gate: Gate, metric: str, index: int | None, sign: int
) -> float:
    """The smallest relative change of a row's value, or of all, with which the sweep fails."""

    def found(change: float) -> bool:
        rows = [dict(row) for row in table.rows]
        for row in rows if index is None else [rows[index]]:
            row[metric] *= 1 + sign * change
        outcome = compare(Table(rows, table.origins, table.platforms), baseline, gate)
        return outcome.failed if index is None else outcome.verdicts[index].failed

    low, high = 0.0, _LARGEST if sign > 0 else 1.0
    if found(low):
        return low
    if not found(high):
        return math.inf
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of sorted values that this share does not exceed."""
    return values[math.ceil(share * len(values)) - 1]


def sign_text(change: float, sign: int) -> str:
    return "never" if math.isinf(change) else f"{100 * sign * change:+.1f} %"


def where(table: Table, index: int | None) -> str:
    return "every point" if index is None else label(table.rows[index])


def label(row: dict) -> str:
    return f"{sampler_label(row)}, {grid_label(row)}, NFE {row['nfe']}"


if __name__ == "__main__":
    main()

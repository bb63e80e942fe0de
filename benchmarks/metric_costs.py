"""What every metric costs at N = 50,000: wall and CPU seconds and peak memory, value and error bar.

    python benchmarks/metric_costs.py
    python benchmarks/metric_costs.py --metric kid --metric precision --out costs.csv

Samples and reference are random features, float32 in files that are mapped, as many numbers each as
the extractor has. Each metric runs in a process of its own, as in a sweep's first cell: from the
rows to value and error bar, what is made once per reference among it. Precision, recall, density
and coverage of a cell share one pass: whichever comes first has the costs of all four, and without
--metric that is precision. CPU seconds tell more than seconds where other work runs beside.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.moments import BlockedMoments
from samplebench.metrics.pairs import whole
from samplebench.metrics.scored import scored
from samplebench.references.files import Statistics
from samplebench.references.reference import Reference
from samplebench.registry import metrics

OUT = Path(__file__).parent / "baselines" / "metric-costs.csv"
# Features of the extractors that papers use.
DIMS = {"inception": 2048, "inception-logits": 1008, "inception-spatial": 2023}
# They share precision's pass.
SHARED = ("recall", "density", "coverage")
COLUMNS = ("metric", "num_samples", "features", "seconds", "cpu_seconds", "peak_gb")


def make(path: Path, count: int, dim: int, seed: int) -> None:
    """A file of correlated rows, in part 0 as after a ReLU, float32 [count, dim]."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((64, dim)) / 8
    rows = np.memmap(path, np.float32, "w+", shape=(count, dim))
    for part in whole(rows):
        size = part.stop - part.start
        mixed = rng.standard_normal((size, 64)) @ mixing + rng.standard_normal((size, dim))
        rows[part] = np.maximum(mixed + 0.1 * seed, 0)
    rows.flush()


def read(path: Path, dim: int) -> np.ndarray:
    return np.memmap(path, np.float32, "r").reshape(-1, dim)


def reference_of(folder: Path, extractor: str) -> Reference:
    """The rows as a reference, with the moments that a file of one holds."""
    rows = read(folder / f"{extractor}.real", DIMS[extractor])
    with np.load(folder / f"{extractor}.npz") as moments:
        given = Statistics(**moments, num_images=len(rows), extractor=extractor,
                           weights_sha256="", made_from="", rows=lambda: rows)  # fmt: skip
    facts = dict(path=Path(), sha256="", weights_sha256="", made_from="")
    return Reference(id="random", feature_dim=rows.shape[1], num_images=len(rows),
                     extractor=extractor, given=given, **facts)  # fmt: skip


def run_one(name: str, folder: Path) -> dict[str, Any]:
    """One metric on the rows in a folder."""
    entry = metrics.entry(name)
    extractor = str(entry.extractor)
    rows = read(folder / f"{extractor}.generated", DIMS[extractor])
    reference = reference_of(folder, extractor).blocked(entry.against)
    began, before = time.perf_counter(), os.times()
    statistic = BlockedRows(rows) if entry.statistic == "features" else BlockedMoments.of(rows)
    found = scored(entry, statistic, reference)
    after = os.times()
    cpu = after.user + after.system - before.user - before.system
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    costs = (name, *rows.shape, time.perf_counter() - began, cpu, peak)
    return {**dict(zip(COLUMNS, costs, strict=True)), "value": found["value"],
            "stderr": found["stderr"]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-samples", type=int, default=50_000)
    parser.add_argument("--metric", action="append", help="default: all on Inception's features")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print("RESULT", json.dumps(run_one(args.one[0], Path(args.one[1]))), flush=True)
        return
    every = (entry.name for entry in metrics if entry.extractor in DIMS)
    names = args.metric or [name for name in every if name not in SHARED]
    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for extractor in {str(metrics.entry(name).extractor) for name in names}:
            dim = DIMS[extractor]
            for seed, side in enumerate(("real", "generated")):
                make(folder / f"{extractor}.{side}", args.num_samples, dim, seed)
            total = BlockedMoments.of(read(folder / f"{extractor}.real", dim)).total
            np.savez(folder / f"{extractor}.npz", mean=total.mean, cov=total.cov)
        print(f"{os.cpu_count()} cores; " + ", ".join(COLUMNS))
        for name in names:
            command = [sys.executable, __file__, "--one", name, place]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))
            found.append(json.loads(line.removeprefix("RESULT")))
            print(", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                            for key, value in found[-1].items()), flush=True)  # fmt: skip
    table = pd.DataFrame(found)
    table.to_csv(args.out, index=False, lineterminator="\n", float_format="%.5g")
    print(args.out)


if __name__ == "__main__":
    main()

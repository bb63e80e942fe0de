"""What a cell of 2,048 features costs by what is kept of it: peak memory and bytes on disk.

    python benchmarks/keep_costs.py
    python benchmarks/keep_costs.py --num-samples 50000 --keep features

Samples are the digits of the exact model; the extractor makes 2,048 random features of each, as
many as Inception has. Each level runs in a process of its own, whose peak memory is compared with
that of a cell of 64 features; what was said beforehand stands beside what the files take.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from samplebench.metrics.moments import Moments
from samplebench.references.reference import save
from samplebench.registry import extractors, metrics

DIM = 2048


@extractors.register("random-2048")
class RandomFeatures:
    """2,048 random features of each image: a fixed random projection, through a cosine."""

    name, feature_dim, weights_sha256 = "random-2048", DIM, "0" * 64

    def __init__(self, device: str | torch.device = "cpu") -> None:
        draw = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(64, DIM, generator=draw) / 8
        self.phases = 6.3 * torch.rand(DIM, generator=draw)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.flatten(1).float() / 127.5 - 1
        return torch.cos(rows @ self.matrix + self.phases).double()


@metrics.register("fd-random", extractor="random-2048", better="lower")
def fd_random(moments: object, reference: object) -> dict[str, float]:
    """Frechet distance on these features."""
    from samplebench.metrics.frechet import frechet_distance

    given = moments.mean, moments.cov, reference.mean, reference.cov  # type: ignore[attr-defined]
    return {"value": frechet_distance(*given, root2=reference.root)}  # type: ignore[attr-defined]


def run_one(keep: str, count: int, folder: Path) -> None:
    """One cell; prints peak memory, seconds, bytes said and bytes taken."""
    import samplebench as sb
    from samplebench.bench import plan as planning
    from samplebench.bench.keep import rooms
    from samplebench.bench.request import Request

    reference, small = folder / "r.reference.npz", keep == "baseline"
    words = dict(sampler="euler", nfe=2, num_samples=count, keep="moments" if small else keep)
    if not small:
        rows = np.random.default_rng(0).standard_normal((3 * DIM, DIM))
        save(reference, Moments.of(rows), RandomFeatures(), "random numbers")
        del rows
        words |= dict(metric="fd-random", reference=str(reference))
    plan = planning.make(Request.of(**words, out=str(folder / keep)))
    (room,) = rooms(plan, list(plan.cells.values()))
    began = time.perf_counter()
    frame = sb.run(quiet=True, **words, out=str(folder / keep))
    taken = sum(path.stat().st_size for path in (folder / keep / "cells").glob("*.npz"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    value = [float(number) for number in frame.iloc[0].filter(regex="^fd-")]
    facts = (peak, time.perf_counter() - began, room.kept, taken, room.underway, value)
    print("RESULT", *facts, sep="\t", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-samples", type=int, default=5000)
    parser.add_argument("--keep", action="append", choices=("moments", "features", "images"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one[0], args.num_samples, Path(args.one[1]))
        return
    levels = args.keep or ["moments", "features", "images"]
    print(f"N = {args.num_samples:,}, D = {DIM:,}, images 1 x 8 x 8; MB")
    head = ("keep", "peak memory", "above 64 features", "kept, said", "kept, taken", "under way")
    print("  ".join(head) + "  seconds  value, stderr")
    with tempfile.TemporaryDirectory() as folder:
        base = 0.0
        for keep in ("baseline", *levels):
            command = [sys.executable, __file__, "--one", keep, folder]
            command += ["--num-samples", str(args.num_samples)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))
            _, peak, seconds, said, taken, underway, value = line.split("\t")
            base = base or float(peak)
            numbers = (float(peak), float(peak) - base, float(said), float(taken), float(underway))
            texts = [
                f"{number / 1e6:.1f}".rjust(len(title))
                for number, title in zip(numbers, head[1:], strict=True)
            ]
            print(f"{keep:8}", *texts, f"{float(seconds):.1f}", value, sep="  ")


if __name__ == "__main__":
    main()

"""Everything that `samplebench advise` chooses from, measured at full size: what it is judged by.

    python benchmarks/full_sweep.py --dry-run     # how many cells and evaluations
    python benchmarks/full_sweep.py               # the rows of benchmarks/baselines/full-sweep.csv

Every registered sampler that fits a model, with its parameters and on the grids of
`samplebench/advise/space.py`, at NFE 10 on the seven isotropic embedded models, 1,797 samples from
seed 0 on. A sweep that was broken off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from samplebench.advise.planned import Runnable, planned
from samplebench.advise.space import defaults, proposals
from samplebench.api import sweep
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.bench.sources import checkpoints_of

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "baselines" / "full-sweep.csv"
MODELS = (
    "digits-exact", "digits-vp", "digits-ve", "digits-edm", "digits-adm", "digits-iddpm",
    "digits-adm-ip",
)  # fmt: skip
NFE = 10


def sweep_of(model: str, out: Path, num_samples: int | None = None) -> Runnable:
    """The plan of a model."""
    request = Request.of(
        model=model, nfe=NFE, seed=0, num_samples=num_samples, device="cpu", out=str(out)
    )
    (entry,) = checkpoints_of(request)
    return planned(request, entry, NFE, [*defaults(entry), *proposals(entry)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "build/full-sweep", help="folder")
    parser.add_argument("--num-samples", type=int, help="default: 1797, that of the models")
    parser.add_argument("--dry-run", action="store_true", help="only print what it takes")
    args = parser.parse_args()
    for model in args.model or MODELS:
        found = sweep_of(model, args.out, args.num_samples)
        cells = found.plan.cells.values()
        count = sum(int(cell.nfe or 0) * cell.conditions["num_samples"] for cell in cells)
        print(f"{model}: {len(found.plan.cells)} cells, {count:,} network evaluations", flush=True)
        if not args.dry_run:
            sweep(found.plan, Progress())
    if args.dry_run or args.model or args.num_samples:
        return
    check = [sys.executable, "-m", "samplebench", "check", str(args.out)]
    subprocess.run([*check, "--baseline", str(TABLE), "--update"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()

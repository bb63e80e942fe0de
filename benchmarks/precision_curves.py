"""What a network's precision does to the curves of the digits: the tables of docs/precision.md.

    OMP_NUM_THREADS=1 python benchmarks/precision_curves.py

Each model runs with its first sampler in every precision from the same seeds. Printed, and written
to benchmarks/results/precision_curves.csv: the value of its metric, its difference to that of
float32 with the standard error of that difference as the two delete-one series give it, and how far
the samples of the first seeds are from those of float32, in steps of 1/255. Rows of models that are
not asked for stay in the file.
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import samplebench as sb
from samplebench.api import sweep
from samplebench.bench import plan as planning
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import checkpoint
from samplebench.metrics.uncertainty import spread
from samplebench.results.fields import metrics_of
from samplebench.results.view import View

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results" / "precision_curves.csv"
MODELS = ("digits-vp", "digits-ve", "digits-edm", "digits-adm", "digits-iddpm", "digits-cld")
PRECISIONS = ("float32", "bfloat16", "float16")
NFE = (5, 10, 20, 35)
SEEDS = 64


def curve(model: str, precision: str, num_samples: int, out: Path) -> View:
    """The view of one curve."""
    request = Request.of(
        model=model, sampler=checkpoint(model).samplers[0], nfe=NFE, num_samples=num_samples,
        dtype=precision, device="cpu", out=str(out / f"{model}-{precision}"),
    )  # fmt: skip
    return sweep(planning.make(request), Progress(quiet=True))


def series(view: View, row: Any, metric: str) -> list[float]:
    """The delete-one values of a row of one cell; none of one that has failed."""
    (score,) = view.scores_of(row, metric)
    return score["value"].get("deleted", [])


def rounded(number: float | None, digits: int = 6) -> float | None:
    """None where there is no number: a sample was not finite."""
    return None if number is None or not math.isfinite(number) else round(number, digits)


def pixels(model: str, nfe: int) -> dict[str, tuple[float, float]]:
    """By precision the largest and the mean distance to float32's samples, in steps of 1/255."""
    found: dict[str, Any] = {
        precision: sb.sample(
            sb.load(model, device="cpu", dtype=precision),
            checkpoint(model).samplers[0],
            nfe=nfe,
            seeds=range(SEEDS),
        )
        for precision in PRECISIONS
    }
    steps = {name: (x - found["float32"]).abs() * 127.5 for name, x in found.items()}
    return {name: (float(x.max()), float(x.mean())) for name, x in steps.items()}


def rows(models: list[str], num_samples: int) -> Iterator[dict[str, Any]]:
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            views = {p: curve(model, p, num_samples, Path(folder)) for p in PRECISIONS}
        for place, own in enumerate(views["float32"].rows):
            (metric,) = metrics_of([own])
            base = series(views["float32"], own, metric)
            apart = pixels(model, own["nfe_requested"])
            for precision, view in views.items():
                row = view.rows[place]
                assert row["dtype"] == precision
                other = series(view, row, metric)
                most, mean = apart[precision]
                failed = not (other and base)
                error = spread([a - b for a, b in zip(other, base, strict=not failed)])
                yield {
                    "model": model,
                    "sampler": row["sampler"],
                    "nfe": row["nfe"],
                    "num_samples": row["num_samples"],
                    "dtype": precision,
                    "metric": metric,
                    "value": rounded(row[metric]),
                    "stderr": rounded(row[f"{metric}_stderr"]),
                    "difference": None if failed else rounded(row[metric] - own[metric]),
                    "difference_stderr": rounded(error),
                    "largest_pixel_difference": rounded(most, 3),
                    "mean_pixel_difference": rounded(mean, 4),
                }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--num-samples", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    kept = []
    if args.out.is_file():
        with args.out.open(newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["model"] not in args.models]
    for row in rows(args.models, args.num_samples):
        print(*row.values(), flush=True)
        kept.append(row)
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)


if __name__ == "__main__":
    main()

"""What a sweep costs: the tables of docs/scaling.md, and how well the model tells a real sweep.

    python benchmarks/cost_model.py
    python benchmarks/cost_model.py --check

The first counts the operations of the released networks and of Inception, and prints the GPU-hours
of the standard tables at assumed speeds. The second times single evaluations, features, draws and
folding of digits models, predicts with docs/scaling.md's formula what sweeps of other budgets
and numbers of images take, runs them, and prints both. --check writes JSON and Markdown into
benchmarks/results/ under the hardware's name.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

import samplebench as sb
from containers.inception import random_inception
from samplebench.bench import plan as planning
from samplebench.bench.estimate import evaluations
from samplebench.bench.flops import gflop_of
from samplebench.bench.keep import room_of
from samplebench.bench.request import Request
from samplebench.features.inception_network import inception_class
from samplebench.networks.edm2_denoiser import edm2_denoiser
from samplebench.networks.preconditioning import preconditioner
from timing.cells import Variant, load
from timing.networks import NETWORKS
from timing.results import RESULTS, facts, hardware, table, write
from timing.stages import Watch

# Of EDM2 on ImageNet-512: latents of 64 x 64 x 4, which another network decodes.
LATENTS = {"img_resolution": 64, "img_channels": 4, "label_dim": 1000}
WIDTHS = {"EDM2-S": 192, "EDM2-XXL": 448}
# TFLOP/s that a network achieves: assumed, not measured.
ASSUMED = (40, 150, 300)
N, DIM = 50_000, 2048
BUDGETS = (10, 35)
# Predicted and run: model, words of the request.
SWEEPS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("digits-vp", {"sampler": "euler", "nfe": (5, 10, 20), "num_samples": 1024}),
    ("digits-vp", {"sampler": ("heun", "euler-ancestral"), "nfe": (9, 19), "num_samples": 1024}),
    ("digits-edm", {"sampler": "dpmpp-2m", "nfe": (8, 16), "num_samples": 1024}),
)
BLOCK = 256
CLOCKS = ("wall", "cpu")


@dataclass(frozen=True)
class Costs:
    """Seconds of what a sweep is made of, measured apart.

    Attributes:
        evaluation: of a block by the network.
        block: of a block once, whatever its steps: latents, quantisation, features, folding.
        step: of a block at each evaluation beside the network, noise of stochastic samplers too.
        cell: of a cell once: moments, scores, files.
    """

    evaluation: float
    block: float
    step: float
    cell: float

    def of(self, count: int, blocks: int, cells: int) -> float:
        """Seconds of so many evaluations of blocks, blocks, and cells."""
        return count * (self.evaluation + self.step) + blocks * self.block + cells * self.cell


def gflop(class_name: str, arguments: Mapping[str, Any]) -> float:
    """Of one evaluation of one image, counted on shapes alone."""
    with torch.device("meta"):
        made = preconditioner(class_name, arguments) if class_name else edm2_denoiser(arguments)
        made.use_fp16 = False
        size = arguments["img_resolution"]
        x = torch.zeros(1, arguments["img_channels"], size, size, dtype=torch.float64)
        labels = arguments.get("label_dim", 0)
        given = torch.zeros(1, labels) if labels else None
        level = torch.ones(1, dtype=torch.float64)
        found = gflop_of(lambda: made(x, level, given), 1)
    assert found is not None
    return found


def gflop_of_inception() -> float:
    """Of one image, which it resizes to 299 x 299."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception.pth"
        torch.save(random_inception(), path)
        made = inception_class()("inception", ["2048"], feature_extractor_weights_path=str(path))
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    found = gflop_of(lambda: made(image), 1)
    assert found is not None
    return found


def tables() -> str:
    """GPU-hours of the standard tables, and what 1,000 cells keep."""
    features = gflop_of_inception()
    counted = {
        network.what: gflop(network.class_name, network.arguments)
        for network in NETWORKS.values() if network.class_name is not None
    }  # fmt: skip
    for name, width in WIDTHS.items():
        what = f"{name}, ImageNet 512x512 latents (not run here)"
        counted[what] = gflop("", {**LATENTS, "model_channels": width})
    rows = []
    for what, each in counted.items():
        total = {nfe: N * (each * nfe + features) / 1e6 for nfe in BUDGETS}
        hours = [" / ".join(f"{total[nfe] / (speed * 3.6):.2g}" for nfe in BUDGETS)
                 for speed in ASSUMED]  # fmt: skip
        both = " / ".join(f"{total[nfe]:,.0f}" for nfe in BUDGETS)
        rows.append([what, f"{each:,.1f}", both, *hours])
    budgets = " / ".join(map(str, BUDGETS))
    head = ["network", "GFLOP an evaluation", f"PFLOP of {N:,} images at NFE {budgets}",
            *(f"hours at {speed} TFLOP/s" for speed in ASSUMED)]  # fmt: skip
    kept = []
    for level in ("moments", "features", "images"):
        for side in (32, 64):
            room = room_of(level, N, (DIM,), (3, side, side))
            kept.append([level, f"{side}x{side}", f"{room.kept / 1e6:,.0f}",
                         f"{room.kept / 1e6:,.0f} GB", f"{room.underway / 1e6:,.0f}"])  # fmt: skip
    sizes = ["keep", "images", "MB a cell", "1,000 cells", "MB more under way"]
    passed = f"Inception's pass: {features:.1f} GFLOP an image, which the sums hold."
    return f"{table(head, rows)}\n\n{passed}\n\n{table(sizes, kept)}"


def costs(variant: Variant, sampler: str, folder: Path, rounds: int = 3) -> dict[str, Costs]:
    """Measured on one cell of few blocks, in wall and in CPU seconds."""
    watches, wholes = [], []
    for number in range(rounds + 1):
        watch, _ = variant.sampled(sampler)
        whole, _ = variant.whole(sampler, folder / f"{sampler}-{number}")
        if number:
            watches.append(watch)
            wholes.append(whole)
    asked = watches[0].images / BLOCK

    def median(clock: str, found: Sequence[Watch], *stages: str) -> float:
        return statistics.median(sum(getattr(w, clock)[s] for s in stages) for w in found)

    return {
        clock: Costs(
            median(clock, watches, "network") / asked,
            median(clock, watches, "quantise", "features"),
            median(clock, watches, "noise", "solver") / asked,
            median(clock, wholes, "moments", "scores", "store"),
        )
        for clock in CLOCKS
    }


def checked(model: str, words: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A sweep, predicted and run."""
    words = {**words, "batch_size": BLOCK, "device": "cpu", "yes": True}
    plan = planning.make(Request.of(model=model, **words, out=str(folder / "planned")))
    cells = list(plan.cells.values())
    names = sorted({cell.conditions["sampler"] for cell in cells})
    first = {**words, "nfe": 6, "num_samples": 2 * BLOCK, "model": model}
    first.pop("sampler")
    variant = load("float32", first, names, folder / "tried")
    each = {name: costs(variant, name, folder / "cells") for name in names}
    predicted = dict.fromkeys(CLOCKS, 0.0)
    for cell, clock in product(cells, CLOCKS):
        blocks = math.ceil(cell.conditions["num_samples"] / BLOCK)
        own = each[cell.conditions["sampler"]][clock]
        predicted[clock] += own.of(evaluations([cell]), blocks, 1)
    began, busy = time.perf_counter(), time.process_time()
    sb.run(model=model, quiet=True, **words, out=str(folder / "run"))
    taken = {"wall": time.perf_counter() - began, "cpu": time.process_time() - busy}
    told = {key: str(value) for key, value in words.items()}
    return {"model": model, "words": told, "cells": len(cells), "evaluations": evaluations(cells),
            "predicted": predicted, "taken": taken,
            "ratio": {clock: taken[clock] / predicted[clock] for clock in CLOCKS}}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="predict and run sweeps instead")
    parser.add_argument("--out", type=Path, help="JSON; default: under benchmarks/results")
    parser.add_argument("--threads", type=int, help="of torch")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if not args.check:
        print(tables())
        return
    found = []
    for model, words in SWEEPS:
        with tempfile.TemporaryDirectory() as place:
            found.append(checked(model, words, Path(place)))
        print(found[-1], flush=True)
    head = ["model", "sampler", "NFE", "cells", "evaluations of 256", "predicted, s", "taken, s",
            "taken / predicted", "the same in CPU seconds"]  # fmt: skip
    rows = [
        [one["model"], one["words"]["sampler"], one["words"]["nfe"], one["cells"],
         one["evaluations"], f"{one['predicted']['wall']:.1f}", f"{one['taken']['wall']:.1f}",
         *(f"{one['ratio'][clock]:.2f}" for clock in CLOCKS)]
        for one in found
    ]  # fmt: skip
    device = torch.device("cpu")
    out = args.out or RESULTS / hardware(device) / "cost_model.json"
    text = "`sb.run` plans, loads, estimates and writes the report, too. Where other work runs "
    text += "beside, CPU seconds with --threads 1 tell more."
    write(out, "The cost model", facts(device), {"sweeps": found}, [table(head, rows), text])


if __name__ == "__main__":
    main()

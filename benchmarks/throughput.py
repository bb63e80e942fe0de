"""Where the time of a cell goes, of real networks with random weights, on a CPU or a GPU.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --networks ncsnpp,adm64,edm2-s --runs 3
    python benchmarks/throughput.py --networks ddpmpp,ncsnpp,adm64,edm2-s \\
        --dtypes float32,tf32,bfloat16,float16 --compile --device cuda

Seconds of each stage of a cell, images a second, FLOP/s beside those of a large matrix product in
the same precision in the same run, and the largest pixel difference to float32. Then, for every
sampler, the share of a block's time that is not the network's. Variants and samplers take turns
block by block; medians are printed, with the lowest and the highest. The result is written as JSON
and Markdown into benchmarks/results/ under the hardware's name.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samplebench.devices import resolve_device
from samplebench.errors import SamplebenchError, UsageError
from samplebench.registry import samplers as registered
from samplebench.sampling.solver import Solver
from timing.busy import utilisation
from timing.ceiling import ceiling
from timing.cells import Variant, load, random_reference
from timing.networks import NETWORKS, Network, words_of
from timing.results import RESULTS, Bar, Ratio, bars_table, facts, hardware, table, write
from timing.stages import STAGES, Watch

# Of each kind of noise one; all others are those of the same loop.
SOME = ("euler", "heun", "edm", "euler-ancestral", "dpmpp-sde", "dpmpp-3m-sde")
# Shares of time outside the network, and of float32's time, that are allowed.
OUTSIDE = {"ddpmpp": 0.02, "digits-vp": 0.05}
BFLOAT16 = 0.65
# With noise in each step, where a sampler has it only if asked for.
PARAMS = {"edm.S_churn": 40}


@dataclass
class Measured:
    """One network in one precision.

    Attributes:
        watches: of blocks, one a round.
        images: of the first block, uint8 [n, H, W, C].
        busy: share of the time that the driver calls the GPU busy, where it says so.
    """

    network: str
    variant: Variant
    block: int
    watches: list[Watch] = field(default_factory=list)
    images: np.ndarray | None = None
    busy: list[float] = field(default_factory=list)

    def median(self, stage: str) -> float:
        return statistics.median(watch.wall[stage] for watch in self.watches)

    @property
    def seconds(self) -> float:
        return statistics.median(watch.seconds for watch in self.watches)

    @property
    def evaluation(self) -> float:
        """Seconds of the network for one evaluation of one image."""
        return statistics.median(w.wall["network"] / w.images for w in self.watches)

    def plain(self, peak: float, first: Measured) -> dict[str, Any]:
        """As plain values.

        Args:
            peak: FLOP/s of the ceiling.
            first: the same network in the first precision.
        """
        gflop, found = self.variant.bench.gflop or float("nan"), self.watches
        flops = gflop * 1e9 / self.evaluation
        pairs = zip(found, first.watches, strict=True)
        assert self.images is not None and first.images is not None
        apart = np.abs(self.images.astype(np.int16) - first.images)
        return {
            "network": self.network, "precision": self.variant.name, "block": self.block,
            "gflop_per_evaluation": gflop,
            "seconds_per_block": {stage: self.median(stage) for stage in STAGES[:5]},
            "images_per_second": self.block / self.seconds,
            "achieved_flops": flops, "ceiling_flops": peak, "of_ceiling": flops / peak,
            "network_time_of_first": Ratio.of(
                a.wall["network"] / b.wall["network"] for a, b in pairs
            ),
            "gpu_busy": self.busy[0] if self.busy else None,
            "largest_pixel_difference": int(apart.max()), "mean_pixel_difference": apart.mean(),
        }  # fmt: skip


def variants(
    network: Network, samplers: Sequence[str], args: argparse.Namespace, folder: Path
) -> tuple[list[Measured], list[str]]:
    """A network in each precision that it and this device have, and why not in the others."""
    block = args.block or (network.gpu_block if args.device.type == "cuda" else network.block)
    words = {
        **words_of(network, folder), "nfe": args.nfe, "batch_size": block,
        "num_samples": args.blocks * block, "device": str(args.device),
    }  # fmt: skip
    if network.class_name is not None:
        words |= random_reference("pixels", folder)
    if "edm" in samplers:
        words["param"] = PARAMS
    found, refused = list[Measured](), list[str]()
    for dtype in args.dtypes:
        for compiled in (False, True) if args.compile else (False,):
            name = f"{dtype}, compiled" if compiled else dtype
            own = {**words, "dtype": dtype, **({"compile": True} if compiled else {})}
            try:
                loaded = load(name, own, samplers, folder / f"{network.name}-{name}")
            except SamplebenchError as error:
                refused.append(f"{network.name} in {name}: {error}")
                continue
            found.append(Measured(network.name, loaded, block))
    return found, refused


def measure(every: Sequence[Measured], sampler: str, runs: int) -> None:
    """Blocks of each variant in turn; a first round warms up and leaves the images."""
    for number in range(runs + 1):
        for one in every:
            with utilisation(one.variant.device, busy := []):
                watch, block = one.variant.sampled(sampler)
            if number:
                one.watches.append(watch)
                one.busy = busy or one.busy
            else:
                one.images = block.images


def outside(one: Measured, samplers: Sequence[str], runs: int) -> dict[str, dict[str, Ratio]]:
    """Shares of wall and CPU seconds outside the network, by sampler, in turn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in samplers}
    for number in range(runs + 1):
        for name in samplers:
            watch, _ = one.variant.sampled(name)
            if number:
                found[name].append(watch.outside)
    return {
        name: {"wall": Ratio.of(w for w, _ in each), "cpu": Ratio.of(c for _, c in each)}
        for name, each in found.items()
    }


def fitting(words: str, network: Network, folder: Path) -> list[str]:
    """The samplers to measure: named, some, or all that make images of a network at a budget."""
    if words not in ("", "all"):
        return words.split(",")
    if words == "" and network.class_name is not None:
        return list(SOME)
    given = words_of(network, folder)
    import samplebench as sb

    model = sb.load(given["model"], format=given.get("format"), device="cpu")
    found = []
    for entry in registered:
        try:
            solver = Solver.on(model, entry.name, network.name)
        except UsageError:
            continue
        if solver.entry.draws and entry.evaluations is not None:
            found.append(entry.name)
    return found


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", default="digits-vp,ddpmpp", help=", ".join(NETWORKS))
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--compile", action="store_true", help="each precision compiled, too")
    parser.add_argument("--block", type=int, help="images at once; default: the network's own")
    parser.add_argument("--blocks", type=int, default=2, help="of the whole cell")
    parser.add_argument("--nfe", type=int, help="default: 20 of 8x8, else 6; 18 on a GPU")
    parser.add_argument("--samplers", default="", help="default: some; all of 8x8. 'all': all")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, help="of torch on a CPU")
    parser.add_argument("--out", type=Path, help="JSON; default: under benchmarks/results")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.device, args.dtypes = resolve_device(args.device), args.dtypes.split(",")
    args.networks = [NETWORKS[name] for name in args.networks.split(",")]
    args.out = args.out or RESULTS / hardware(args.device) / "throughput.json"
    args.budget = args.nfe
    return args


def main() -> None:
    args, bars = parsed(), list[Bar]()
    cells, whole, shares, refused = [], {}, {}, list[str]()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for network in args.networks:
            small = network.class_name is None
            args.nfe = args.budget or (18 if args.device.type == "cuda" else 20 if small else 6)
            names = fitting(args.samplers, network, folder)
            found, lines = variants(network, names, args, folder)
            refused += lines
            if not found:
                continue
            # A budget may be too small for some.
            names = [name for name in names if name in found[0].variant.cells]
            measure(found, names[0], args.runs)
            peaks = {one.variant.name: ceiling(one.variant.name.split(",")[0], args.device)
                     for one in found}  # fmt: skip
            for one in found:
                cells.append(one.plain(peaks[one.variant.name], found[0]))
                print({key: str(value) for key, value in cells[-1].items()}, flush=True)
            watch, images = found[0].variant.whole(names[0], folder / f"{network.name}-whole")
            whole[network.name] = {"images": images, **watch.wall}
            shares[network.name] = outside(found[0], names, args.runs)
            bars += bars_of(network.name, cells, shares[network.name])
    known = facts(args.device)
    data = {"cells": cells, "whole_cells": whole, "outside": shares, "refused": refused}
    write(args.out, "Throughput", known, {**data, "bars": bars}, told(cells, whole, shares, bars))
    for line in refused:
        print(f"not measured: {line}")


def bars_of(
    network: str, cells: Iterable[dict[str, Any]], shares: dict[str, dict[str, Ratio]]
) -> list[Bar]:
    """Those that are set for a network."""
    found = []
    if network in OUTSIDE:
        worst = max(shares, key=lambda name: shares[name]["wall"].median)
        what = f"{network}: share outside the network, of {len(shares)} samplers most: {worst}"
        found.append(Bar(what, shares[worst]["wall"].median, OUTSIDE[network]))
    half = [c for c in cells if (c["network"], c["precision"]) == (network, "bfloat16")]
    if network == "ddpmpp" and half:
        ratio = half[0]["network_time_of_first"].median
        found.append(Bar("ddpmpp: bfloat16's time of float32's", ratio, BFLOAT16))
    return found


def told(
    cells: list[dict[str, Any]],
    whole: dict[str, dict[str, float]],
    shares: dict[str, dict[str, dict[str, Ratio]]],
    bars: Iterable[Bar],
) -> list[str]:
    """The same in Markdown."""
    head = [
        "network", "precision", "block", "images/s", "GFLOP/s", "of the ceiling",
        "network's time, of the first", "largest (mean) pixel difference", "GPU busy",
    ]  # fmt: skip
    rows = [
        [c["network"], c["precision"], c["block"], f"{c['images_per_second']:.3g}",
         f"{c['achieved_flops'] / 1e9:,.0f}", f"{c['of_ceiling']:.2f}",
         c["network_time_of_first"],
         f"{c['largest_pixel_difference']} ({c['mean_pixel_difference']:.3f}) of 255",
         "-" if c["gpu_busy"] is None else f"{c['gpu_busy']:.2f}"]
        for c in cells
    ]  # fmt: skip
    stages = ["other", *STAGES]
    seconds = [
        [name, one["images"], *(f"{one.get(stage, 0.0):.3f}" for stage in stages)]
        for name, one in whole.items()
    ]
    outs = [
        [network, name, *(f"{100 * one[k].median:.2f} ({100 * one[k].low:.2f} to "
                          f"{100 * one[k].high:.2f})" for k in ("wall", "cpu"))]
        for network, each in shares.items() for name, one in each.items()
    ]  # fmt: skip
    return [
        bars_table(bars),
        "One block's images a second; the ceiling is a matrix product in the same precision. Pixel "
        "differences are those of random weights, which cancel nothing: how far rounding carries.",
        table(head, rows),
        "Seconds by stage of a whole small cell. `scores` and most of `moments` are a cell's, "
        "however many images it has.",
        table(["network", "images", *stages], seconds),
        "Per cent of a block's time that is not the network's: noise, the sampler's arithmetic, "
        "quantisation, features. Features are made in line here; on a GPU a run makes them beside "
        "the next block, so that their share is the most that can be exposed.",
        table(["network", "sampler", "of wall time", "of CPU time"], outs),
    ]


if __name__ == "__main__":
    main()

"""What the engine of one process costs beside its network: a sweep, a second run, memory.

    python benchmarks/engine_costs.py
    python benchmarks/engine_costs.py --samples 5000 --runs 7 --parts sweep memory samplers

sweep: `sb.run` over NFE 5, 10, 20, 35 on one sampler. The seconds of its cells, scores included,
beside those within the network, and beside so many single evaluations of a block, timed on the same
loaded model before and after. What does not grow with the samples (planning, loading, the report)
stands apart. The sweep is then run again.
memory: the largest resident memory of a run of 5,000 and of one of 50,000 samples, each in a
process of its own.
samplers: of every registered sampler the share of CPU seconds of one block that is not the
network's, with one thread, so that nothing waits in a loop.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import samplebench as sb
from samplebench.bench import plan as planning
from samplebench.bench.block import run_block
from samplebench.bench.conditions import setting_of
from samplebench.bench.engines import here as engine
from samplebench.bench.engines.here import load_bench
from samplebench.bench.estimate import seconds_per_block
from samplebench.bench.request import Request
from samplebench.errors import SamplebenchError
from samplebench.models.bound import Bound, listening
from samplebench.registry import samplers
from timing.results import RESULTS, Bar, Ratio, bars_table, facts, hardware, table, write

NFE = (5, 10, 20, 35)
_MEGABYTES = 60
_LOOKS = 12  # each is the median of a few evaluations
PARTS = ("sweep", "memory", "samplers")


def sweep(model: str, block: int, count: int, runs: int) -> dict[str, Any]:
    """Seconds of a sweep beside those of its evaluations, and evaluations of a second run."""
    words = dict(model=model, sampler="euler", nfe=list(NFE), num_samples=count, batch_size=block)
    evaluations = sum(NFE) * -(-count // block)
    loaded, network, single, apart, again = sb.load(model), [], [], [], 0
    for _ in range(runs):
        before = _single(loaded, block)
        with tempfile.TemporaryDirectory() as folder:
            inside, whole, sampled = _timed(lambda at=folder: sb.run(quiet=True, out=at, **words))
            again += _evaluations(lambda at=folder: sb.run(quiet=True, out=at, **words))
        alone = (before + _single(loaded, block)) / 2 * evaluations
        network.append(sampled / sum(inside))
        single.append(sampled / alone)
        apart.append(whole - sampled)
    return {
        "samples": count,
        "evaluations": evaluations,
        "over the network's seconds": Ratio.of(network),
        "over single evaluations": Ratio.of(single),
        "seconds of planning, loading and report": statistics.median(apart),
        "evaluations of the second run": again,
    }


def _single(model: Any, block: int) -> float:
    """Mean seconds of an evaluation of a block by itself, of as many as even out what a shared
    machine does to each."""
    return statistics.mean(seconds_per_block(model, block) for _ in range(_LOOKS))


def _timed(call: Callable[[], object]) -> tuple[list[float], float, float]:
    """Seconds of the evaluations of cells, of the call, and of its cells."""
    found: list[float] = []
    took: list[float] = []
    plain = engine.run_cell

    def cell(*given: Any) -> Any:
        began = time.perf_counter()
        with listening(lambda images, seconds: found.append(seconds)):
            result = plain(*given)
        took.append(time.perf_counter() - began)
        return result

    with patch.object(engine, "run_cell", cell):
        began = time.perf_counter()
        call()
        whole = time.perf_counter() - began
    return found, whole, sum(took)


def _evaluations(call: Callable[[], object]) -> int:
    """How often a call asks the network; rehearsals of samplers have one toy pixel."""
    found: list[int] = []
    with listening(lambda images, seconds: found.append(images)):
        call()
    return sum(images > 1 for images in found)


def memory(model: str, block: int) -> dict[str, float]:
    """MB of the largest resident memory, by the number of samples."""
    found = {}
    for count in (5000, 50_000):
        command = [sys.executable, __file__, "--one", str(count), "--model", model]
        done = subprocess.run(
            [*command, "--block", str(block)], capture_output=True, text=True, check=True
        )
        found[str(count)] = float(done.stdout.split()[-1])
    return found


def one(model: str, block: int, count: int) -> None:
    """A run of one cell in this process; prints its largest resident memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        words = dict(model=model, sampler="euler", nfe=2, num_samples=count, batch_size=block)
        sb.run(quiet=True, out=folder, **words)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@contextmanager
def _counted(inside: list[float]) -> Iterator[None]:
    """Adds up CPU seconds of this thread within the network."""
    ask = Bound.ask

    def asked(bound: Bound, *given: Any, **rows: Any) -> Any:
        began = time.thread_time()
        try:
            return ask(bound, *given, **rows)
        finally:
            inside[0] += time.thread_time() - began

    with patch.object(Bound, "ask", asked):
        yield


def each_sampler(model: str, block: int, nfe: int, runs: int) -> dict[str, Ratio]:
    """Share outside the network of a block, by sampler; where it is noisy by itself, noisy."""
    device, cells, bench = torch.device("cpu"), {}, None
    for name, param in [*((entry.name, None) for entry in samplers), ("edm", "edm.S_churn=40")]:
        words = dict(model=model, sampler=name, num_samples=block, batch_size=block, param=param)
        try:
            plan = planning.make(Request.of(**words, nfe=None if name == "rk45" else nfe))
        except SamplebenchError:
            continue  # another kind of model, or images to noise
        (cell,) = plan.cells.values()
        bench = bench or load_bench(plan, model, [cell], device)
        cells[param or name] = cell
    assert bench is not None
    found: dict[str, list[float]] = {name: [] for name in cells}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for turn in range(runs + 1):
        for name, cell in cells.items():
            inside, began = [0.0], time.thread_time()
            with _counted(inside):
                run_block(bench, setting_of(bench.model, cell.conditions), cell.conditions, 0)
            if turn:  # the first round warms up
                found[name].append(1 - inside[0] / (time.thread_time() - began))
    torch.set_num_threads(before)
    return {name: Ratio.of(shares) for name, shares in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="digits-vp")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--nfe", type=int, default=20, help="of the part samplers")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.model, args.block, args.one)
        return
    device, bars, parts, found = torch.device("cpu"), [], [], dict[str, Any]()
    if "sweep" in args.parts:
        found["sweep"] = each = sweep(args.model, args.block, args.samples, args.runs)
        parts.append(table(["sweep", ""], each.items()))
        bars.append(Bar("sweep over its evaluations", each["over single evaluations"].median, 1.05))
        bars.append(Bar("evaluations of the second run", each["evaluations of the second run"], 0))
    if "memory" in args.parts:
        found["memory"] = sizes = memory(args.model, args.block)
        parts.append(table(["samples", "MB"], sizes.items()))
        bars.append(
            Bar("MB more for ten times the samples", sizes["50000"] - sizes["5000"], _MEGABYTES)
        )
    if "samplers" in args.parts:
        shares = each_sampler(args.model, args.block, args.nfe, args.runs)
        found["outside the network"] = shares
        parts.append(table(["sampler", "CPU share outside the network"], shares.items()))
        worst = max(shares, key=lambda name: shares[name].median)
        bars.append(Bar(f"share outside the network, {worst}", shares[worst].median, 0.05))
    parts.insert(0, bars_table(bars))
    out = args.out or RESULTS / hardware(device) / "engine_costs.json"
    title = f"The engine of one process: {args.model}, blocks of {args.block}"
    write(out, title, facts(device), {"bars": bars, **found}, parts)


if __name__ == "__main__":
    main()

"""Sampling throughput of two Ray workers against one process, each worker of one thread.

    python benchmarks/cluster.py [--seconds 60] [--workers 2]

Both sample the same cells of digits-vp for at least that long; counted is the time from the first
folded block to the last, so that no start-up is in it. The files they leave are compared byte by
byte. Ray's own processes take CPU time, too: it is printed as a share of what the cores have, so
that a ratio below the number of workers is explained. The result is written as JSON and Markdown
into benchmarks/results/ under the hardware's name.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import torch

from timing.results import RESULTS, facts, hardware, table, write

# Times the pace of one process.
LEAST = 1.6

_CHILD = """
import json, sys, time
import torch
torch.set_num_threads(1)
from samplebench.bench.progress import Progress
import samplebench as sb

moments = []
plain = Progress.advance

def advance(self, samples, cell=None):
    moments.append((time.time(), samples))
    plain(self, samples, cell)

Progress.advance = advance
words = json.loads(sys.argv[1])
sb.run(quiet=True, **words)
(first, _), (last, _) = moments[0], moments[-1]
print(json.dumps([sum(n for _, n in moments[1:]), first, last, time.process_time()]))
"""
# Processes of Ray that sample nothing.
_OWN = ("raylet", "gcs_server", "ray::IDLE", "ray::RuntimeEnv", "log_monitor", "ray-dashboard",
        "monitor.py", "dashboard")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What one run did between its first folded block and its last.

    Attributes:
        driver, ray: CPU seconds of the program, start-up included, and of Ray's own processes.
    """

    images: int
    seconds: float
    driver: float
    ray: float = 0.0

    @property
    def pace(self) -> float:
        return self.images / self.seconds


def own_seconds(seen: dict[int, float]) -> None:
    """Notes the CPU seconds so far of Ray's own processes."""
    tick = os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if any(word in name for word in _OWN) and "benchmarks/" not in name:
            seen[int(folder.name)] = (int(fields[11]) + int(fields[12])) / tick


def ran(words: dict[str, object], out: Path) -> Run:
    """One run in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, json.dumps({**words, "out": str(out)})],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    seen, over = dict[int, float](), threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            own_seconds(seen)

    watcher = threading.Thread(target=watch)
    before = dict[int, float]()
    own_seconds(before)
    watcher.start()
    output, _ = child.communicate()
    over.set()
    watcher.join()
    if child.returncode:
        raise SystemExit(f"a run ended with {child.returncode}")
    images, first, last, driver = json.loads(output.splitlines()[-1])
    ray = sum(value - before.get(pid, 0.0) for pid, value in seen.items())
    return Run(images, last - first, driver, ray)


def same(one: Path, other: Path) -> bool:
    """Whether the files that are kept of cells are equal, byte by byte."""
    names = {path.name for path in (one / "cells").glob("*.npz")}
    equal = all(
        (one / "cells" / n).read_bytes() == (other / "cells" / n).read_bytes() for n in names
    )
    return bool(names) and equal and names == {p.name for p in (other / "cells").glob("*.npz")}


def told(single: Run, crew: Run, workers: int, block: int, equal: bool) -> list[str]:
    """The same in Markdown."""
    share = (crew.ray + crew.driver) / (crew.seconds * (os.cpu_count() or 1))
    rows = [
        [name, f"{run.images:,}", f"{run.seconds:.1f}", f"{run.pace:.1f}"]
        for name, run in (("one process", single), (f"{workers} workers", crew))
    ]
    return [
        f"digits-vp, blocks of {block}, one thread each. Ratio: {crew.pace / single.pace:.2f} "
        f"(bar: at least {LEAST}). Bits {'equal' if equal else 'DIFFER'}.",
        table(["", "images", "seconds", "images/s"], rows),
        f"CPU of Ray's own processes: {crew.ray:.1f} s, of the driver: {crew.driver:.1f} s; both "
        f"with their start, {100 * share:.0f} % of what {os.cpu_count()} cores had meanwhile.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of the shorter run, at least")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--out", type=Path, help="JSON; default: under benchmarks/results")
    args, device = parser.parse_args(), torch.device("cpu")
    words: dict[str, object] = {"model": "digits-vp", "sampler": "heun", "nfe": [19], "seed": 0}
    words |= {"batch_size": args.block, "device": "cpu", "metric": "fd-digits"}
    with tempfile.TemporaryDirectory() as folder:
        probe = ran({**words, "num_samples": 4 * args.block}, Path(folder) / "probe")
        number = args.workers * probe.pace * args.seconds * 1.1
        words["num_samples"] = max(4, round(number / args.block)) * args.block
        single = ran(words, Path(folder) / "one")
        many = {**words, "engine": "ray", "workers": args.workers}
        crew = ran(many, Path(folder) / "many")
        equal = same(Path(folder) / "one", Path(folder) / "many")
    found = {"workers": args.workers, "block": args.block, "equal": equal, "least": LEAST,
             "ratio": crew.pace / single.pace, "single": single, "crew": crew}  # fmt: skip
    out = args.out or RESULTS / hardware(device) / "cluster.json"
    title = f"{args.workers} workers of Ray beside one process"
    parts = told(single, crew, args.workers, args.block, equal)
    write(out, title, facts(device), found, parts)


if __name__ == "__main__":
    main()

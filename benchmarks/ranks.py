"""What a second process is worth: images per second of two of one thread, and of one.

    python benchmarks/ranks.py                     # 3 rounds, at least 60 s of sampling each
    python benchmarks/ranks.py --seconds 10 --rounds 1

Both sample the same cell of digits-vp under torchrun, turn and turn about, and must end with the
same bits. The clock runs on rank 0 from the first folded block to the last, so start-up and scores
are left out. Nothing else should run on the machine meanwhile. The result is written as JSON and
Markdown into benchmarks/results/ under the hardware's name.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from timing.results import RESULTS, Ratio, facts, hardware, table, write

# Times the pace of one process.
LEAST = 1.8
# Not counted: of the first block nobody knows when it began. A round for each process.
_UNCOUNTED = 2
_VOLATILE = ("seconds", "provenance", "checksum")


def sample(words: dict[str, Any]) -> None:
    """One rank's work; rank 0 prints the images of the clock and its seconds."""
    import samplebench as sb
    from samplebench.bench.progress import Progress

    folded: list[tuple[float, int]] = []
    advance = Progress.advance

    def noted(self: Progress, samples: int) -> None:
        folded.append((time.perf_counter(), samples))
        advance(self, samples)

    Progress.advance = noted  # type: ignore[method-assign]
    sb.run(quiet=True, **words)
    if os.environ.get("RANK") == "0":
        counted = folded[_UNCOUNTED:]
        seconds = counted[-1][0] - folded[_UNCOUNTED - 1][0]
        print(json.dumps([sum(samples for _, samples in counted), seconds]))


def measured(processes: int, words: dict[str, Any]) -> float:
    """Images per second of so many processes of one thread."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*launch, str(processes), __file__, "--words", json.dumps(words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    images, seconds = json.loads(done.stdout.splitlines()[-1])
    print(f"{processes} x 1 thread: {images / seconds:8.1f} images/s over {seconds:5.1f} s")
    return float(images / seconds)


def content(out: Path) -> dict[str, Any]:
    """What is filed, but for times and places."""
    found: dict[str, Any] = {}
    for path in sorted(p for name in ("cells", "scores") for p in (out / name).iterdir()):
        found[path.name] = path.read_bytes()
        if path.suffix == ".json":
            record = json.loads(found[path.name])
            found[path.name] = {k: v for k, v in record.items() if k not in _VOLATILE}
    return found


def compare(seconds: float, rounds: int, block: int, nfe: int) -> dict[str, Any]:
    """Prints every measurement; images per second of each round, and the ratios."""
    words = {"model": "digits-vp", "sampler": "heun", "nfe": nfe, "batch_size": block}
    ratios, paces, equal = list[float](), list[dict[int, float]](), True
    with tempfile.TemporaryDirectory() as folder:
        few = {**words, "num_samples": 8 * block, "out": f"{folder}/few"}
        rate = measured(1, few)
        count = block * math.ceil(max(8, 2.2 * seconds * rate / block))
        print(f"{count:,} images, NFE {nfe}, blocks of {block}")
        for number in range(rounds):
            speeds, found = {}, []
            # Who is first changes, so that a machine that slows down favours nobody.
            for processes in (1, 2) if number % 2 else (2, 1):
                out = f"{folder}/{number}-{processes}"
                speeds[processes] = measured(processes, {**words, "num_samples": count, "out": out})
                found.append(content(Path(out)))
            ratios.append(speeds[2] / speeds[1])
            paces.append(speeds)
            equal &= found[0] == found[1]
            print(f"ratio {ratios[-1]:.3f}, bits {_said(found[0] == found[1])}")
    return {"images": count, "nfe": nfe, "block": block, "images_per_second": paces,
            "ratio": Ratio.of(ratios), "least": LEAST, "equal": equal}  # fmt: skip


def _said(equal: bool) -> str:
    return "equal" if equal else "DIFFER"


def told(found: dict[str, Any]) -> list[str]:
    """The same in Markdown."""
    rows = [[f"{pace[1]:.1f}", f"{pace[2]:.1f}"] for pace in found["images_per_second"]]
    return [
        f"digits-vp, {found['images']:,} images, NFE {found['nfe']}, blocks of {found['block']}. "
        f"Ratio: {found['ratio']} (bar: at least {LEAST}). Bits {_said(found['equal'])}.",
        table(["one process of one thread, images/s", "two, images/s"], rows),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="of sampling, at least")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--nfe", type=int, default=35)
    parser.add_argument("--out", type=Path, help="JSON; default: under benchmarks/results")
    parser.add_argument("--words", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.words:
        sample(json.loads(args.words))
        return
    found, device = compare(args.seconds, args.rounds, args.block, args.nfe), torch.device("cpu")
    out = args.out or RESULTS / hardware(device) / "ranks.json"
    write(out, "Two processes of torchrun beside one", facts(device), found, told(found))


if __name__ == "__main__":
    main()

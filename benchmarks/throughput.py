"""Where the time of a sweep goes, as ratios measured side by side in one run.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --device cuda --rounds 9

For every registered sampler that runs at an equal budget of evaluations: seconds per evaluation
over the bare model's, the rest being the sampler's own arithmetic and its noise; then the costs of
noise, uint8 conversion and features per batch in units of one evaluation. Rounds are interleaved,
medians are printed: absolute times of a shared machine mean little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import samplebench as sb
from samplebench.devices import resolve_device
from samplebench.images import to_uint8
from samplebench.noise.streams import stream
from samplebench.registry import extractors, samplers


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Wall time of one call, the device's queue included."""
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="digits-exact")
    parser.add_argument("--device", default=None)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--nfe", type=int, default=35)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()

    device = resolve_device(args.device)
    model = sb.load(args.model, device=device)
    extractor = extractors.get("digits")(device=device)
    seeds = range(args.batch_size)
    noise = stream("portable", seeds, device, model.state_dtype)
    x, labels = noise.start(model.shape, model.num_classes)
    sigma = torch.tensor(1.0, dtype=torch.float64)
    images = to_uint8(x, "edm")

    calls: dict[str, tuple[Callable[[], object], int]] = {
        "one evaluation": (lambda: model(x, sigma, labels), 1),
        "noise, one draw": (lambda: noise(x), 1),
        "to uint8": (lambda: to_uint8(x, "edm"), 1),
        "features": (lambda: extractor(images), 1),
    }
    for entry in samplers:
        count = entry.evaluations(10_000) / 10_000  # evaluations per step, for the label only

        def run(name: str = entry.name) -> object:
            return sb.sample(model, name, nfe=args.nfe, seeds=seeds)

        done: list[float] = []
        sb.sample(
            model, entry.name, nfe=args.nfe, seeds=seeds, callback=lambda s, d=done: d.append(s.nfe)
        )
        calls[f"{entry.name} ({count:.0f} per step)"] = (run, int(done[-1]))

    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(args.rounds + 1):  # the first round warms up
        for name, (call, evaluations) in calls.items():
            times[name].append(seconds(call, device) / evaluations)
    unit = statistics.median(times["one evaluation"][1:])
    print(f"{args.model} on {device}, batch {args.batch_size}, {args.rounds} rounds")
    print(f"one evaluation: {unit * 1e3:.3f} ms, {args.batch_size / unit:,.0f} images/s")
    for name, found in times.items():
        ratios = [value / unit for value in found[1:]]
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"{name:<24} {middle:6.2f} x one evaluation   ({low:.2f} .. {high:.2f})")


if __name__ == "__main__":
    main()

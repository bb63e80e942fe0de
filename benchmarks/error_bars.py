"""Error bars of the Frechet distance from one eigen-decomposition, beside those of 20 distances.

    python benchmarks/error_bars.py --images my/images
    python benchmarks/error_bars.py --cost 50000

The first prints how the standard errors of first and second order compare with exact ones, by
samples per feature; the second what they take at 2,048 features, in CPU seconds and in distances.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import samplebench as sb
from samplebench.features.digits import DigitsExtractor
from samplebench.features.pixels import PixelsExtractor
from samplebench.image_sets import read
from samplebench.images import to_uint8
from samplebench.metrics.expansion import Expansion
from samplebench.metrics.frechet import frechet, frechet_distance, symmetric_root
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.metrics.uncertainty import delete_one, spread
from samplebench.scoring.extract import statistics_of

RATIOS = (1.5, 2, 3, 4, 6, 10, 20, 30, 50)
REPEATS = 10
# (number of rows, seed) -> features [n, D].
Draw = Callable[[int, int], np.ndarray]


def correlated(dim: int, kind: str, scale: float = 1.0) -> Draw:
    """Numbers whose variances fall as a power, as those of features do.

    Args:
        kind: "gaussian", "heavy" (rows of unequal length), or "sparse" (a tenth is above 0).
    """
    mixing = np.random.default_rng(dim).standard_normal((dim, dim)).astype(np.float32)
    mixing *= ((1 + np.arange(dim, dtype=np.float32)) ** -0.5)[:, None]
    mixing /= np.sqrt(np.square(mixing).sum(axis=0))

    def draw(n: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((n, dim), dtype=np.float32) @ (scale * mixing)
        if kind == "heavy":
            rows *= np.exp(0.5 * rng.standard_normal((n, 1), dtype=np.float32))
        return np.maximum(rows - 1.3, 0) if kind == "sparse" else rows

    return draw


def digits(n: int, seed: int) -> np.ndarray:
    """Features of exact draws of digits-exact."""
    drawn, _ = sb.load("digits-exact", device="cpu").draw(n, 7000 + seed)
    return DigitsExtractor()(to_uint8(drawn, "edm")).numpy()


def pixels(folder: Path) -> tuple[Draw, np.ndarray]:
    """Pixel features of random images of a set, and those of all of them."""
    images = read(folder)
    rows = statistics_of(images, [(PixelsExtractor(), True)], device="cpu")[0].rows
    assert rows is not None
    return lambda n, seed: rows[np.random.default_rng(seed).choice(len(rows), n)], rows


def reference(rows: np.ndarray) -> SimpleNamespace:
    moments = Moments.of(rows)
    return SimpleNamespace(mean=moments.mean, cov=moments.cov, root=symmetric_root(moments.cov))


def ratios(rows: np.ndarray, ref: Any) -> tuple[float, float]:
    """Standard errors of first and second order over the exact one."""
    blocked = BlockedMoments.of(rows)
    exact = spread(delete_one(blocked, lambda left: frechet(left, ref)["value"]))
    expansion = Expansion.of(blocked.total, ref)
    first, second = (spread(expansion.deleted(blocked.parts, order)) / exact for order in (1, 2))
    return first, second


def compare(name: str, draw: Draw, ref: Any, repeats: int) -> None:
    """One line for each number of samples per feature: medians, least and largest."""
    dim = len(ref.mean)
    for ratio in RATIOS:
        found = np.array([ratios(draw(int(ratio * dim), s), ref) for s in range(1, 1 + repeats)])
        texts = (f"{np.median(x):.3f} ({x.min():.2f} to {x.max():.2f})" for x in found.T)
        print(
            f"{name:24} D = {dim:4}  N/D = {ratio:4}  first {next(texts)}  second {next(texts)}",
            flush=True,
        )


def sets(images: Path | None) -> Iterator[tuple[str, Draw, Any]]:
    """Samples and what they are compared with: their own distribution, where not said."""
    yield "digits", digits, reference(digits(50_000, 0))
    yield "digits, real", digits, reference(statistics_of_digits())
    if images is not None:
        draw, rows = pixels(images)
        yield "pixels", draw, reference(rows)
        yield "pixels, brighter", lambda n, seed: 1.1 * draw(n, seed) + 0.05, reference(rows)
    for kind in ("gaussian", "heavy", "sparse"):
        for dim in (64, 256):
            yield kind, correlated(dim, kind), reference(correlated(dim, kind)(50_000, 0))
            own = reference(correlated(dim, kind)(50_000, 0))
            yield f"{kind}, 1.2 times", correlated(dim, kind, 1.2), own


def statistics_of_digits() -> np.ndarray:
    """Features of the real digits."""
    from samplebench.embedded import load_digits

    return DigitsExtractor()(torch.from_numpy(load_digits()[0])).numpy()


def timed(name: str, function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, printed, and what it returned."""
    began, wall = time.process_time(), time.perf_counter()
    found = function()
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{name:28} {cpu:6.2f} CPU s, {wall:6.2f} s; peak {peak:,.0f} MB", flush=True)
    return cpu, found


def cost(count: int, dim: int = 2048) -> None:
    """CPU seconds, in distances, and peak memory."""
    draw = correlated(dim, "gaussian")
    ref = reference(draw(3 * dim, 0))
    rows = np.concatenate([draw(min(5000, count - i), 1 + i) for i in range(0, count, 5000)])
    print(f"N = {count:,}, D = {dim:,}: rows {rows.nbytes / 1e6:,.0f} MB")
    _, blocked = timed("moments of all blocks", lambda: BlockedMoments.of(rows))
    moments = blocked.total
    given = moments.mean, moments.cov, ref.mean, ref.cov
    one, _ = timed("a distance", lambda: frechet_distance(*given, root2=ref.root))
    whole, _ = timed("a distance without root2", lambda: frechet_distance(*given))
    decomposing, expansion = timed("the eigen-decomposition", lambda: Expansion.of(moments, ref))
    errors = {}
    for order in (1, 2):
        taken, values = timed(f"order {order}", partial(expansion.deleted, blocked.parts, order))
        errors[order], total = spread(values), decomposing + taken
        print(
            f"  error bar alone: {(total - one) / one:.2f} distances; with the value: "
            f"{total / one:.2f}, {total / whole:.2f} of those without root2"
        )
    estimate = lambda left: frechet(left, ref)["value"]  # noqa: E731
    _, values = timed("20 distances", lambda: delete_one(blocked, estimate))
    told = ", ".join(f"order {order} {e / spread(values):.3f}" for order, e in errors.items())
    print(f"standard errors over the exact one: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, help="a set of images for the pixels' features")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"default: {REPEATS}")
    parser.add_argument("--cost", type=int, metavar="N", help="what N samples take instead")
    args = parser.parse_args()
    if args.cost:
        cost(args.cost)
        return
    for name, draw, ref in sets(args.images):
        compare(name, draw, ref, args.repeats)


if __name__ == "__main__":
    main()

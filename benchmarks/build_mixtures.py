"""Builds the mixtures of Gaussians that ship in samplebench/embedded, `exact-*.npz`.

    python benchmarks/build_mixtures.py

`exact-2d` is a spiral in the plane, `exact-modes` 32 narrow modes in 16 dimensions of different
weights, `exact-overlap` ten wide ones in 8 dimensions that overlap, each with axes of its own and
standard deviations from 0.02 to 0.6. Everything is drawn from one seed. On another platform the
last bits of the orthogonal axes may differ.
"""

from __future__ import annotations

import argparse

import numpy as np

from build_embedded import write_npz
from samplebench.embedded import packaged
from samplebench.files.atomic import sha256

Arrays = dict[str, np.ndarray]


def spiral(rng: np.random.Generator) -> Arrays:
    """24 components along r = 0.15 + 0.65 s, of which each is as long as its part of the curve."""
    s = (np.arange(24) + 0.5) / 24
    angle, radius = 3.5 * np.pi * s, 0.15 + 0.65 * s
    means = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    along = 3.5 * np.pi * radius[:, None] * np.stack([-np.sin(angle), np.cos(angle)], 1)
    along += 0.65 * np.stack([np.cos(angle), np.sin(angle)], 1)
    length = np.linalg.norm(along, axis=1)
    first = along / length[:, None]
    axes = np.stack([first, np.stack([-first[:, 1], first[:, 0]], 1)], 2)
    variances = np.stack([(0.4 * length / 24) ** 2, np.full(24, 0.025**2)], 1)
    return {
        "weights": length / length.sum(),
        "means": means.reshape(24, 1, 1, 2),
        "variances": variances,
        "axes": axes,
    }


def modes(rng: np.random.Generator) -> Arrays:
    """32 components of standard deviation 0.04, the heaviest four times as likely as the last."""
    weights = np.geomspace(4, 1, 32)
    return {
        "weights": weights / weights.sum(),
        "means": rng.uniform(-0.75, 0.75, (32, 1, 4, 4)),
        "variances": np.full((32, 16), 0.04**2),
    }


def overlap(rng: np.random.Generator) -> Arrays:
    """Ten components whose means are closer to each other than they are wide."""
    axes, _ = np.linalg.qr(rng.standard_normal((10, 8, 8)))
    weights = rng.uniform(0.5, 1.5, 10)
    return {
        "weights": weights / weights.sum(),
        "means": rng.normal(0, 0.2, (10, 1, 2, 4)),
        "variances": np.exp(rng.uniform(np.log(0.02), np.log(0.6), (10, 8))) ** 2,
        "axes": axes,
    }


RECIPES = {"exact-2d": spiral, "exact-modes": modes, "exact-overlap": overlap}


def build(seed: int) -> dict[str, Arrays]:
    """The arrays of each file."""
    return {name: make(np.random.default_rng(seed)) for name, make in RECIPES.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=20_261_129, help="of means and axes")
    for name, arrays in build(parser.parse_args().seed).items():
        path = packaged(f"{name}.npz")
        write_npz(path, arrays)
        print(f"{path.name}: {path.stat().st_size:,} bytes, sha256 {sha256(path)}")


if __name__ == "__main__":
    main()

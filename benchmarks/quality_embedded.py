"""How good the embedded models are: the table of docs/digits.md and its picture.

    python benchmarks/quality_embedded.py
    python benchmarks/quality_embedded.py --model digits-edm --ranges 1

fd-digits of 1,797 samples at each family's usual step count, in units of H, the mean distance
between random halves of the real digits; the same of Euler at 5 evaluations; and how far the
samples are from the training images, in units of how far the held-out images are from them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

import samplebench as sb
from embedded_models.data import images_and_labels, split
from samplebench.checkpoints.catalog import catalog
from samplebench.embedded import load_digits
from samplebench.features.digits import DigitsExtractor
from samplebench.images import contact_sheet, to_uint8
from samplebench.metrics.frechet import frechet_distance
from samplebench.metrics.moments import Moments

N, BLOCK, HALVES = 1797, 64, 50
HEUN, STOCHASTIC = {"sampler": "heun", "nfe": 35}, {"sampler": "edm", "nfe": 79}
CONTINUOUS = [HEUN, STOCHASTIC]
ADM, FAST = (
    [*({"sampler": sampler, "steps": steps} for sampler in ("ddim", "respaced")), HEUN]
    for steps in (250, 100)
)
LINEAR = [{"sampler": "gddim", "nfe": 50}]
USUAL: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "digits-vp": CONTINUOUS,
    "digits-ve": CONTINUOUS,
    "digits-edm": CONTINUOUS,
    "digits-adm": ADM,
    "digits-iddpm": FAST,
    "digits-adm-ip": FAST,
    "digits-adm-base": FAST,
    "digits-cld": LINEAR,
    "digits-bdm": LINEAR,
}
# Five evaluations of Euler, where a model is continuous: its first sampler is one of these.
FEW = {"heun": {"sampler": "euler", "nfe": 5}, "gddim": {"sampler": "euler-flow", "nfe": 5}}


class Judge:
    """Distances to the real digits.

    Attributes:
        half: H, the mean distance of `HALVES` random halves of them.
    """

    def __init__(self) -> None:
        self._extract = DigitsExtractor()
        features = self._extract(torch.from_numpy(load_digits()[0])).numpy()
        self._real = Moments.of(features)
        rng = np.random.default_rng(0)
        halves = [np.array_split(features[rng.permutation(N)], 2) for _ in range(HALVES)]
        self.half = statistics.fmean(between(Moments.of(a), Moments.of(b)) for a, b in halves)
        train, held_out = (images_and_labels(indices)[0] for indices in split())
        self._train = train
        self._held_out_nearest = nearest(held_out, train)

    def distance(self, images: Tensor) -> float:
        """fd-digits of uint8 images [N, 1, 8, 8], in units of H."""
        features = self._extract(images).numpy()
        return between(Moments.of(features), self._real) / self.half

    def novelty(self, images: Tensor) -> float:
        """Median distance to the nearest training image over the held-out images' median."""
        return nearest(images.float() / 127.5 - 1, self._train) / self._held_out_nearest


def between(a: Moments, b: Moments) -> float:
    """The Frechet distance of two sets of features."""
    return frechet_distance(a.mean, a.cov, b.mean, b.cov)


def nearest(images: Tensor, among: Tensor) -> float:
    """Median over images of the Euclidean distance to the nearest of `among`."""
    return torch.cdist(images.flatten(1), among.flatten(1)).amin(1).median().item()


def samples(model: Any, start: int, title: str, **how: Any) -> Tensor:
    """N samples with the seeds from `start` on, uint8 [N, 1, 8, 8]."""
    blocks = range(start, start + N, BLOCK)
    drawn = [
        sb.sample(model, seeds=range(i, min(i + BLOCK, start + N)), **how)
        for i in tqdm(blocks, desc=title, unit="block", leave=False)
    ]
    return to_uint8(torch.cat(drawn), "edm").cpu()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=sorted(USUAL), action="append", help="default: all")
    parser.add_argument("--ranges", type=int, default=3, help="seed ranges (default: 3)")
    parser.add_argument("--picture", type=Path, help="where to draw 64 samples of each model")
    args = parser.parse_args()
    judge = Judge()
    print(f"H = {judge.half:.4f}\n")
    print("| model | usual | fd-digits / H, per seed range | Euler, NFE 5 | nearest neighbour |")
    print("|---|---|---|---|---|")
    sheets = []
    for name in args.model or USUAL:
        model = sb.load(name)
        for how in USUAL[name]:
            preset = catalog()[name].params.get(how["sampler"], {})
            sets = [samples(model, r * N, name, **how, **preset) for r in range(args.ranges)]
            values = [judge.distance(images) for images in sets]
            fewer = FEW.get(how["sampler"]) if how is USUAL[name][0] else None
            few = f"{judge.distance(samples(model, 0, name, **fewer)):.1f}" if fewer else ""
            said = f"{how['sampler']} {how.get('nfe', how.get('steps'))}"
            shown = ", ".join(f"{value:.3f}" for value in values)
            print(
                f"| {name} | {said} | {shown} | {few} | {judge.novelty(sets[0]):.2f} |", flush=True
            )
        sheets.append(sets[0][:64])
    if args.picture:
        apart = [torch.nn.functional.pad(sheet, (1, 1, 1, 1), value=96) for sheet in sheets]
        tiles = [contact_sheet(sheet.permute(0, 2, 3, 1).numpy())[..., 0] for sheet in apart]
        arranged(tiles).save(args.picture)


def arranged(tiles: Sequence[np.ndarray], columns: int = 3) -> Image.Image:
    """Grey pictures of one size side by side, enlarged, white between them."""
    framed = [np.pad(tile, 2, constant_values=255) for tile in tiles]
    framed += [np.full_like(framed[0], 255)] * (-len(framed) % columns)
    rows = [np.hstack(framed[i : i + columns]) for i in range(0, len(framed), columns)]
    return Image.fromarray(np.vstack(rows).repeat(4, 0).repeat(4, 1))


if __name__ == "__main__":
    main()

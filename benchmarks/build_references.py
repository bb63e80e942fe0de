"""Builds the reference statistics that ship in samplebench/embedded/references.

    python benchmarks/build_references.py

`digits` are the real images. `digits-kde` and `digits-kde-uncond` are exact draws from the models
digits-exact and digits-exact-uncond, and those of the mixtures `exact-*` of themselves, so that a
distance to them is the sampler's error alone.
"""

from __future__ import annotations

import argparse

import samplebench as sb
from samplebench.checkpoints.catalog import catalog
from samplebench.embedded import packaged
from samplebench.features.digits import DigitsExtractor
from samplebench.features.pixels import PixelsExtractor
from samplebench.image_sets import ImageSet, read
from samplebench.images import to_uint8
from samplebench.references import reference as references
from samplebench.scoring.extract import statistics_of

DRAWS = 50_000
MODELS = {
    "digits-kde": "digits-exact",
    "digits-kde-uncond": "digits-exact-uncond",
    **{name: name for name in ("exact-2d", "exact-modes", "exact-overlap")},
}


def exact_draws(model_id: str, seed: int) -> ImageSet:
    """DRAWS exact draws of an exact model, quantized by EDM's rule."""
    drawn, _ = sb.load(model_id, device="cpu").draw(DRAWS, seed)
    images = to_uint8(drawn, "edm").numpy()
    batches = [images[i : i + 1024] for i in range(0, DRAWS, 1024)]
    return ImageSet(
        f"{DRAWS:,} exact draws of {model_id}, seed {seed}", DRAWS, lambda: iter(batches)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=20_261_120, help="of the exact draws")
    args = parser.parse_args()
    sets = {"digits": read(packaged("digits.npz"))}
    sets |= {name: exact_draws(model, args.seed) for name, model in MODELS.items()}
    digits, pixels = DigitsExtractor(), PixelsExtractor()
    for name, images in sets.items():
        extractor = pixels if name in catalog() else digits
        path = packaged("references") / f"{name}.reference.npz"
        moments = statistics_of(images, [(extractor, False)], device="cpu")[0].moments
        made = references.save(path, moments, extractor, images.description)
        print(f"{path.name}: {made.num_images} images, sha256 {made.sha256}")


if __name__ == "__main__":
    main()

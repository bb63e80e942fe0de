"""Trains the small checkpoints that ship in samplebench/embedded, in their families' containers.

    python benchmarks/train_embedded.py                         # all of them, one after the other
    python benchmarks/train_embedded.py --model digits-edm --out build/retrained --seed 1

Each is trained on 1,437 of the 1,797 UCI digits; the other 360 tell whether it generalises. A run
that was broken off goes on from its last 1,000 steps. Seeds are fixed, yet other processors round
differently: a retrained file holds other weights, whose curve is compared with
`samplebench check --tolerance fd-digits:3sigma`.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import torch

from containers import edm_pickle, flax_msgpack, score_sde
from embedded_models.data import images_and_labels, split
from embedded_models.loop import Trained, train
from embedded_models.recipes import RECIPES, Recipe
from samplebench.files.atomic import atomic, sha256

ROOT = Path(__file__).resolve().parents[1]
SUFFIX = {"score-sde": ".pth", "edm": ".pkl", "openai": ".pt", "gddim": ".msgpack"}
NOTE = "# Trained by benchmarks/train_embedded.py of samplebench; it needs no source to be read.\n"


def write(path: Path, recipe: Recipe, trained: Trained) -> None:
    """The released container, weights in float16; where it holds one state, it is the average."""
    both = {"step": trained.steps, "decay": trained.decay, "dtype": torch.float16}
    states = (trained.last, trained.average)
    half = {name: tensor.half() for name, tensor in trained.average.items()}
    with atomic(path) as temporary:
        match recipe.container:
            case "score-sde":
                score_sde.write(temporary, recipe.config, *states, **both)
            case "gddim":
                flax_msgpack.write(temporary, recipe.config["model_config"], *states, **both)
            case "edm":
                edm_pickle.write(temporary, half, "EDMPrecond", recipe.config, source=NOTE)
            case "openai":
                torch.save(OrderedDict(half), temporary)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=sorted(RECIPES), action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "samplebench/embedded", help="folder")
    parser.add_argument("--state", type=Path, default=ROOT / "build/training", help="to resume")
    parser.add_argument("--steps", type=int, help="default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    images, labels = images_and_labels(split()[0])
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.model or RECIPES:
        recipe = RECIPES[name]
        settings = replace(recipe.settings, seed=args.seed)
        if args.steps:
            settings = replace(settings, steps=args.steps)
        state = args.state / f"{name}-{settings.seed}-{settings.steps}.pt"
        device = torch.device(args.device)
        trained = train(recipe, images, labels, settings, state, device, title=name)
        path = args.out / f"{name}{SUFFIX[recipe.container]}"
        write(path, recipe, trained)
        print(f"{path}: {path.stat().st_size:,} bytes, sha256 {sha256(path)}")


if __name__ == "__main__":
    main()

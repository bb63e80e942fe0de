"""The same work side by side with what can be installed by pip: samplers, Inception, distances.

    python benchmarks/peers.py
    python benchmarks/peers.py --only distance --runs 3

* sampling: diffusers' `DDIMPipeline` and `sb.sample` on one `UNet2DModel` of the size of DDPM for
  CIFAR-10, random weights, the same latents and steps;
* inception: torch-fidelity's and pytorch-fid's pass and the `inception` extractor, on one file of
  random weights in the released form;
* distance: ours with the reference's root given, SciPy's `sqrtm` and both packages' functions, on
  covariances of 2,048 features.

Calls take turns; printed are medians of ratios, with the lowest and the highest. A peer that is not
installed is left out and named. The result is written as JSON and Markdown into benchmarks/results/
under the hardware's name.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import scipy.linalg
import torch

import samplebench as sb
from containers.inception import random_inception
from samplebench.features import inception_weights
from samplebench.features.inception import InceptionExtractor
from samplebench.features.inception_network import inception_class
from samplebench.metrics.gaussians import frechet_distance, symmetric_root
from timing.results import RESULTS, Bar, bars_table, facts, hardware, interleaved, ratios

from timing.results import table, write  # isort: skip

OURS = "samplebench"
# The published network of DDPM on CIFAR-10, in diffusers' words.
UNET = {
    "sample_size": 32, "block_out_channels": (128, 256, 256, 256), "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "norm_eps": 1e-6,
}  # fmt: skip
BLOCK, STEPS = 4, 10
IMAGES = 64  # what the extractor evaluates at once
DIM, ROWS = 2048, 6000


@dataclass
class Part:
    """Calls that do the same work.

    Attributes:
        calls: by who does it; ours among them.
        apart: how far each other answer is from ours, in the part's own measure.
        unit: of `apart`.
        most: how far they may be apart.
        bars: most of our time that is allowed, in theirs.
        unlike: whose answer is another by design, and why.
    """

    title: str
    calls: dict[str, Callable[[], Any]]
    distance: Callable[[Any, Any], float]
    unit: str
    most: float
    bars: Mapping[str, float] = field(default_factory=dict)
    unlike: Mapping[str, str] = field(default_factory=dict)


def sampling(folder: Path, missing: list[str]) -> Part | None:
    """DDIM on one network, from the same latents."""
    try:
        import diffusers
    except ModuleNotFoundError:
        missing.append("diffusers")
        return None
    torch.manual_seed(0)
    network, scheduler = diffusers.UNet2DModel(**UNET).eval(), diffusers.DDIMScheduler()
    network.save_pretrained(folder / "ddpm" / "unet")
    scheduler.save_pretrained(folder / "ddpm" / "scheduler")
    pipeline = diffusers.DDIMPipeline(network, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    model = sb.load(folder / "ddpm", format="diffusers", device="cpu")
    size = BLOCK, 3, UNET["sample_size"], UNET["sample_size"]
    latents = torch.randn(size, generator=torch.Generator().manual_seed(0))

    def theirs() -> torch.Tensor:
        words = {"output_type": "pt", "eta": 0.0, "use_clipped_model_output": True}
        draw = torch.Generator().manual_seed(0)
        made = pipeline(batch_size=BLOCK, num_inference_steps=STEPS, generator=draw, **words)
        return made.images

    def ours() -> torch.Tensor:
        x = sb.sample(model, "ddim", respacing=f"ddim{STEPS}", latents=latents)
        return (x / 2 + 0.5).clamp(0, 1)

    # A rounding of the network's answer, as the first step magnifies it.
    rounding = np.finfo(np.float32).eps / float(scheduler.alphas_cumprod[-1]) ** 0.5
    return Part(
        f"DDIM, {STEPS} steps, {BLOCK} images, UNet2DModel 32x32",
        {OURS: ours, "diffusers": theirs},
        lambda a, b: float((a - b).abs().max()), "largest pixel difference, of 1", rounding,
    )  # fmt: skip


def inception(folder: Path, missing: list[str]) -> Part:
    """One pass over the same images, on the same weights."""
    path, tensors = folder / "inception.pth", random_inception()
    torch.save(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    released = replace(inception_weights.WEIGHTS, size=path.stat().st_size, sha256=digest)
    images = torch.randint(
        256, (IMAGES, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    place = {inception_weights.VARIABLE: str(path)}
    with patch.object(inception_weights, "WEIGHTS", released), patch.dict(os.environ, place):
        extractor = InceptionExtractor()
    network = inception_class()("inception", ["2048"], feature_extractor_weights_path=str(path))
    calls: dict[str, Callable[[], Any]] = {
        OURS: lambda: extractor(images),
        "torch-fidelity": torch.inference_mode()(lambda: network(images)[0]),
    }
    if (peer := pytorch_fid("inception", missing)) is not None:
        with patch.object(peer, "load_state_dict_from_url", lambda *_, **__: tensors):
            other = peer.InceptionV3().eval()
        pixels = images / 255
        calls["pytorch-fid"] = torch.inference_mode()(lambda: other(pixels)[0][:, :, 0, 0])
    return Part(
        f"Inception's pooled features of {IMAGES} images of 32x32", calls,
        lambda a, b: float((a - b).abs().max() / a.abs().max()),
        "largest difference, of the largest feature", 1e-4, {"torch-fidelity": 0.7},
        {"pytorch-fid": "it resizes on another grid"},
    )  # fmt: skip


def distance(folder: Path, missing: list[str]) -> Part:
    """The Frechet distance of features as they are after a ReLU."""
    (mean1, cov1), (mean2, cov2) = gaussian(1), gaussian(2)
    root = symmetric_root(cov2)

    def by_scipy() -> float:
        apart, product = mean1 - mean2, scipy.linalg.sqrtm(cov1 @ cov2)
        return float(apart @ apart + np.trace(cov1) + np.trace(cov2) - 2 * np.trace(product).real)

    calls: dict[str, Callable[[], Any]] = {
        OURS: lambda: frechet_distance(mean1, cov1, mean2, cov2, root2=root),
        f"{OURS}, root not given": lambda: frechet_distance(mean1, cov1, mean2, cov2),
        "scipy": by_scipy,
    }
    try:
        inception_class()  # which puts the package where it is found without torchvision
        from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

        first, second = {"mu": mean1, "sigma": cov1}, {"mu": mean2, "sigma": cov2}
        calls["torch-fidelity"] = lambda: fid_statistics_to_metric(first, second, False)[
            KEY_METRIC_FID
        ]
    except (ImportError, RuntimeError) as error:
        missing.append(f"torch-fidelity ({error})")
    if (peer := pytorch_fid("fid_score", missing)) is not None:
        calls["pytorch-fid"] = lambda: peer.calculate_frechet_distance(mean1, cov1, mean2, cov2)
    return Part(
        f"Frechet distance, D = {DIM:,}", calls, lambda a, b: abs(a - b) / abs(a),
        "relative difference", 1e-8, {"scipy": 0.12, "torch-fidelity": 0.4},
    )  # fmt: skip


def gaussian(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of rectified, correlated numbers."""
    draw, mixing = np.random.default_rng(seed), np.random.default_rng(0).standard_normal((64, DIM))
    rows = draw.standard_normal((ROWS, 64)) @ mixing / 8 + draw.standard_normal((ROWS, DIM))
    rows = np.maximum(rows + 0.1 * seed, 0)
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def pytorch_fid(module: str, missing: list[str]) -> Any:
    """A module of pytorch-fid; None where it or its torchvision is not here."""
    try:
        return importlib.import_module(f"pytorch_fid.{module}")
    except (ImportError, RuntimeError) as error:
        missing.append(f"pytorch-fid ({error})")
        return None


def measured(part: Part, runs: int) -> dict[str, Any]:
    """Seconds of each call, ratios of ours to them, and how far their answers are apart."""
    answers = {name: call() for name, call in part.calls.items()}
    apart = {name: part.distance(answers[OURS], found) for name, found in answers.items()}
    for name, far in apart.items():
        if far > part.most and name not in part.unlike:
            raise SystemExit(f"{part.title}: {name} is {far:.2g} apart, more than {part.most:g}")
    wall, cpu = interleaved(part.calls, runs)
    others = [name for name in part.calls if name != OURS]
    return {
        "title": part.title, "unit": part.unit, "apart": apart, "unlike": dict(part.unlike),
        "seconds": {name: statistics.median(taken) for name, taken in wall.items()},
        "cpu_seconds": {name: statistics.median(taken) for name, taken in cpu.items()},
        "ratio": {name: ratios(wall, OURS, name) for name in others},
        "cpu_ratio": {name: ratios(cpu, OURS, name) for name in others},
        "bars": [
            Bar(f"{part.title}: ours of {name}'s {kind} time", ratios(of, OURS, name).median, most)
            for name, most in part.bars.items() if name in part.calls
            for kind, of in (("wall", wall), ("CPU", cpu))
        ],
    }  # fmt: skip


def told(found: Mapping[str, Any]) -> str:
    """One part in Markdown."""
    rows = [
        [name, f"{seconds:.3f}", f"{found['cpu_seconds'][name]:.3f}",
         found["ratio"].get(name, "-"), found["cpu_ratio"].get(name, "-"),
         found["unlike"].get(name, f"{found['apart'][name]:.1e}")]
        for name, seconds in found["seconds"].items()
    ]  # fmt: skip
    head = ["by", "seconds", "CPU seconds", "ours of it, wall", "ours of it, CPU", found["unit"]]
    parts = [f"## {found['title']}", table(head, rows)]
    if found["bars"]:
        parts.append(bars_table(found["bars"]))
    return "\n\n".join(parts)


PARTS = {"sampling": sampling, "inception": inception, "distance": distance}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="default: all parts")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--out", type=Path, help="JSON; default: under benchmarks/results")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device, found, missing = torch.device("cpu"), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as place:
        for name in args.only or PARTS:
            part = PARTS[name](Path(place), missing)
            if part is not None:
                found[name] = measured(part, args.runs)
                print(told(found[name]), flush=True)
    missing = list(dict.fromkeys(missing))
    out = args.out or RESULTS / hardware(device) / "peers.json"
    parts = [told(each) for each in found.values()]
    if missing:
        parts.append("Not installed, or not to be imported: " + "; ".join(missing) + ".")
    write(out, "Peers", facts(device), {**found, "missing": missing}, parts)


if __name__ == "__main__":
    main()

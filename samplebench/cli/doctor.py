"""`samplebench doctor`: does a checkpoint load, and does it behave like a denoiser?"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from samplebench.cli.common import command, decide, output_flags, print_json, print_table

_EXAMPLES = """
samplebench doctor vp-cifar10
samplebench doctor vp-cifar10 --file downloads/baseline-cifar10-32x32-uncond-vp.pkl
samplebench doctor my-network.pkl
samplebench doctor checkpoint_8.pth --format score-sde --model-config vp.json
"""
_FORMATS = {".pkl": "edm", ".pth": "score-sde"}


def add(commands: Any) -> None:
    text = "load a checkpoint, check its structure, and see whether it denoises"
    parser = command(commands, "doctor", main, text, _EXAMPLES)
    parser.add_argument("source", metavar="ID|FILE", help="of the catalogue, or a released file")
    parser.add_argument("--format", metavar="F", help="of a file (default: by its suffix)")
    parser.add_argument("--model-config", metavar="FILE", help="JSON: what the file does not say")
    parser.add_argument("--checkpoints", metavar="FILE.toml", help="further models")
    parser.add_argument("--file", metavar="PATH", help="the model's file, downloaded by hand")
    parser.add_argument("--device", metavar="D", help="default: the best there is")
    parser.add_argument("--offline", action="store_true", help="open no connection")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.checkpoints.catalog import catalog
    from samplebench.errors import UsageError

    known = catalog(args.checkpoints)
    source: Any = known.get(args.source, args.source)
    if args.file:
        if args.source not in known:
            raise UsageError(f"--file {args.file}: name the model that it is, not {args.source}")
        source = source.at(args.file)
    given = args.format
    if given is None and source is args.source:
        given = _FORMATS.get(Path(args.source).suffix)

    import torch  # noqa: F401  what importing it takes is not the checkpoint's

    from samplebench.doctor import examine
    from samplebench.loading import load
    from samplebench.memory import peak_bytes

    before = peak_bytes()
    model = load(
        source,
        format=given,
        config=args.model_config,
        device=args.device,
        offline=args.offline,
        quiet=args.quiet,
    )
    loaded = peak_bytes() - before
    diagnosis = examine(model)
    decide(args, 0 if diagnosis.healthy else 1)
    facts = {
        "model": model.provenance["id"],
        "sha256": model.provenance["sha256"],
        "structure": model.provenance.get("structure", "none"),
        "images": "x".join(map(str, model.shape)),
        "classes": model.num_classes,
        "sigma": [model.sigma_min, model.sigma_max],
        "parameters": diagnosis.parameters,
        "memory_bytes": loaded,
        "gflop_per_evaluation": diagnosis.gflop,
        "seconds_per_evaluation": diagnosis.seconds,
        "device": str(model.device),
        "denoises": diagnosis.healthy,
    }
    rows = [
        {"sigma": f"{f.sigma:g}", "noise left": f"{f.left:.3f}", "verdict": _verdict(f)}
        for f in diagnosis.findings
    ]
    if args.json:
        # JSON has neither infinity nor NaN.
        found = [
            {"sigma": f.sigma, "noise_left": f.left if f.finite else None}
            for f in diagnosis.findings
        ]
        sigmas = [s if math.isfinite(s) else None for s in facts["sigma"]]
        print_json({**facts, "sigma": sigmas, "findings": found})
    else:
        for name, text in _shown(facts).items():
            print(f"{name:<14} {text}")
        print()
        print_table(rows, as_json=False)
        print("\n" + _CONCLUSIONS[diagnosis.healthy])
    return int(args.verdict)


_CONCLUSIONS = {
    True: "It behaves like a denoiser.",
    False: "It loads, but it does not behave like a denoiser: the weights are not those of a "
    "trained network of this kind, or the configuration is another's.",
}


def _verdict(finding: Any) -> str:
    if not finding.finite:
        return "not finite"
    return "denoised" if finding.healthy else "not denoised"


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts in words."""
    low, high = facts["sigma"]
    count, gflop = facts["parameters"], facts["gflop_per_evaluation"]
    alone, together = facts["seconds_per_evaluation"].items()
    return {
        "model": facts["model"],
        "sha256": facts["sha256"],
        "structure": facts["structure"],
        "images": f"{facts['images']}, {facts['classes'] or 'no'} classes",
        "sigma": f"{low:g} to {high:g}",
        "parameters": "none" if count is None else f"{count:,}",
        "memory": f"{facts['memory_bytes'] / 1e6:,.0f} MB at most while loading",
        "one evaluation": f"{alone[1]:.3g} s alone, {together[1]:.3g} s an image in a batch of "
        f"{together[0]}, on {facts['device']}" + ("" if gflop is None else f"; {gflop:.4g} GFLOP"),
    }

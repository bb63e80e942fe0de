"""`samplebench doctor`: does a checkpoint load, and does it behave like a denoiser?"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import command, decide, output_flags, print_json, print_table, say

if TYPE_CHECKING:
    from samplebench.doctor import Diagnosis, Finding

_EXAMPLES = """
samplebench doctor vp-cifar10
samplebench doctor vp-cifar10 --file downloads/baseline-cifar10-32x32-uncond-vp.pkl
samplebench doctor my-network.pkl
samplebench doctor ./nets.py:make_model
samplebench doctor checkpoint_8.pth --format score-sde --model-config vp.json
"""


def add(commands: Any) -> None:
    text = "load a checkpoint, check its structure, and see whether it denoises"
    parser = command(commands, "doctor", main, text, _EXAMPLES)
    text = "a catalogue id, a file, or any other form shown by 'samplebench list models'"
    parser.add_argument("source", metavar="MODEL", help=text)
    parser.add_argument(
        "--format",
        metavar="F",
        help="format of a model file (default: detected from suffix and content)",
    )
    parser.add_argument(
        "--model-config",
        metavar="FILE",
        help="JSON file with the settings that the model file lacks",
    )
    parser.add_argument("--checkpoints", metavar="FILE.toml", help="further models")
    parser.add_argument("--file", metavar="PATH", help="the model's file, downloaded by hand")
    parser.add_argument(
        "--device", metavar="D", help="cuda, mps or cpu (default: the best available)"
    )
    parser.add_argument("--offline", action="store_true", help="open no connection")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.checkpoints.catalog import catalog, resolved
    from samplebench.errors import UsageError
    from samplebench.loading.source import source_of

    known = catalog(args.checkpoints)
    if args.file and resolved(args.source, known) not in known:
        raise UsageError(f"--file {args.file}: give the id of its model instead of {args.source}")
    entry = source_of(
        args.source,
        known,
        format=args.format,
        config=args.model_config,
        offline=args.offline,
    )
    if args.file:
        entry = entry.at(args.file)

    import torch  # noqa: F401  what importing it takes is not the checkpoint's

    from samplebench.doctor.memory import peak_bytes
    from samplebench.loading import load

    before = peak_bytes()
    model = load(entry, device=args.device, offline=args.offline, quiet=args.quiet)
    loaded = peak_bytes() - before
    diagnosis = _examined(model, args.quiet)
    decide(args, 0 if diagnosis.healthy else 1)
    facts = {
        "model": entry.id,
        "source": entry.source or "none",
        "sha256": entry.sha256 or model.provenance["sha256"],
        "structure": model.provenance.get("structure", "none"),
        "images": "x".join(map(str, model.shape)),
        "classes": model.num_classes,
        "sigma": [model.sigma_min, model.sigma_max],
        "parameters": diagnosis.parameters,
        "memory_bytes": loaded,
        "gflop_per_evaluation": diagnosis.gflop,
        "seconds_per_evaluation": diagnosis.seconds,
        "device": str(model.device),
        "samples": [diagnosis.extremes.low, diagnosis.extremes.high],
        "denoises": diagnosis.denoises,
        "healthy": diagnosis.healthy,
        "verdict": diagnosis.verdict,
    }
    if args.json:
        print_json(_plain({**facts, "findings": [_finding(f) for f in diagnosis.findings]}))
    else:
        for name, text in _shown(facts).items():
            print(f"{name:<14} {text}")
        if diagnosis.findings:
            print()
            print_table([_row(f) for f in diagnosis.findings], as_json=False)
        print("\n" + diagnosis.verdict)
    return int(args.verdict)


def _examined(model: Any, quiet: bool) -> Diagnosis:
    """What is found of a model; what is warned of meanwhile is a note.

    Raises:
        UsageError: a network of others fails.
    """
    from samplebench.answers.blame import Blame, line_of
    from samplebench.doctor import examine
    from samplebench.models.model import is_foreign, name_of

    warned: list[warnings.WarningMessage]
    with _progress(model, quiet) as report, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        with Blame(name_of(model)) if is_foreign(model) else nullcontext():
            diagnosis = examine(model, report)
    for line in dict.fromkeys(line_of(str(each.message)) for each in warned):
        if not quiet:
            say(f"note: {line}")
    return diagnosis


@contextmanager
def _progress(model: Any, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar over the evaluations; it has fewer where the first ones say enough."""
    from samplebench.doctor import evaluations_for
    from samplebench.ticker import bar

    count = evaluations_for(model)
    title = f"{count} evaluations of an image at most"
    with bar(count, title, "eval", quiet) as move:
        yield move


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "sigma": finding.sigma,
        "noise_left": finding.left,
        "scaling_leaves": finding.scaling,
        "told_otherwise": [{"sigma": told, "noise_left": left} for told, left in finding.mistold],
        "denoised": finding.denoised and finding.better_at is None,
    }


def _row(finding: Finding) -> dict[str, str]:
    told = [f"{left:.3f} at {told:.3g}" for told, left in finding.mistold]
    if not finding.finite:
        verdict = "not finite"
    elif not finding.denoised:
        verdict = "not denoised"
    else:
        other = finding.better_at
        verdict = "denoised" if other is None else f"better at {other:.3g}"
    return {
        "sigma": f"{finding.sigma:.3g}",
        "noise left": f"{finding.left:.3f}",
        "scaling leaves": f"{finding.scaling:.3f}",
        "given another level": ", ".join(told),
        "verdict": verdict,
    }


def _plain(value: Any) -> Any:
    """JSON has neither infinity nor NaN: None in their place."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts in words."""
    low, high = facts["sigma"]
    count, gflop = facts["parameters"], facts["gflop_per_evaluation"]
    alone, together = facts["seconds_per_evaluation"].items()
    return {
        "model": facts["model"],
        "source": facts["source"],
        "sha256": facts["sha256"],
        "structure": facts["structure"],
        "images": f"{facts['images']}, {facts['classes'] or 'no'} classes",
        "sigma": f"{low:g} to {high:g}",
        "samples": f"from {facts['samples'][0]:.3g} to {facts['samples'][1]:.3g}",
        "parameters": "none" if count is None else f"{count:,}",
        "memory": f"{facts['memory_bytes'] / 1e6:,.0f} MB at most while loading",
        "one evaluation": f"{alone[1]:.3g} s alone, {together[1]:.3g} s an image in a batch of "
        f"{together[0]}, on {facts['device']}" + ("" if gflop is None else f"; {gflop:.4g} GFLOP"),
    }

"""`samplebench trajectory`: truncation error against a fine reference solution, and, of chains that
begin with real images, how errors add up."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.cli import exposure
from samplebench.cli.common import (
    command,
    given_words,
    output_flags,
    output_folder,
    print_table,
    writing,
)
from samplebench.cli.exposure import WORDS as FROM_DATA
from samplebench.cli.run import WORDS
from samplebench.errors import UsageError

if TYPE_CHECKING:
    from samplebench.checkpoints.catalog import Checkpoint
    from samplebench.trajectory import Truncation

_EXAMPLES = """
samplebench trajectory
samplebench trajectory --sampler euler,heun --param heun.alpha=0.5,1 --steps 10,20,40 --rho 3,7
samplebench trajectory --sampler euler,mypackage.mymodule:my_sampler --nfe 10,20,40
samplebench trajectory --from-data digits --model digits-adm-base,digits-adm-ip --sampler ddim
samplebench trajectory --from-data my/images --model my.pt --nfe 20,50 --levels 0.1,1,10
"""
_STEPS = "5,10,20,40,80"
_NUM_SAMPLES = 32

_WORDS = {
    "model": ("ID", f"model (default: {DEFAULT_MODEL}, which needs no download)"),
    "sampler": ("NAME,...", "deterministic samplers, or package.module:function (default: "
                "the model's)"),
    "steps": ("N,...", f"numbers of steps (default: {_STEPS})"),
    "nfe": ("N,...", "budgets of network evaluations per sample, instead of --steps"),
    **{name: WORDS[name] for name in ("rho", "discretization", "param")},
    "from-data": (
        "DATA",
        "start sampling from noised real images at several noise levels and score the results; a "
        "folder, zip, npy or npz, or 'digits' for the held-out embedded digits",
    ),
    **FROM_DATA,
    "num-samples": (
        "N", f"samples (default: {_NUM_SAMPLES}; with --from-data as many as images)"
    ),
    "seed": ("S", "sample i has seed S + i (default: 0)"),
    **{name: WORDS[name] for name in ("device", "checkpoints", "file")},
    "out": (
        "DIR",
        "output folder (default: reports/<model>-trajectory; with --from-data "
        "reports/<model>-from-data, where finished chains are kept)",
    ),
}  # fmt: skip


def add(commands: Any) -> None:
    text = "measure truncation error and order, or how a network's errors add up over the steps"
    parser = command(commands, "trajectory", main, text, _EXAMPLES)
    for name, (metavar, help_text) in _WORDS.items():
        action = "append" if name == "param" else "store"
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text, action=action)
    parser.add_argument("--offline", action="store_true", help="open no connection")
    parser.add_argument(
        "--yes",
        action="store_true",
        help="with --from-data: start even if it takes more than a day",
    )
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    words = given_words(args, _WORDS)
    if words.pop("from_data", None) is not None:
        return exposure.measure(args, words)
    exposure.refuse(words)
    return _truncation(args, words)


def _truncation(args: argparse.Namespace, words: dict[str, Any]) -> int:
    from samplebench.bench.sources import checkpoints_of
    from samplebench.bench.survey import Survey
    from samplebench.checkpoints.announce import announce
    from samplebench.discretizations import grid_constants
    from samplebench.sampling.solver import Solver

    steps = _steps(words.pop("steps", None), words.get("nfe"))
    request = Request.of(**{"model": DEFAULT_MODEL, "num_samples": _NUM_SAMPLES, **words})
    if len(request.model) > 1:
        raise UsageError(f"--model {','.join(request.model)}: one model at a time")
    # Names first: a typo is told before torch is imported.
    (entry,) = checkpoints_of(request)
    for sampler in request.sampler:
        Solver.of(sampler)
    for grid in request.discretization:
        if isinstance(grid, str):
            grid_constants(grid)
    if not request.sampler:
        request = _with_samplers(request, entry)

    from samplebench.loading import load
    from samplebench.trajectory import families, measure
    from samplebench.trajectory.page import write_convergence

    if not (args.quiet or args.offline):
        announce(entry, sys.stderr)
    model = load(entry, device=request.device, offline=args.offline, quiet=args.quiet)
    survey = Survey(request.given | ({"steps"} if args.steps else set()))
    asked = families(model, request, survey, steps)
    out = output_folder(request.out or f"reports/{entry.folder_name}-trajectory")
    seeds = range(request.seed, request.seed + (request.num_samples or 0))
    if not args.quiet:
        survey.show()
    result = measure(model, asked, seeds=seeds, quiet=args.quiet)
    with writing(out, "choose another --out"):
        paths = write_convergence(result, out)
    if args.json:
        print_table(result.rows(), True)
        return 0
    _print(result)
    if not args.quiet:
        print(f"\npage: {paths[-1]}")
    return 0


def _steps(given: str | None, nfe: str | None) -> tuple[int, ...]:
    """Step counts by the grammar of --nfe; none where budgets are given instead."""
    if given is not None and nfe is not None:
        raise UsageError("give --steps or --nfe, not both")
    if nfe is not None:
        return ()
    try:
        return Request.of(nfe=_STEPS if given is None else given).nfe
    except UsageError as error:
        raise UsageError(str(error).replace("--nfe", "--steps")) from None


def _with_samplers(request: Request, entry: Checkpoint) -> Request:
    """The model's own samplers that are deterministic, and those that a parameter names."""
    from dataclasses import replace

    from samplebench.bench.choices import samplers_of
    from samplebench.sampling.solver import Solver

    samplers, params = samplers_of(request, entry)
    kept = tuple(
        name
        for name in samplers
        if name in request.param
        or not Solver.of(name).stochastic({k: v for k, (v,) in params.get(name, {}).items()})
    )
    if not kept:
        raise UsageError(
            f"none of the default samplers of {entry.id} is deterministic; name one, "
            "e.g. --sampler heun"
        )
    names = dict.fromkeys((*kept, *request.param))
    return replace(request, sampler=kept, param={n: params[n] for n in names if params.get(n)})


def _print(result: Truncation) -> None:
    """What holds for all rows, then the table."""
    from samplebench.trajectory.page import facts_of, text_rows

    for name, text in facts_of(result):
        print(f"{name:<9}  {text}")
    print()
    print_table(text_rows(result), False)

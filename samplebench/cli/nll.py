"""`samplebench nll`: a model's likelihood of images, in bits per dimension."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.cli.common import (
    command,
    output_flags,
    output_folder,
    print_facts,
    print_json,
    say,
    writing,
)
from samplebench.cli.run import WORDS
from samplebench.errors import UsageError

if TYPE_CHECKING:
    from samplebench.likelihood.plan import LikelihoodPlan, LikelihoodWords

_EXAMPLES = """
samplebench nll --model digits-adm --data digits --steps 250
samplebench nll --model digits-vp --data digits --num-samples 64
samplebench nll --model digits-adm --data digits --method ode --repeats 2
samplebench nll --model my.pt --format openai --model-config my.json --data test.npz --steps 1000
"""
# Those of the request, as `run` has them, and what is said of them here.
_WORDS = {
    "model": ("ID", f"model, as for run (default: {DEFAULT_MODEL}, which needs no download)"),
    "num-samples": ("N", "number of images, spread evenly over the set (default: all)"),
    "seed": ("S", "image i of the set uses seed S + i (default: 0)"),
    "repeats": ("R", "draws of fresh noise per image (default: 1)"),
    "batch-size": ("B", "images per block (default: 64)"),
    **{name: WORDS[name] for name in ("device", "dtype", "checkpoints", "file")},
    "format": ("F", "format of a model file (default: detected from suffix and content)"),
    "model-config": ("FILE", "JSON file with the settings that the model file lacks"),
    "out": ("DIR", "output folder (default: reports/<model>-nll)"),
}
_OWN = {
    "method": ("M", "bound (models with discrete steps) or ode (default: by the model's kind)"),
    "steps": ("N", "bound: number of steps (default: the model's, or all)"),
    "respacing": ("SPEC", "bound: the steps as a respacing, ddim25 or 10,15,20"),
    "divergence": ("NAME", "ode: hutchinson or exact, up to 256 dimensions (default: hutchinson)"),
    "rtol": ("T", "ode: relative and absolute tolerance per image (default: 1e-4)"),
    "labels": (
        "WHICH",
        "data or none: use the data's labels, or none (default: data, if the model has classes)",
    ),
}


def add(commands: Any) -> None:
    text = "measure a model's likelihood of images, in bits per dimension"
    parser = command(commands, "nll", main, text, _EXAMPLES)
    parser.add_argument(
        "--data", metavar="PATH", required=True,
        help="folder or zip of images, .npz or .npy of uint8; or digits, the held-out embedded "
        "digits",
    )  # fmt: skip
    for name, (metavar, help_text) in {**_WORDS, **_OWN}.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text)
    parser.add_argument("--offline", action="store_true", help="open no connection")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.bench.known import Known
    from samplebench.bench.sources import checkpoints_of
    from samplebench.checkpoints.announce import announce
    from samplebench.devices import check_device, precision_name
    from samplebench.likelihood.data import Fitting, images_of

    words = _words(args)
    request = _request(args)
    (entry,) = checkpoints_of(request)
    words.method_on(entry)
    check_device(request.device)
    if request.dtype is not None:
        precision_name(request.dtype)
    optional, classes = Known(entry).labels_optional, entry.num_classes
    fit = Fitting(entry.id, entry.shape, classes, optional, words.labels)
    data = images_of(args.data, fit, request.num_samples, args.quiet)

    from samplebench.likelihood.measure import measure
    from samplebench.likelihood.page import write_likelihood
    from samplebench.likelihood.plan import LikelihoodPlan
    from samplebench.loading import load

    if not (args.quiet or args.offline):
        announce(entry, sys.stderr)
    model = load(
        entry, device=request.device, dtype=request.dtype, offline=args.offline, quiet=args.quiet
    )
    plan = LikelihoodPlan.of(request, entry, model, data, words)
    out = output_folder(request.out or f"reports/{entry.folder_name}-nll")
    if not args.quiet:
        _notes(plan)
    with writing(out, "finished blocks are kept: free space, then repeat the command"):
        result, folder = measure(plan, out, args.quiet)
        paths = write_likelihood(result, folder)
    if args.json:
        print_json(result.content())
        return 0
    print_facts(result.facts(), False)
    if not args.quiet:
        print(f"\npage: {paths[-1]}")
    return 0


def _words(args: argparse.Namespace) -> LikelihoodWords:
    """The command's own words."""
    from samplebench.answers.scalars import counted, real
    from samplebench.likelihood.plan import LikelihoodWords

    found = {name: getattr(args, name) for name in _OWN}
    if found["steps"] is not None:
        found["steps"] = counted("steps", found["steps"], 2)
    if found["rtol"] is not None:
        found["rtol"] = real("--rtol", found["rtol"])
    return LikelihoodWords(**found)


def _request(args: argparse.Namespace) -> Request:
    """The words that `run` has, too."""
    given = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in _WORDS}
    given = {name: value for name, value in given.items() if value is not None}
    request = Request.of(**{"model": DEFAULT_MODEL, "offline": args.offline, **given})
    if len(request.model) > 1:
        raise UsageError(f"--model {','.join(request.model)}: one model at a time")
    if not isinstance(request.batch_size, int):
        raise UsageError(f"--batch-size {request.batch_size}: give a number of images, e.g. 64")
    return request


def _notes(plan: LikelihoodPlan) -> None:
    """What is to be known before it begins."""
    from samplebench.models.model import in_training, name_of
    from samplebench.results.fields import printable

    notes = [*plan.data.notes, *plan.codes.notes]
    if in_training(plan.model):
        notes.append(f"{name_of(plan.model)} is in training mode")
    for note in notes:
        say(printable(f"note: {note}"))
    head = f"{plan.metric} of {plan.data.count:,} images, {plan.repeats} x"
    say(f"{head}, in blocks of {plan.block}; labels: {printable(plan.data.classes)}")

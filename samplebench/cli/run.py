"""`samplebench run`: a sweep."""

from __future__ import annotations

import argparse
import shlex
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.bench.checks import AUTO, ENGINES
from samplebench.bench.engines.ranks import joined
from samplebench.bench.engines.ranks.wire import Told
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.cli.common import command, decide, output_flags, print_json, say, writing
from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.results.fields import counted
from samplebench.results.kept import LEVELS

if TYPE_CHECKING:
    import torch

    from samplebench.bench.engines.ranks.helper import Helper
    from samplebench.bench.engines.ranks.leader import Leader
    from samplebench.bench.plan import Plan
    from samplebench.results.row import Columns

_EXAMPLES = """
samplebench run --model digits-exact --sampler euler,heun --nfe 5,10,20,35 --rho 3,7
samplebench run --model digits-exact --sampler euler,heun,exact   # exact draws: the floor
samplebench run --sampler edm --param edm.S_churn=0,10,40,edm.S_noise=1.003
samplebench run --sampler euler,mypackage.mymodule:my_sampler --nfe 10,20
samplebench run --sampler heun,./mine.py:my_sampler --label ./mine.py:my_sampler=Ours
samplebench run --sampler card:solver.json,diffusers:UniPCMultistepScheduler --nfe 10
samplebench run --guidance cfg --guidance-scale 1,2,4 --guidance-interval 0/inf,0.3/5 --nfe 9
samplebench run --discretization edm,logsnr,80/20/5/1/0.2 --dry-run
samplebench run --model ./nets.py:make_model --nfe 10 --num-samples 5000 --reference my.npz
samplebench run --nfe 10,20 --engine ray --workers 2
samplebench run --nfe 10,20 --dump-config > sweep.toml && samplebench run --config sweep.toml
torchrun --nproc-per-node 8 -m samplebench run --model adm-imagenet64 --nfe 10,20,35
samplebench run --config sweep.toml --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
"""

_USUAL = {
    name: ",".join(map(str, value)) if isinstance(value, list) else value
    for name, value in Request().words().items()
}
_SEVERAL: dict[str, dict[str, Any]] = {
    "param": {"action": "append"},
    "label": {"action": "append"},
    "reference": {"nargs": "+", "action": "extend"},
}
# Flags whose value is handed to Request.of as written.
WORDS = {
    "model": (
        "ID,...",
        "models: ids, files, ./file.py:function, package.module:function or any form shown by "
        f"'samplebench list models' (default: {DEFAULT_MODEL}, which needs no download)",
    ),
    "sampler": (
        "NAME,...",
        "samplers: names, ./file.py:function, package.module:function, card:FILE.json or any form "
        "shown by 'samplebench list samplers' (default: the model's)",
    ),
    "nfe": ("N,...", f"budgets of network evaluations per sample (default: {_USUAL['nfe']})"),
    "rho": (
        "R,...",
        "exponents, for discretizations that have one (default: the discretization's, 7 for edm)",
    ),
    "discretization": (
        "NAME,...",
        "time grids: names, explicit noise levels 80/20/5/1, or card:FILE.json with a list of "
        f"them (default: {_USUAL['discretization']})",
    ),
    "param": ("SAMPLER.NAME=V,...", "sampler parameters; several values are swept"),
    "label": (
        "NAME=LABEL",
        "name shown in legends and tables for a sampler, discretization or model",
    ),
    "guidance": ("NAME,...", "none, cfg, auto or classifier (default: none)"),
    "guidance-scale": ("G,...", "guidance strength; 1 means no guidance (0 for classifier)"),
    "guidance-interval": ("LO/HI,...", "noise levels where guidance is applied (default: all)"),
    "guiding-model": ("ID,...", "guiding network: unconditional for cfg, weaker for auto"),
    "classifier": ("ID", "model whose released classifier is used (default: the sampled model's)"),
    "num-samples": ("N", "samples per value (default: the protocol's)"),
    "seed": ("S", f"sample i of repeat r has seed S + r*N + i (default: {_USUAL['seed']})"),
    "repeats": ("R", f"disjoint seed ranges to average over (default: {_USUAL['repeats']})"),
    "metric": ("NAME,...", "metrics (default: the protocol's)"),
    "reference": (
        "ID|PATH",
        "reference statistics, or a folder, zip, npy or npz of images; one or several (default: "
        "the model's)",
    ),
    "keep": (
        "WHAT",
        f"what to store for later scoring: {', '.join(LEVELS)}; each includes those before "
        f"(default: {LEVELS[0]})",
    ),
    "preset": (
        "NAME",
        "tuned parameters of the model, e.g. tuned; adds the sampler they belong to",
    ),
    "protocol": (
        "NAME",
        "number of images, quantization, precision and metric, see 'samplebench list protocols' "
        "(default: the model's)",
    ),
    "batch-size": (
        "B",
        f"images per evaluation block, or {AUTO} (default: {_USUAL['batch_size']})",
    ),
    "engine": ("E", f"where blocks are computed: {' or '.join(ENGINES)} (default: {ENGINES[0]})"),
    "address": ("A", "Ray cluster to join, HOST:PORT (default: a new one on this machine)"),
    "workers": (
        "N",
        "worker processes of --engine ray (default: one per GPU, else one per machine)",
    ),
    "shard": ("I/N", "compute share I of N, I from 0 to N-1; all jobs share one --out"),
    "device": ("D", "cuda, mps or cpu (default: the best available)"),
    "dtype": (
        "T",
        "precision of the network: float32, tf32, bfloat16 or float16 (default: the release's)",
    ),
    "state-dtype": ("T", "precision of the sampler's state (default: the protocol's)"),
    "noise": ("MODE", "portable or nvlabs (default: the protocol's)"),
    "checkpoints": ("FILE.toml", "file with further models, in the format of checkpoints.toml"),
    "file": ("PATH", "the model's released file, if you downloaded it yourself"),
    "format": ("F", "format of a model file (default: by its suffix)"),
    "model-config": ("FILE", "JSON file with the settings that the model file lacks"),
    "out": ("DIR", "results folder (default: reports/<model>)"),
}


def add(commands: Any) -> None:
    parser = command(
        commands, "run", main, "run or resume a sweep of samplers and write its report", _EXAMPLES
    )
    for name, (metavar, text) in WORDS.items():
        more = _SEVERAL.get(name, {})
        parser.add_argument(f"--{name}", metavar=metavar, help=text, **more)
    parser.add_argument(
        "--save-images", action="store_true", default=None,
        help="write the images as PNG files, in EDM's layout, into DIR/images",
    )  # fmt: skip
    parser.add_argument(
        "--compile", action="store_true", default=None,
        help="compile the network with torch.compile",
    )  # fmt: skip
    parser.add_argument("--config", metavar="FILE.toml", help="read the options above from a file")
    parser.add_argument("--offline", action="store_true", default=None, help="open no connection")
    parser.add_argument(
        "--yes", action="store_true", default=None, help="start even if it takes more than a day"
    )
    parser.add_argument(
        "--dump-config", action="store_true", help="print the options as TOML and stop"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    try:
        with joined() as ranks:
            return _run(args, ranks)
    except Told as told:
        # Rank 0 says what went wrong, and its exit code counts; where it did is known here alone.
        if args.debug and told.__cause__ is not None:
            traceback.print_exception(told.__cause__)
        return 0


def _run(args: argparse.Namespace, ranks: Leader | Helper | None) -> int:
    request = _request(args)

    from samplebench.bench import plan as planning
    from samplebench.bench.auto import foreseen
    from samplebench.bench.engines.choose import placed
    from samplebench.bench.engines.ranks.helper import Helper

    plan = planning.make(placed(request))
    if isinstance(ranks, Helper):
        if not (args.dump_config or args.dry_run):
            ranks.assist(plan)
        return 0
    if args.dump_config:
        _dump(foreseen(plan).request.words(), args.json)
        return 0
    if args.dry_run:
        _print_plan(foreseen(plan), args)
        return 0
    from samplebench.api import failures, sweep
    from samplebench.bench.progress import Progress
    from samplebench.report.terminal import view_text
    from samplebench.results.tables import to_json

    plan = prepared(plan, args.quiet, alone=ranks is None)
    folder = plan.folder
    with writing(folder):
        view = sweep(plan, Progress(args.quiet), ranks)
    lost = failures(view)
    decide(args, 1 if lost else 0)
    print(to_json(view.rows) if args.json else view_text(view))
    if not args.quiet and not args.json:
        print(f"\nreport: {folder / 'report.html'}")
    for line in lost:
        say(f"samplebench: failed: {line}")
    return int(args.verdict)


def prepared(plan: Plan, quiet: bool, alone: bool) -> Plan:
    """The plan with its files on this machine, announced.

    Args:
        quiet: nothing on stderr.
        alone: whether this process is the only one.
    """
    from samplebench.bench.engines.choose import engine_of
    from samplebench.bench.ready import ready
    from samplebench.bench.run import plan_device
    from samplebench.results.store import Store

    # They refuse before anything is said or written.
    engine_of(plan.request)
    device = plan_device(plan)
    Store(plan.folder, create=True)
    plan = ready(plan, quiet)
    if not quiet:
        _announce(plan, device, alone)
    return plan


def _request(args: argparse.Namespace) -> Request:
    """What the flags ask for, over the words of a file."""
    words = _from_file(args.config) if args.config else {}
    given = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in WORDS}
    if given["param"]:
        given["param"] = ",".join(given["param"])
    given |= {"offline": args.offline, "yes": args.yes, "save_images": args.save_images}
    given |= {"compile": args.compile}
    flags = {name: value for name, value in given.items() if value is not None}
    return Request.merged(words, flags)


def _from_file(path: str) -> dict[str, Any]:
    try:
        return texts.toml(texts.read_bytes(Path(path), texts.MOST_TOML), dates=True)
    except OSError as error:
        raise InputError(f"--config {path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"--config {path} is not TOML: {error}") from None


def _dump(words: dict[str, object], as_json: bool) -> None:
    import json

    import tomlkit

    if as_json:
        # JSON has no infinity.
        print_json(json.loads(json.dumps(words), parse_constant=str))
    else:
        print(tomlkit.dumps(words), end="")


def _done(plan: Plan) -> frozenset[str]:
    """Cells of the plan, or of its shard, that need not be sampled."""
    from samplebench.bench.shares import share_of
    from samplebench.bench.work import work_of
    from samplebench.results.store import Store, is_results_folder

    folder = plan.folder
    if not is_results_folder(folder):
        return frozenset()
    left = {cell.hash for cell, _ in work_of(plan, Store(folder)).sample}
    return share_of(plan) - left


def _announce(plan: Plan, device: torch.device, alone: bool) -> None:
    """On stderr: what is about to run, with every default that was filled in.

    Args:
        alone: whether this process is the only one.
    """
    from samplebench.answers.parameters import label
    from samplebench.bench.keep import keeping

    done = _done(plan)
    rows = [row.columns for row in plan.rows]
    conditions = next(iter(plan.cells.values())).conditions
    measures = {
        f"{' and '.join(row.metrics)} against {row.columns['reference']}": None for row in plan.rows
    }

    def each(*names: str) -> str:
        texts = (" ".join(str(r.get(n)) for n in names if r.get(n) not in ("", None)) for r in rows)
        return ", ".join(dict.fromkeys(text or "none" for text in texts))

    asked = plan.request
    where = device if asked.engine == ENGINES[0] else f"workers of {asked.engine}"
    grids = (f"{r['discretization']} {label({'rho': r['rho']}) if r['rho'] else ''}" for r in rows)
    facts = {
        "model": f"{each('model')} on {where}, {each('dtype')}" + ", compiled" * asked.compile,
        "samplers": each("sampler", "params"),
        "grids": ", ".join(dict.fromkeys(text.strip() for text in grids)),
        **({"guidance": guidance} if (guidance := each("guidance")) != "none" else {}),
        "NFE": _budgets(rows),
        "samples": f"N = {each('num_samples')}, seed {each('seed')}, repeats {each('repeats')}, "
        f"{conditions['noise']} noise, blocks of {conditions['block']}",
        "protocol": f"{each('protocol')}, {', '.join(measures)}, state {conditions['state_dtype']}",
        "keeps": keeping(plan),
        "work": _summary(plan, done),
        "results": plan.folder,
    }
    for name, text in facts.items():
        say(f"{name:<9} {text}")
    _print_notes(plan)
    if alone and plan.request.engine == ENGINES[0]:
        _print_unused(device)


def _print_unused(device: torch.device) -> None:
    """How to use the GPUs that are visible and have nothing to do."""
    from samplebench.devices import gpus

    number = gpus() if device.type == "cuda" else 0
    if number > 1:
        words = shlex.join(sys.argv[1:])
        say(
            f"note: {number} GPUs are visible and 1 is used; all: "
            f"torchrun --nproc-per-node {number} -m samplebench {words}"
        )


def _budgets(rows: Iterable[Columns]) -> str:
    """The planned NFE, e.g. "5, 9, adaptive"."""
    planned = {row["nfe"] for row in rows}
    known = sorted(nfe for nfe in planned if nfe is not None)
    return ", ".join([*map(str, known), *(["adaptive"] if None in planned else [])])


def _print_notes(plan: Plan) -> None:
    for note in plan.notes:
        say(f"note: {note}")


def _summary(plan: Plan, done: frozenset[str]) -> str:
    """How much there is and how much of it is left."""
    from samplebench.bench.shares import share_of

    share = share_of(plan)
    left = [cell for name, cell in plan.cells.items() if name in share - done]
    work = sum((cell.nfe or 0) * cell.conditions["num_samples"] for cell in left)
    further = sum((cell.guide_nfe or 0) * cell.conditions["num_samples"] for cell in left)
    adaptive = sum(cell.nfe is None for cell in left)
    return (
        f"{len(plan.rows)} rows, {len(plan.cells)} cells"
        + (f", {len(share)} of them in shard {plan.request.shard}" if plan.request.shard else "")
        + f" ({len(done)} done already), "
        f"{work:,} network evaluations left"
        + (f" and {further:,} further passes of guidance" if further else "")
        + (f" and those of {counted(adaptive, 'cell')} with adaptive steps" if adaptive else "")
    )


def _print_plan(plan: Plan, args: argparse.Namespace) -> None:
    from samplebench.cli.common import print_table

    done = _done(plan)
    rows = []
    for row in plan.rows:
        columns = dict(row.columns)
        here = sum(cell.hash in done for cell in row.cells)
        columns["computed as"] = row.computed_as or columns["sampler"]
        columns["cells"] = f"{here}/{len(row.cells)} done"
        rows.append(columns)
    print_table(rows, args.json)
    if not args.json and not args.quiet:
        print(f"\n{_summary(plan, done)}")
    if not args.quiet:
        _print_notes(plan)

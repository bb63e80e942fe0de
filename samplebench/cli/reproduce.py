"""`samplebench reproduce`: a published value, measured again, and what is the same about it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from samplebench.bench.engines.ranks import joined
from samplebench.bench.engines.ranks.wire import Told
from samplebench.cli.common import (
    command,
    decide,
    output_flags,
    print_facts,
    print_json,
    print_table,
    say,
    writing,
)
from samplebench.cli.run import WORDS, prepared
from samplebench.errors import EnvironmentError_, UsageError, unknown
from samplebench.reproduce.preset import FOLDER

if TYPE_CHECKING:
    from samplebench.bench.engines.ranks.helper import Helper
    from samplebench.bench.engines.ranks.leader import Leader
    from samplebench.bench.plan import Plan
    from samplebench.reproduce.outcome import Reproduction
    from samplebench.reproduce.preset import NoPreset, ReproductionPreset

_EXAMPLES = """
samplebench reproduce digits-vp/heun/20
samplebench reproduce --list
samplebench reproduce --list --checkpoint edm-cifar10-uncond-vp --sampler heun
samplebench reproduce --list --all --source Karras
samplebench reproduce edm-cifar10-32x32-uncond-vp/heun/35 --dry-run
samplebench reproduce edm-cifar10-32x32-uncond-vp/heun/35 --num-samples 5000
"""
# Words of a run that a preset leaves to the user.
_WORDS = ("num-samples", "reference", "batch-size", "engine", "address", "workers", "device",
          "dtype", "file")  # fmt: skip
# Of these the preset has the default.
_OWN = {
    "num-samples": "samples per seed range (default: the published N)",
    "reference": "reference statistics, if they were never released (default: the published ones)",
}
_FILTERS = ("checkpoint", "sampler", "source")


def add(commands: Any) -> None:
    text = "measure a published value again and compare every condition"
    parser = command(commands, "reproduce", main, text, _EXAMPLES)
    parser.add_argument("name", nargs="?", metavar="NAME", help="a preset, see --list")
    parser.add_argument("--list", action="store_true", help="list the presets and stop")
    parser.add_argument(
        "--all",
        action="store_true",
        help="with --list: also published values without a preset, with the reason",
    )
    parser.add_argument("--checkpoint", metavar="ID", help="with --list: only this checkpoint")
    parser.add_argument("--sampler", metavar="NAME", help="with --list: only this sampler")
    parser.add_argument(
        "--source", metavar="TEXT", help="with --list: only sources that contain this text"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    for name in _WORDS:
        metavar, text = WORDS[name]
        parser.add_argument(f"--{name}", metavar=metavar, help=_OWN.get(name, text))
    parser.add_argument("--offline", action="store_true", default=None, help="open no connection")
    parser.add_argument(
        "--yes", action="store_true", default=None, help="start even if it takes more than a day"
    )
    parser.add_argument("--out", metavar="DIR", help=f"results folder (default: {FOLDER}/NAME)")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    if args.list:
        if args.name:
            raise UsageError(f"--list lists presets; leave out --list or '{args.name}'")
        run = ("dry-run", *_WORDS, "offline", "yes", "out")
        idle = [name for name in run if _said(args, name)]
        if idle:
            raise UsageError(
                f"--{idle[0]} needs a preset and cannot be used with --list; leave it out"
            )
        return _list(args)
    given = [name for name in ("all", *_FILTERS) if _said(args, name)]
    if given:
        raise UsageError(f"--{given[0]} goes with --list")
    if not args.name:
        raise UsageError("name a preset, or list them: samplebench reproduce --list")
    from samplebench.reproduce import preset

    found = preset(args.name)
    try:
        with joined() as ranks:
            return _reproduce(found, args, ranks)
    except Told:
        # Rank 0 says what went wrong, and its exit code counts.
        return 0


def _said(args: argparse.Namespace, flag: str) -> bool:
    value = getattr(args, flag.replace("-", "_"))
    return value is not None and value is not False  # 0 and "" were said, too


def _reproduce(
    found: ReproductionPreset, args: argparse.Namespace, ranks: Leader | Helper | None
) -> int:
    from samplebench.bench.engines.ranks.helper import Helper
    from samplebench.bench.progress import Progress
    from samplebench.reproduce.execute import execute, planned

    if found.images and not (args.reference or args.dry_run):
        raise EnvironmentError_(
            f"the reference of {found.name} was not released; make it from {found.images}: "
            f"{found.make_reference}, then give --reference {found.checkpoint}.reference.npz"
        )
    plan = planned(found, **_words(args))
    if isinstance(ranks, Helper):
        if not args.dry_run:
            ranks.assist(plan)
        return 0
    if len(plan.rows) > 1:
        raise UsageError(f"--reference {args.reference}: a value is compared with one reference")
    if args.dry_run:
        return _dry_run(found, plan, args)
    plan = prepared(plan, args.quiet, alone=ranks is None)
    if not args.quiet:
        _announce(found, plan)
    with writing(plan.folder):
        done = execute(found, plan, Progress(args.quiet), ranks)
    decide(args, 0 if done.own is not None else 1)
    if args.json:
        print_json(done.plain())
    else:
        _print(done, plan, args.quiet)
    return int(args.verdict)


def _words(args: argparse.Namespace) -> dict[str, Any]:
    names = [*(name.replace("-", "_") for name in _WORDS), "offline", "yes", "out"]
    return {name: getattr(args, name) for name in names}


def _announce(found: ReproductionPreset, plan: Plan) -> None:
    """On stderr: whose value it is, and how its runs are made one."""
    from samplebench.reproduce.told import seeds_told

    say(f"published {found.metric} {found.printed} ({found.source})")
    say(f"images    {seeds_told(found, plan)}")


def _dry_run(found: ReproductionPreset, plan: Plan, args: argparse.Namespace) -> int:
    from dataclasses import replace

    from samplebench.reproduce.checklist import checklist
    from samplebench.reproduce.cost import cost_of
    from samplebench.reproduce.execute import intended
    from samplebench.reproduce.needs import needs
    from samplebench.reproduce.told import plan_facts, plan_json

    cost, missing = cost_of(plan), needs(found)
    if args.reference:
        missing = replace(missing, images="")
    checks = checklist(found, plan, intended(found, plan))
    if args.json:
        print_json(plan_json(found, plan, missing, cost, checks))
        return 0
    print_facts(plan_facts(found, plan, missing, cost), as_json=False)
    _print_checks(checks)
    if not args.quiet:
        for note in plan.notes:
            say(f"note: {note}")
    return 0


def _print(done: Reproduction, plan: Plan, quiet: bool) -> None:
    width = max(len(name) for name, _ in done.lines())
    for name, text in done.lines():
        print(f"{name:<{width}}  {text}")
    _print_checks(done.checks)
    for text in done.caveats:
        print(f"note: {text}")
    if not quiet:
        print(f"\npage: {plan.folder / 'reproduction.html'}")


def _print_checks(checks: Sequence[Any]) -> None:
    from samplebench.reproduce.told import check_lines, verdicts_told

    print(f"\n{verdicts_told(checks)}")
    for line in check_lines(checks, shutil.get_terminal_size().columns):
        print(line)


def _list(args: argparse.Namespace) -> int:
    from samplebench.reproduce import NoPreset, presets, refused
    from samplebench.reproduce.needs import needs

    chosen = _chosen(args, [*presets().values(), *refused()])
    none = [each for each in chosen if isinstance(each, NoPreset)]
    rows = [
        {
            "name": each.name,
            "published": f"{each.metric} {each.printed}",
            "source": each.cite,
            "state": needs(each).state,
        }
        for each in chosen
        if not isinstance(each, NoPreset)
    ]
    print_table(rows + (list(map(_refused, none)) if args.all else []), args.json)
    if none and not (args.all or args.quiet or args.json):
        say(f"{len(none)} published values have no preset; --all says why")
    return 0


def _refused(each: NoPreset) -> dict[str, str]:
    row = each.row
    name = f"{row.model}: {row.sampler_printed}" + (f", NFE {row.nfe}" if row.nfe else "")
    published = f"fid {row.fid_printed}"
    return {"name": name, "published": published, "source": row.cite, "state": each.reason}


def _chosen(
    args: argparse.Namespace, found: Sequence[ReproductionPreset | NoPreset]
) -> list[ReproductionPreset | NoPreset]:
    """Those that pass the filters.

    Raises:
        UsageError: a name that none has.
    """
    facts = [(each, *_facts(each)) for each in found]
    for kind, known in (
        ("checkpoint", {name for _, ids, _, _ in facts for name in ids}),
        ("sampler", {name for _, _, names, _ in facts for name in names}),
    ):
        if (name := getattr(args, kind)) is not None and name not in known:
            kinds = f"{kind} of a published value"
            raise unknown(kinds, name, known, "samplebench reproduce --list --all")
    text = (args.source or "").casefold()
    if not any(text in source for *_, source in facts):
        raise UsageError(
            f"--source {args.source}: no published value's source has this text; "
            "'samplebench published' lists the sources"
        )
    return [
        each
        for each, ids, names, source in facts
        if args.checkpoint in (None, *ids) and args.sampler in (None, *names) and text in source
    ]


def _facts(each: ReproductionPreset | NoPreset) -> tuple[set[str], set[str], str]:
    """Its ids, its sampler's names and its source in lower case."""
    from samplebench.reproduce import ReproductionPreset
    from samplebench.reproduce.links import checkpoint_of

    row = each.row
    ids, names = set[str](), set[str]()
    if isinstance(each, ReproductionPreset):
        ids.add(each.checkpoint)
        names.add(str(each.words["sampler"]))
    if row is not None:
        ids |= {row.model, row.checkpoint, checkpoint_of(row.model) or row.model}
        names |= {row.sampler.name, row.sampler_printed}
    return ids, names, each.source.casefold()

"""`samplebench forget`: drops requests that were abandoned, and keeps what was computed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import command, output_flags, print_json, print_table, writing

if TYPE_CHECKING:
    from samplebench.bench.forget import RequestState, Unwanted
    from samplebench.results.store import Store

_EXAMPLES = """
samplebench forget reports/digits-exact                 list the sweeps requested in it
samplebench forget reports/digits-exact 3               drop the third request
samplebench forget reports/digits-exact --unfinished    drop all unfinished requests
samplebench forget reports/digits-exact --kept          delete stored statistics and images
"""


def add(commands: Any) -> None:
    text = "list or drop a results folder's sweeps, or delete its stored images and features"
    parser = command(commands, "forget", main, text, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="results folder of 'samplebench run'")
    parser.add_argument(
        "numbers",
        metavar="N",
        nargs="*",
        type=int,
        help="numbers of the requests to drop (default: list them)",
    )
    parser.add_argument("--unfinished", action="store_true", help="drop all unfinished requests")
    parser.add_argument(
        "--kept",
        action="store_true",
        help="delete stored statistics and images to free space; values stay, but further "
        "metrics need sampling again",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be dropped and stop"
    )
    output_flags(parser, quiet="print only the list")


def main(args: argparse.Namespace) -> int:
    from samplebench.bench import forget
    from samplebench.errors import UsageError
    from samplebench.report import write_report
    from samplebench.results.store import Store

    store = Store(Path(args.dir))
    if sum((bool(args.numbers), args.unfinished, args.kept)) > 1:
        raise UsageError(
            "give request numbers, --unfinished or --kept, only one of these at a time"
        )
    if args.kept:
        _drop_kept(args, store)
        return 0
    if not args.numbers and not args.unfinished:
        _list(args, forget.states(store))
        return 0
    if args.dry_run:
        found = forget.chosen(forget.states(store), args.numbers, args.unfinished, store.out)
        _say(args, found, forget.unwanted(store, found))
        return 0
    with writing(store.out), store.locked():
        found = forget.chosen(forget.states(store), args.numbers, args.unfinished, store.out)
        if found:
            forget.drop(found)
            write_report(store.view(), store.out)
        kept = forget.unwanted(store)
    _say(args, found, kept)
    return 0


def _drop_kept(args: argparse.Namespace, store: Store) -> None:
    from samplebench.bench import forget
    from samplebench.results.fields import counted

    if args.dry_run:
        files = forget.kept_files(store)
    else:
        with writing(store.out), store.locked():
            files = forget.kept_files(store)
            forget.drop_kept(files)
    if args.json:
        facts = {"files": len(files.paths), "bytes": files.size, "dry_run": args.dry_run}
        print_json({"dropped_kept": facts})
    elif not args.quiet:
        verb = "would drop" if args.dry_run else "dropped"
        text = f"{counted(len(files.paths), 'file')} of kept statistics and images"
        print(f"{args.dir}: {verb} {text}, {files.size / 1e6:.1f} MB; every value is kept")


def _list(args: argparse.Namespace, found: Sequence[RequestState]) -> None:
    print_table([_facts(state) for state in found], args.json)
    if found and not args.json and not args.quiet:
        print(f"\n'samplebench forget {args.dir} N' drops one, --unfinished all unfinished ones")


def _facts(state: RequestState) -> dict[str, object]:
    return {
        "request": state.asked.number,
        "words": state.words,
        "rows": len(state.asked.rows),
        "finished": state.finished,
        "to go": state.pending,
    }


def _say(args: argparse.Namespace, found: Sequence[RequestState], kept: Unwanted) -> None:
    """One line, or one document: what was dropped and what is kept."""
    if args.json:
        unasked = {"cells": kept.cells, "partials": kept.partials, "bytes": kept.size}
        dropped = [_facts(state) for state in found]
        print_json({"dropped": dropped, "dry_run": args.dry_run, "kept_unasked": unasked})
    elif not args.quiet:
        print(_line(args, found, kept))


def _line(args: argparse.Namespace, found: Sequence[RequestState], kept: Unwanted) -> str:
    from samplebench.results.fields import counted

    if not found:
        return f"{args.dir}: no request is unfinished; nothing is dropped"
    numbers = ", ".join(str(state.asked.number) for state in found)
    pending = sum(state.pending for state in found)
    verb = "would drop" if args.dry_run else "dropped"
    text = f"{args.dir}: {verb} request{'s' if len(found) > 1 else ''} {numbers}"
    text += f" ({counted(pending, 'cell')} to go)"
    if not kept.cells and not kept.partials:
        return text
    parts = [(kept.cells, "finished cell"), (kept.partials, "partial")]
    names = " and ".join(counted(count, noun) for count, noun in parts if count)
    return f"{text}; kept, although no request uses them: {names}, {kept.size / 1e6:.1f} MB"

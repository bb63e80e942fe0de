"""What several commands share: sub-parsers with the usual flags, tables, what a full disk says."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samplebench import ticker
from samplebench.cli.columns import aligned, room
from samplebench.errors import EnvironmentError_, UsageError
from samplebench.results.fields import inert, printable

_KEPT = "finished cells are kept: free space or move it away, then repeat the command"


def command(
    commands: Any, name: str, main: Callable[[argparse.Namespace], int], text: str, examples: str
) -> argparse.ArgumentParser:
    """A sub-parser whose help ends with examples."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(main=main, parser=parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def given_words(args: argparse.Namespace, flags: Iterable[str]) -> dict[str, Any]:
    """Of these flags those that were given, by the names of a request; several --param are one."""
    names = [flag.replace("-", "_") for flag in flags]
    words = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if "param" in words:
        words["param"] = ",".join(words["param"])
    return words


def output_flags(
    parser: argparse.ArgumentParser, quiet: str = "no progress, no notes", forms: Any = None
) -> None:
    """--json and --quiet, for every command that prints a table.

    Args:
        quiet: what --quiet leaves out, or what remains.
        forms: group of other forms of the table, one of which is printed at a time.
    """
    text = "print one JSON document, nothing else"
    (forms or parser).add_argument("--json", action="store_true", help=text)
    parser.add_argument("--quiet", action="store_true", help=quiet)


def style_flag(parser: argparse.ArgumentParser, place: str) -> None:
    """--style paper, for every command that can draw its curves for a paper.

    Args:
        place: where the figures go.
    """
    parser.add_argument(
        "--style", choices=["paper"],
        help=f"paper: also write figures of a column's width, PDF and SVG, into {place}",
    )  # fmt: skip


@contextmanager
def writing(target: Path, then: str = _KEPT) -> Iterator[None]:
    """Around work that ends in files: names the one that could not be written, and what to do.

    Raises:
        EnvironmentError_: no space, no permission, something in the place of a file.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = error.filename2 or error.filename or target
        raise EnvironmentError_(
            f"{where} cannot be written ({error.strerror or error}); {then}"
        ) from error


def output_folder(name: str) -> Path:
    """The folder of --out, made before anything is computed.

    Raises:
        UsageError: something else is there.
        EnvironmentError_: it cannot be made or written to.
    """
    out = Path(name)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} exists and is not a folder; name another")
    with writing(out, "choose another --out"):
        out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK | os.X_OK):
        raise EnvironmentError_(f"--out {out} cannot be written to; name another folder")
    return out


def decide(args: argparse.Namespace, verdict: int) -> None:
    """Settles the exit code before anything is printed, so that it stands whoever reads that."""
    args.verdict = verdict


def say(line: str) -> None:
    """One line on stderr; where that is closed or full, the outcome stays what it is."""
    ticker.say(printable(line))


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    print(inert(json.dumps(content, indent=1)))


def print_table(rows: Sequence[Mapping[str, object]], as_json: bool) -> None:
    """Rows of equal keys as columns that fit the terminal, or as JSON.

    Where the output goes elsewhere nothing is shortened or wrapped.
    """
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        print("none")
        return
    for line in table_lines(rows):
        print(line)


def table_lines(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Rows of equal keys, at least one, as `print_table` prints them."""
    keys = list(rows[0])
    return aligned([keys, *[[_text(row[key]) for key in keys] for row in rows]], room())


def print_facts(facts: Mapping[str, object], as_json: bool) -> None:
    """One thing's facts, a line each, or as JSON."""
    if as_json:
        print_json([dict(facts)])
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        shown = f"{value:.6g}" if isinstance(value, float) else printable(value)
        print(f"{key:<{width}}  {shown}")


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else printable(value)

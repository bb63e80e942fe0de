"""The command line: one file per sub-command; each parses, calls and prints."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from samplebench import __version__
from samplebench.answers.blame import said
from samplebench.bench.stop import Interrupted
from samplebench.cli import (
    check,
    cite,
    doctor,
    fetch,
    listing,
    published,
    reference,
    report,
    run,
    trajectory,
)
from samplebench.errors import SamplebenchError, unknown

_COMMANDS = (
    run, listing, fetch, doctor, reference, report, check, trajectory, published, cite,
)  # fmt: skip

_EXAMPLES = """examples:
  samplebench run                              the embedded demo: real digits, exact denoiser
  samplebench run --model digits-exact --sampler euler,heun --nfe 5,10,20,35 --rho 3,7
  samplebench list samplers
  samplebench check reports/digits-exact --subset --baseline benchmarks/baselines/digits-exact.csv
  samplebench trajectory --sampler euler,heun  a sampler's own error and order
  samplebench published                        what others measured
"""


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that name the nearest option or command."""

    def error(self, message: str) -> None:  # type: ignore[override]
        if message.startswith("unrecognized arguments: -"):
            wrong = message.split(": ")[1].split()[0].split("=")[0]
            message = str(unknown("option", wrong, self._option_string_actions))
        elif "invalid choice: '" in message:
            wrong = message.split("invalid choice: '")[1].split("'")[0]
            for action in self._actions:
                if isinstance(action, argparse._SubParsersAction):
                    message = str(unknown("command", wrong, action.choices))
        print(f"{self.prog}: error: {message}", file=sys.stderr)
        print(f"  (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    """The whole grammar."""
    top = Parser(
        prog="samplebench",
        description="The reproducible benchmark for diffusion samplers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"samplebench {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for module in _COMMANDS:
        module.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit code.

    0 fine, 1 regression found or a cell failed, 2 usage or input, 3 environment, 128 + n stopped
    by signal n.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    top = parser()
    if not arguments:
        top.print_help()
        return 0
    args, rest = top.parse_known_args(arguments)
    if rest:
        getattr(args, "parser", top).error(f"unrecognized arguments: {' '.join(rest)}")
    debug = getattr(args, "debug", False)
    try:
        return int(args.main(args))
    except Interrupted as stopped:
        print(f"stopped by {stopped}; the same command goes on where it stopped", file=sys.stderr)
        return stopped.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except SystemExit as error:
        # Somebody's code called exit() where nobody was there to name it: never a 0.
        if debug:
            traceback.print_exc()
        print(f"samplebench: defect: {said(error)}; --debug shows where", file=sys.stderr)
        return 3
    except BrokenPipeError:
        # The reader of our output has gone; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SamplebenchError as error:
        if debug:
            raise
        print(f"samplebench: error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        if not isinstance(error, OSError):
            # Not 1: a crash must not look like a curve that moved.
            print(
                f"samplebench: defect: {said(error)}; --debug shows where",
                file=sys.stderr,
            )
            return 3
        name = f" ({error.filename})" if error.filename else ""
        print(f"samplebench: error: {error.strerror or error}{name}", file=sys.stderr)
        return 3

"""The command line: one file per sub-command; each parses, calls and prints."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from samplebench import __version__
from samplebench.answers.blame import said
from samplebench.answers.memory import out_of_memory
from samplebench.bench.stop import Interrupted, Stopped, unwinding
from samplebench.cli import (
    advise,
    board,
    card,
    check,
    cite,
    compare,
    doctor,
    fetch,
    forget,
    history,
    listing,
    nll,
    published,
    reference,
    report,
    reproduce,
    run,
    score,
    trajectory,
    tune,
)
from samplebench.cli.common import say
from samplebench.errors import EnvironmentError_, SamplebenchError, UsageError, shortened, unknown
from samplebench.files.atomic import expanded

_COMMANDS = (
    run,
    score,
    nll,
    listing,
    fetch,
    doctor,
    reference,
    report,
    compare,
    check,
    history,
    forget,
    trajectory,
    tune,
    advise,
    board,
    published,
    reproduce,
    cite,
    card,
)

_DEFECT = "samplebench: internal error (a defect of samplebench)"
_EXAMPLES = """examples:
  samplebench run                              demo: handwritten digits, exact denoiser
  samplebench run --model digits-exact --sampler euler,heun --nfe 5,10,20,35 --rho 3,7
  samplebench score --images my/folder --reference digits --metric fd-digits
  samplebench list samplers
  samplebench check reports/digits-exact --subset --baseline benchmarks/baselines/digits-exact.csv
  samplebench forget reports/digits-exact      the sweeps requested in a folder
  samplebench trajectory --sampler euler,heun  truncation error and order
  samplebench published                        published FID values
  samplebench reproduce digits-vp/heun/20      measure a published value again
"""


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that name the nearest option or command."""

    def error(self, message: str) -> None:  # type: ignore[override]
        if message.startswith("unrecognized arguments: -"):
            wrong = message.split(": ")[1].split()[0].split("=")[0]
            message = str(unknown("option", wrong, self._option_string_actions))
            end = wrong.strip("-").replace("-", "_")
            if end in ("sigma_min", "sigma_max"):
                message = (
                    f"unknown option '{wrong}'; the range of noise levels is given with "
                    f"--param SAMPLER.{end}=VALUE"
                )
        elif "invalid choice: '" in message:
            wrong = message.split("invalid choice: '")[1].split("'")[0]
            for action in self._actions:
                if isinstance(action, argparse._SubParsersAction):
                    message = str(unknown("command", wrong, action.choices))
        say(f"{self.prog}: error: {message}")
        say(f"  (see {self.prog} --help)")
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

    0 fine, 1 a verdict against it or a failed cell, 2 usage or input, 3 environment, 128 + n
    stopped by signal n.
    """
    with ExitStack() as closed:
        for name, redirected in (("stdout", redirect_stdout), ("stderr", redirect_stderr)):
            if getattr(sys, name) is None:
                # Else what libraries print to the one goes to the other.
                nowhere = closed.enter_context(open(os.devnull, "w", encoding="utf-8"))
                closed.enter_context(redirected(nowhere))
        _any_text(sys.stdout)
        _any_text(sys.stderr)
        try:
            with unwinding():
                return _main(sys.argv[1:] if argv is None else list(argv))
        except Stopped as stopped:
            say(f"stopped by {stopped}")
            return stopped.exit_code
        finally:
            for stream in (sys.stdout, sys.stderr):
                if not _flushes(stream):
                    # Else Python complains at exit, with another code.
                    _drop(stream)


def _main(arguments: list[str]) -> int:
    top = parser()
    if not arguments:
        top.print_help()
        return 0
    args, rest = top.parse_known_args(arguments)
    if rest:
        getattr(args, "parser", top).error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        _expand(args)
        _check_place()
        code = int(args.main(args))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except Interrupted as stopped:
        say(f"stopped by {stopped}; the same command resumes")
        return stopped.exit_code
    except Stopped:
        raise
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except SystemExit as error:
        # Somebody's code called exit() where nobody was there to name it: never a 0.
        if getattr(args, "debug", False):
            traceback.print_exc()
        say(f"{_DEFECT}: {said(error)}; --debug shows where")
        return 3
    except BrokenPipeError:
        # The reader of our output has gone; what was decided before stands.
        return int(getattr(args, "verdict", 0))
    except Exception as error:
        if getattr(args, "debug", False):
            raise
        return _ended(args, error)


def _expand(args: argparse.Namespace) -> None:
    """`~` in every word: no shell expands it behind `--out=`, and no name begins so.

    Raises:
        UsageError: a word holds a zero byte, which no name or number has.
    """
    for name, value in vars(args).items():
        words = value if isinstance(value, list) else [value]
        if any(isinstance(word, str) and "\0" in word for word in words):
            raise UsageError(f"{name} holds a zero byte; leave it out")
        if isinstance(value, str) and value.startswith("~"):
            setattr(args, name, str(expanded(value)))
        elif isinstance(value, list):
            words = [str(expanded(v)) if str(v).startswith("~") else v for v in value]
            setattr(args, name, words)


def _check_place() -> None:
    """Raises `EnvironmentError_` where the working folder was removed: torch cannot start there."""
    try:
        os.getcwd()
    except OSError as error:
        raise EnvironmentError_(
            f"the working folder is gone ({error.strerror}); change to another one"
        ) from None


def _ended(args: argparse.Namespace, error: Exception) -> int:
    """Says in one line why a command ended early; the exit code."""
    if isinstance(error, SamplebenchError):
        say(f"samplebench: error: {error}")
        return error.exit_code
    if out_of_memory(error):
        say(
            f"samplebench: error: out of memory ({said(error)}); free some, or use a smaller "
            "--batch-size or fewer samples"
        )
        return 3
    if not isinstance(error, OSError):
        # Not 1: a crash must not look like a curve that moved.
        say(f"{_DEFECT}: {said(error)}; --debug shows where")
        return 3
    name = f" ({error.filename})" if error.filename else ""
    say(f"samplebench: error: {shortened(f'{error.strerror or error}{name}')}")
    # A verdict that could not be printed is one.
    return int(getattr(args, "verdict", 3))


def _any_text(stream: TextIO | None) -> None:
    """A terminal of few letters shows the others as escapes.

    Python is strict as it starts, in the C locale too but for names of files.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
        stream.reconfigure(errors="backslashreplace")


def _flushes(stream: TextIO | None) -> bool:
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        return False
    return True


def _drop(stream: TextIO | None) -> None:
    """Sends what a stream still holds nowhere."""
    with suppress(OSError, ValueError):
        if stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""The errors a user can cause or meet; each message names the thing and the next step.

The command line prints the message as one line and ends with `exit_code`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# Characters of a message, and of each end of a longer one.
_LONGEST, _HEAD = 2000, 400


# Ends a message about code of others, of which the command line can show the traceback.
WHERE = "; --debug shows where"


def in_one_line(text: str) -> str:
    """Text of others for a message: printable, with single spaces between the words."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str) -> str:
    """A message; of one that repeats a whole file or an endless path, both ends."""
    return text if len(text) <= _LONGEST else f"{text[:_HEAD]} ... {text[-_HEAD:]}"


class SamplebenchError(Exception):
    """Base of every error that is the user's or the environment's, not a defect of samplebench."""

    exit_code = 2

    def __str__(self) -> str:
        """The message in one line, and not endless."""
        return shortened(" ".join(super().__str__().splitlines()))


class UsageError(SamplebenchError):
    """A request that cannot be met as written: unknown name, bad value, impossible pair."""


class OutOfBudget(UsageError):
    """A point that its budget of evaluations makes impossible; other budgets may be fine.

    Attributes:
        sampler, nfe: of the point.
        size: what the budget is, e.g. "too small".
        reason: why.
    """

    def __init__(self, sampler: str, nfe: int, size: str, reason: str) -> None:
        super().__init__(f"nfe={nfe} is {size} for sampler {sampler}: {reason}")
        self.sampler, self.nfe, self.size, self.reason = sampler, nfe, size, reason


class InputError(SamplebenchError):
    """A file or folder that is not what it should be."""


class EnvironmentError_(SamplebenchError):
    """The machine lacks something: a device, disk space, the network, a lock."""

    exit_code = 3


# Names that a message can hold.
_LISTED = 50


def unknown(kind: str, name: str, known: Iterable[str], see: str = "") -> UsageError:
    """A `UsageError` for a name that does not exist, with the nearest one that does.

    Args:
        kind: what the name should have been, e.g. "sampler" or "parameter of sampler edm".
        name: what the user wrote.
        known: the valid names.
        see: how to list them, e.g. "samplebench list samplers".
    """
    kind, of, owner = kind.partition(" of ")
    what = f"unknown {kind} '{name}'{of}{owner}"
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    if not near and see and len(names) > _LISTED:
        return UsageError(f"{what}; '{see}' lists all {len(names)}")
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names) or 'none'}"
    tail = f" (all: {see})" if see else ""
    return UsageError(f"{what}; {hint}{tail}")

"""What code a user's function is: whatever it reaches decides whether a cell may be reused.

Followed are the globals it reads, helpers, closures, defaults, bound arguments and state, classes,
and modules of the user's own project; of Python and of installed packages the version counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from samplebench.identity.describe import describe
from samplebench.identity.walk import Walk


@dataclass(frozen=True)
class Identity:
    """What a thing is, as far as it can be told.

    Attributes:
        sha256: of all that can be described; equal in every process.
        unknown: one line on what cannot be, e.g. "global 'lock' of mine: a _thread.lock has no
            describable state"; "" where nothing is left out.
    """

    sha256: str
    unknown: str = ""


def identify(thing: Any) -> Identity:
    """The identity of a function, class or object, of its state and of the code it reaches.

    Never raises: what fails to be described is unknown.
    """
    walk = Walk(describe)
    try:
        digest = walk.digest(thing)
    except Exception as error:  # a property or a C type of others may fail in any way
        walk.obstacle(f"it cannot be described ({type(error).__name__})")
        digest = walk.digest(None)
    return Identity(digest, walk.obstacles[0] if walk.obstacles else "")


def fingerprint(thing: Any) -> str:
    """The SHA-256 of `identify`."""
    return identify(thing).sha256

"""From which of a run's own noise levels chains are started."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from samplebench.errors import UsageError

USUAL = 8
# The ends of a range as somebody wrote them are its ends.
_SAME = 1e-6

# So many of a run's levels, or levels near which they are.
Asked = int | tuple[float, ...]


def asked_levels(given: object) -> Asked:
    """A number of levels, or levels, of the word `--levels`.

    A whole number alone is a number of levels; one level is written with a point, e.g. 2.0.

    Args:
        given: text, a whole number, or a list of levels.

    Raises:
        UsageError: fewer than 2 levels, or what is no positive number.
    """
    if isinstance(given, int) and not isinstance(given, bool):
        words = [str(given)]
    elif isinstance(given, str):
        words = [word.strip() for word in given.split(",")]
    else:
        words = [str(float(level)) for level in np.atleast_1d(np.asarray(given, float)).tolist()]
    if len(words) == 1 and words[0].lstrip("+-").isdecimal():
        if (count := int(words[0])) < 2:
            raise UsageError(
                f"--levels {words[0]}: at least 2, the lowest and the highest; a single level is "
                "written with a point, e.g. 2.0"
            )
        return count
    return tuple(sorted({_level(word) for word in words}))


def _level(word: str) -> float:
    try:
        level = float(word)
    except ValueError:
        level = math.nan
    if not 0 < level < math.inf:
        raise UsageError(
            f"--levels {word}: a number of levels, e.g. {USUAL}, or positive noise levels, e.g. "
            "0.1,1,10"
        )
    return level


def steps_at(levels: list[float], asked: Asked, who: str) -> list[int]:
    """The steps before which a chain is started, increasing.

    Args:
        levels: of a run, decreasing, one before each step.
        asked: so many evenly over the steps, the first and the last among them; or the nearest to
            these, by their ratio.
        who: the run, for messages.

    Raises:
        UsageError: a level outside of the run's.
    """
    if isinstance(asked, int):
        return sorted({round(x) for x in np.linspace(0, len(levels) - 1, asked).tolist()})
    high, low = levels[0], levels[-1]
    for level in asked:
        if not low * (1 - _SAME) <= level <= high * (1 + _SAME):
            raise UsageError(
                f"--levels {level:g}: {who} has noise levels from {high:.4g} down to {low:.4g}"
            )
    return sorted({_nearest(levels, level) for level in asked})


def moved(levels: list[float], asked: Asked) -> Iterator[tuple[float, float]]:
    """(asked, level of the run) where these differ by more than rounding."""
    for level in () if isinstance(asked, int) else asked:
        own = levels[_nearest(levels, level)]
        if abs(own / level - 1) > _SAME:
            yield level, own


def _nearest(levels: list[float], level: float) -> int:
    logs = np.log(np.asarray(levels))
    return int(np.abs(logs - math.log(level)).argmin())

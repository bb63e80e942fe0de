"""What a reader must know of a card on a model that it was not made for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from samplebench.answers.rounding import model_range
from samplebench.cards.card import Card
from samplebench.cards.levels import LevelsCard

# What rounds to an end of a model's range is within it.
_SLACK = 1e-3
# Where EDM's grids begin (Karras et al. 2022): next to nothing of an image is left in the noise.
_NOISE_ALONE = 80.0


def mismatches(
    card: Card | LevelsCard, levels: Iterable[float], model: Any, name: str
) -> Iterator[str]:
    """A line for each way in which a card was made for something else.

    Args:
        card: its model, process and range count, where it says them.
        levels: at which it goes.
        model: or what is known of one.
        name: the model's.
    """
    who, about = card.called, card.about
    made = about.get("model")
    if isinstance(made, str) and made.casefold() not in {n.casefold() for n in _names(name)}:
        yield f"{who} was made for {made}, not for {name}"
    made, process = about.get("process"), getattr(getattr(model, "process", None), "name", None)
    if made and process and str(made).casefold() != process.casefold():
        yield f"{who} was made for process {made}; that of {name} is {process}"
    yield from _beyond(who, about.get("range"), [each for each in levels if each > 0], model, name)


def _names(model: str) -> set[str]:
    """What a model of the catalogue is called, here and by those who released it."""
    from samplebench.checkpoints.catalog import catalog

    entry = catalog().get(model)
    if entry is None:
        return {model}
    return {model, entry.file_name.rpartition(".")[0], *entry.published, *entry.same_weights}


def _beyond(
    card: str, made_for: Sequence[float] | None, levels: list[float], model: Any, name: str
) -> Iterator[str]:
    """Levels that a model does not know; or else a range that is not the model's."""
    low, high = model_range(model)
    # Before a model is here, and of one that takes any level, there is nothing to say.
    knows = f"; {name} knows {low:g} to {high:g}" if (low, high) != (0, math.inf) else ""
    begins, ends = max(levels), min(levels)
    if _outside(ends, begins, low, high):
        yield f"{card} goes from sigma {begins:g} to {ends:g}{knows}"
        return
    least, most = made_for or (ends, begins)
    if _outside(least, most, low, high):
        yield f"{card} was made for noise levels {least:g} to {most:g}{knows}"
    if begins < min(high, _NOISE_ALONE) / 2:
        yield f"{card} begins at sigma {begins:g}, from noise alone{knows}"


def _outside(least: float, most: float, low: float, high: float) -> bool:
    return least < low * (1 - _SLACK) or most > high * (1 + _SLACK)

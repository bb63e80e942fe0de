"""Which constructor arguments make a network: names, kinds and ranges, before anything is built.

A file states them, so nothing about them is trusted: a width of a million would take all memory.
"""

from __future__ import annotations

import inspect
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from samplebench.errors import InputError, unknown


@dataclass(frozen=True)
class ArgumentRule:
    """What a value must be: a test and its words."""

    test: Callable[[Any], bool]
    words: str


def _whole(low: int, high: int) -> ArgumentRule:
    return ArgumentRule(
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def _real(low: float, high: float) -> ArgumentRule:
    # NaN is in no range.
    return ArgumentRule(
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"a number from {low:g} to {high:g}",
    )


def _list_of(rule: ArgumentRule, shortest: int, longest: int) -> ArgumentRule:
    return ArgumentRule(
        lambda value: (
            isinstance(value, list | tuple)
            and shortest <= len(value) <= longest
            and all(map(rule.test, value))
        ),
        f"a list of {shortest} to {longest} entries, each {rule.words}",
    )


def _word(*words: str) -> ArgumentRule:
    return ArgumentRule(
        lambda value: isinstance(value, str) and value in words, f"one of {list(words)}"
    )


_TAPS = _list_of(_real(-1000, 1000), 2, 16)
# The released networks lie well inside: 192 channels, 4 levels, 4 blocks, 1000 classes.
RULES: Mapping[str, ArgumentRule] = {
    "img_resolution": _whole(1, 2048),
    "img_channels": _whole(1, 64),
    "label_dim": _whole(0, 100_000),
    "use_fp16": ArgumentRule(lambda value: isinstance(value, bool), "true or false"),
    "model_type": _word("SongUNet", "DhariwalUNet"),
    "augment_dim": _whole(0, 1000),
    "model_channels": _whole(4, 1024),
    "channel_mult": _list_of(_whole(1, 16), 1, 8),
    "channel_mult_emb": _whole(1, 16),
    "channel_mult_noise": _whole(1, 16),
    "num_blocks": _whole(1, 16),
    "attn_resolutions": _list_of(_whole(1, 2048), 0, 16),
    "dropout": _real(0, 1),
    "label_dropout": _real(0, 1),
    "embedding_type": _word("positional", "fourier"),
    "encoder_type": _word("standard", "skip", "residual"),
    "decoder_type": _word("standard", "skip"),
    # An odd number of taps does not double the resolution.
    "resample_filter": ArgumentRule(
        lambda value: _TAPS.test(value) and len(value) % 2 == 0 and abs(sum(value)) > 1e-6,
        "an even number of taps, 2 to 16, whose sum is not 0",
    ),
    "beta_d": _real(1e-6, 1000),
    "beta_min": _real(0, 1000),
    "M": _whole(2, 10_000),
    "epsilon_t": _real(1e-9, 1),
    "C_1": _real(1e-6, 1),
    "C_2": _real(0, 1),
    "sigma_min": _real(0, 1e6),
    "sigma_max": _real(1e-6, math.inf),
    "sigma_data": _real(1e-6, 1000),
    "logvar_channels": _whole(1, 10_000),
    "channels_per_head": _whole(1, 10_000),
    "label_balance": _real(0, 1),
    "concat_balance": _real(0, 1),
    "res_balance": _real(0, 1),
    "attn_balance": _real(0, 1),
    "clip_act": ArgumentRule(
        lambda value: value is None or _real(1e-6, 1e6).test(value),
        "a number from 1e-06 to 1e+06 or None",
    ),
}
# What the preconditioner passes to its network itself.
_PASSED = ("in_channels", "out_channels")


def defaults(*constructors: type) -> dict[str, Any]:
    """Arguments of classes that share them, name -> default; the first class's default wins.

    Required ones have `inspect.Parameter.empty`.
    """
    return {
        name: parameter.default
        for constructor in reversed(constructors)
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name not in _PASSED
    }


def checked(owner: str, constructors: Iterable[type], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with every default filled in.

    Args:
        owner: the class they are for, as the file names it.
        constructors: the classes that share the arguments, see `defaults`.
        given: arguments by name.

    Raises:
        InputError: an unknown, missing or impossible argument.
    """
    known = defaults(*constructors)
    for name in map(str, given):
        if name not in known:
            # A file's word: shortened, and on one line.
            word = reprlib.repr(name)[1:-1]
            raise InputError(str(unknown(f"argument of {owner}", word, known)))
    filled = {**known, **given}
    for name, value in filled.items():
        if value is inspect.Parameter.empty:
            raise InputError(f"{owner} lacks its argument '{name}', {RULES[name].words}")
        if not (RULES[name].test(value) or (value is None and known[name] is None)):
            raise InputError(
                f"{owner}: {name} is {reprlib.repr(value)}; it must be {RULES[name].words}"
            )
    _fit(owner, filled)
    return filled


def _fit(owner: str, arguments: Mapping[str, Any]) -> None:
    """Arguments that are possible one by one may not be so together."""
    resolution, levels = arguments["img_resolution"], len(arguments["channel_mult"])
    if resolution % 2 ** (levels - 1):
        raise InputError(
            f"{owner}: img_resolution {resolution} cannot be halved {levels - 1} times, "
            f"once per level of channel_mult after the first"
        )
    low, high = arguments.get("sigma_min", 0), arguments.get("sigma_max", math.inf)
    if not low < high:
        raise InputError(f"{owner}: sigma_min {low} is not below sigma_max {high}")

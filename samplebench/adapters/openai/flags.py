"""UNetModel and EncoderUNetModel from a release's flags or its constructor arguments.

Flags are what the release's command line takes; what is left out has the default of its code base.
Everything is checked before anything is built: a width of a million would take all memory.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from samplebench.errors import InputError, unknown
from samplebench.networks.openai_classifier import EncoderUNetModel
from samplebench.networks.openai_unet import UNetModel
from samplebench.processes.discrete import OPENAI_FAMILIES


@dataclass(frozen=True)
class Kind:
    """What a value must be.

    Attributes:
        parse: the value, out of a command line's text too; raises ValueError.
        words: for the message.
    """

    parse: Callable[[Any], Any]
    words: str


def _whole(low: int, high: int, *others: int | None) -> Kind:
    def parse(value: Any) -> int | None:
        value = int(value) if isinstance(value, str) else value
        if value not in others and not (type(value) is int and low <= value <= high):
            raise ValueError
        return value

    also = "".join(f" or {'null' if value is None else value}" for value in others)
    return Kind(parse, f"a whole number from {low} to {high}{also}")


def _list_of(kind: type[float], low: float, high: float, longest: int) -> Kind:
    def parse(value: Any) -> list[float]:
        if isinstance(value, str):
            value = [kind(word) for word in value.split(",")] if value else []
        elif type(value) is int:
            value = [value]
        allowed = {int, kind}
        if not isinstance(value, list | tuple) or len(value) > longest:
            raise ValueError
        if not all(type(one) in allowed and low <= one <= high for one in value):
            raise ValueError
        return list(value)

    return Kind(parse, f"a list of up to {longest} numbers from {low} to {high}")


def _only(wanted: Any) -> Kind:
    def parse(value: Any) -> Any:
        if type(value) is not type(wanted) or value != wanted:
            raise ValueError
        return value

    return Kind(parse, f"{wanted!r}, as in all releases")


def _flag(value: Any) -> bool:
    if isinstance(value, str):
        value = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}.get(value.lower())
    if not isinstance(value, bool):
        raise ValueError
    return value


_YES, _NO = ("yes", "true", "t", "y", "1"), ("no", "false", "f", "n", "0")
_SIZE = _whole(1, 2048)
_CHANNELS = _whole(1, 64)
_WIDTH = _whole(1, 1024)
_BLOCKS = _whole(0, 16)
_HEADS = _whole(1, 1024)
_HEADS_OR_NOT = _whole(1, 1024, -1)
_CLASSES = _whole(1, 100_000)
_PLACES = _list_of(int, 1, 2048, 16)
_MULTIPLIERS = _list_of(float, 0.0625, 16, 8)
_SWITCH = Kind(_flag, "true or false")
_REQUIRED = object()

# Name -> kind and default.
_UNET_FLAGS: Mapping[str, tuple[Kind, Any]] = {
    "image_size": (_SIZE, 64),
    "num_channels": (_WIDTH, 128),
    "num_res_blocks": (_BLOCKS, 2),
    "attention_resolutions": (_PLACES, "16,8"),
    "channel_mult": (_MULTIPLIERS, ""),
    "learn_sigma": (_SWITCH, False),
    "class_cond": (_SWITCH, False),
    "num_heads": (_HEADS, 4),
    "num_head_channels": (_HEADS_OR_NOT, -1),
    "num_heads_upsample": (_HEADS_OR_NOT, -1),
    "use_scale_shift_norm": (_SWITCH, True),
    "resblock_updown": (_SWITCH, False),
    "use_new_attention_order": (_SWITCH, False),
}
_CLASSIFIER_FLAGS: Mapping[str, tuple[Kind, Any]] = {
    "image_size": (_SIZE, 64),
    "classifier_width": (_WIDTH, 128),
    "classifier_depth": (_BLOCKS, 2),
    "classifier_attention_resolutions": (_PLACES, "32,16,8"),
    "classifier_use_scale_shift_norm": (_SWITCH, True),
    "classifier_resblock_updown": (_SWITCH, True),
    "classifier_pool": (_only("attention"), "attention"),
}
_ARCHITECTURE: Mapping[str, tuple[Kind, Any]] = {
    "image_size": (_SIZE, _REQUIRED),
    "in_channels": (_CHANNELS, _REQUIRED),
    "model_channels": (_WIDTH, _REQUIRED),
    "out_channels": (_CHANNELS, _REQUIRED),
    "num_res_blocks": (_BLOCKS, _REQUIRED),
    "attention_resolutions": (_PLACES, _REQUIRED),
    "channel_mult": (_MULTIPLIERS, _REQUIRED),
    "conv_resample": (_only(True), True),
    "num_classes": (_whole(1, 100_000, None), None),
    "num_heads": (_HEADS, 1),
    "num_head_channels": (_HEADS_OR_NOT, -1),
    "num_heads_upsample": (_HEADS_OR_NOT, -1),
    "use_scale_shift_norm": (_SWITCH, False),
    "resblock_updown": (_SWITCH, False),
    "use_new_attention_order": (_SWITCH, False),
}
_CLASSIFIER_ARCHITECTURE: Mapping[str, tuple[Kind, Any]] = {
    **{key: kind for key, kind in _ARCHITECTURE.items() if "classes" not in key},
    "out_channels": (_CLASSES, _REQUIRED),
    "num_head_channels": (_HEADS, _REQUIRED),
    "pool": (_only("attention"), "attention"),
}

# Multipliers where no channel_mult is given, by image size.
_BY_SIZE: Mapping[int, tuple[float, ...]] = {
    32: (1, 2, 2, 2),
    64: (1, 2, 3, 4),
    128: (1, 1, 2, 3, 4),
    256: (1, 1, 2, 2, 4, 4),
    512: (0.5, 1, 1, 2, 2, 4, 4),
}
# Code base -> number of classes, and the image sizes it has multipliers for.
FAMILIES: Mapping[str, tuple[int, tuple[int, ...]]] = dict(
    zip(
        OPENAI_FAMILIES,
        ((1000, (32, 64, 256)), (1000, (64, 128, 256, 512)), (10, (32, 64, 128, 256, 512))),
        strict=True,
    )
)
# What guided-diffusion added, and the value that stands for its absence.
_ADDED = {"num_head_channels": -1, "resblock_updown": False, "use_new_attention_order": False}


def unet(family: str, config: Mapping[str, Any]) -> UNetModel:
    """The U-Net that a release's flags or constructor arguments describe, without weights.

    Args:
        family, config: see `unet_arguments`.

    Raises:
        UsageError: an unknown family.
        InputError: a missing or impossible value.
    """
    arguments = unet_arguments(family, config)
    try:
        return UNetModel(**arguments)
    except ValueError as error:
        raise InputError(f"{family}: {error}") from None


def classifier(config: Mapping[str, Any]) -> EncoderUNetModel:
    """guided-diffusion's classifier of noisy images, without weights.

    Args:
        config: see `classifier_arguments`.

    Raises:
        InputError: a missing or impossible value.
    """
    arguments = classifier_arguments(config)
    try:
        return EncoderUNetModel(**arguments)
    except ValueError as error:
        raise InputError(f"classifier: {error}") from None


def unet_arguments(family: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `UNetModel`; among them image_size, out_channels and num_classes.

    Args:
        family: "improved-diffusion", "guided-diffusion" or "ddpm-ip", also with a class behind a
            slash, as "guided-diffusion/UNetModel".
        config: the release's flags, whose attention_resolutions are resolutions; or
            "architecture", constructor arguments, whose attention_resolutions are factors, with
            "image_size" beside it where the architecture has none. Other keys are ignored.

    Raises:
        UsageError: an unknown family.
        InputError: a missing or impossible value.
    """
    name = str(family).partition("/")[0]
    if name not in FAMILIES:
        raise unknown("family", name, FAMILIES)
    if "large_size" in config:
        raise InputError(f"{name}: large_size describes an upsampler, which is not supported")
    if "architecture" in config:
        arguments = _read(name, _ARCHITECTURE, _inner(name, config))
        del arguments["conv_resample"]
    else:
        flags = _read(name, _UNET_FLAGS, config)
        if flags["channel_mult"] and name == "improved-diffusion":
            raise InputError(f"{name} has no flag channel_mult; leave it out")
        arguments = {
            "in_channels": 3,
            "out_channels": 6 if flags.pop("learn_sigma") else 3,
            "num_classes": FAMILIES[name][0] if flags.pop("class_cond") else None,
            "model_channels": flags.pop("num_channels"),
            **flags,
            "attention_resolutions": _factors(flags, "attention_resolutions"),
            "channel_mult": flags["channel_mult"] or _multipliers(name, name, flags["image_size"]),
        }
    if name == "improved-diffusion":
        for key, absent in _ADDED.items():
            if arguments[key] != absent:
                raise InputError(f"{name} has no {key}; that is guided-diffusion's")
        if arguments["channel_mult"][:1] != [1]:
            raise InputError(f"{name}: channel_mult must begin with 1")
    return _fitting(name, arguments)


def classifier_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `EncoderUNetModel`.

    Args:
        config: the release's flags (image_size and those that begin with "classifier_"), or
            "architecture", constructor arguments. Other keys are ignored.

    Raises:
        InputError: a missing or impossible value.
    """
    name = "classifier"
    if "architecture" in config:
        arguments = _read(name, _CLASSIFIER_ARCHITECTURE, _inner(name, config))
        for key in ("conv_resample", "pool", "num_heads_upsample"):
            del arguments[key]
        return _fitting(name, arguments)
    flags = _read(name, _CLASSIFIER_FLAGS, config)
    arguments = {
        "image_size": flags["image_size"],
        "in_channels": 3,
        "model_channels": flags["classifier_width"],
        "out_channels": FAMILIES["guided-diffusion"][0],
        "num_res_blocks": flags["classifier_depth"],
        "attention_resolutions": _factors(flags, "classifier_attention_resolutions"),
        "channel_mult": _multipliers(name, "guided-diffusion", flags["image_size"]),
        "num_head_channels": 64,
        "use_scale_shift_norm": flags["classifier_use_scale_shift_norm"],
        "resblock_updown": flags["classifier_resblock_updown"],
    }
    return _fitting(name, arguments)


def _inner(owner: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The constructor arguments, with the image size from beside them where they have none."""
    architecture = config["architecture"]
    if not isinstance(architecture, Mapping):
        raise InputError(f"{owner}: architecture must be a table of constructor arguments")
    return {**{k: config[k] for k in ("image_size",) if k in config}, **architecture}


def _read(
    owner: str, table: Mapping[str, tuple[Kind, Any]], given: Mapping[str, Any]
) -> dict[str, Any]:
    found = {}
    for key, (kind, default) in table.items():
        value = given.get(key, default)
        if value is _REQUIRED:
            raise InputError(f"{owner}: the config lacks '{key}', {kind.words}")
        try:
            found[key] = kind.parse(value)
        except (ValueError, TypeError):
            raise InputError(
                f"{owner}: {key} is {reprlib.repr(value)}; it must be {kind.words}"
            ) from None
    return found


def _factors(flags: Mapping[str, Any], key: str) -> list[int]:
    """By what the image is divided at resolutions with attention."""
    return [flags["image_size"] // resolution for resolution in flags[key]]


def _multipliers(owner: str, family: str, image_size: int) -> list[float]:
    _, sizes = FAMILIES[family]
    if image_size not in sizes:
        known = ", ".join(map(str, sizes))
        raise InputError(
            f"{owner}: image_size {image_size} has no multipliers of its own, only {known} have; "
            "give architecture instead of flags"
        )
    return list(_BY_SIZE[image_size])


def _fitting(owner: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments that are possible one by one may not be so together."""
    size, width, mults = (arguments[k] for k in ("image_size", "model_channels", "channel_mult"))
    if not mults:
        raise InputError(f"{owner}: channel_mult has no entry")
    if size % 2 ** (len(mults) - 1):
        raise InputError(
            f"{owner}: image_size {size} cannot be halved {len(mults) - 1} times, once per level "
            "of channel_mult after the first"
        )
    for mult in mults:
        if int(mult * width) < 32 or int(mult * width) % 32:
            raise InputError(
                f"{owner}: channel_mult {mult:g} times {width} channels is not a multiple of 32"
            )
    return arguments

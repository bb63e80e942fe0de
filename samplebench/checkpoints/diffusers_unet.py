"""The arguments of diffusers' UNet2DModel in a config.json: data of known kinds, each bounded.

Whatever the file says, no more than a network of the sizes below is built of it, and no class but
that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from samplebench.errors import InputError, unknown

FILE = "config.json"
CLASS = "UNet2DModel"
_DOWN = (
    "DownBlock2D",
    "AttnDownBlock2D",
    "ResnetDownsampleBlock2D",
    "SkipDownBlock2D",
    "AttnSkipDownBlock2D",
)
_UP = (
    "UpBlock2D",
    "AttnUpBlock2D",
    "ResnetUpsampleBlock2D",
    "SkipUpBlock2D",
    "AttnSkipUpBlock2D",
)
_MOST_BLOCKS, _MOST_LAYERS, _MOST_CHANNELS = 10, 16, 1 << 14
_MOST_SIZE, _MOST_CLASSES, _MOST_STEPS = 1 << 13, 1 << 20, 100_000
# What a moving average of diffusers writes of itself beside the network's arguments.
_AVERAGE = (
    "decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step",
    "use_ema_warmup",
)  # fmt: skip

Check = Callable[[Any], bool]


def unet_arguments(content: Any) -> dict[str, Any]:
    """The constructor's arguments, of those that the file names.

    Args:
        content: the file's JSON value.

    Raises:
        InputError: another class, code of the folder's own, or an argument that is unknown, of
            another kind or beyond any network.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{FILE} is not a JSON object; write {{...}}")
    if "auto_map" in content:
        raise InputError(
            f"{FILE} names code in the folder (auto_map), which is never executed; only diffusers' "
            f"{CLASS} is supported"
        )
    name = content.get("_class_name")
    if name != CLASS:
        other = "names no class" if name is None else f"describes {_shown(name)}"
        raise InputError(f"{FILE} {other}; only diffusers' {CLASS} is supported")
    found = {}
    for key, value in content.items():
        if key.startswith("_") or key in _AVERAGE or (key not in _RULES and value is None):
            continue
        if key not in _RULES:
            raise InputError(f"{FILE}: {unknown(f'argument of {CLASS}', key[:80], _RULES)}")
        check, wanted = _RULES[key]
        if not check(value):
            raise InputError(f"{FILE}: {key}={_shown(value)} must be {wanted}")
        found[key] = value
    _check_together(found)
    return found


def image_shape(arguments: Mapping[str, Any]) -> tuple[int, int, int]:
    """(C, H, W) of what the network denoises."""
    size = arguments["sample_size"]
    height, width = size if isinstance(size, list) else (size, size)
    return arguments.get("in_channels", 3), height, width


def classes(arguments: Mapping[str, Any]) -> int:
    """The number of classes whose labels the network takes; 0 for an unconditional one.

    Raises:
        InputError: it takes something else than labels, or nobody says how many there are.
    """
    kind, number = arguments.get("class_embed_type"), arguments.get("num_class_embeds")
    if kind == "identity":
        raise InputError(
            f"{FILE}: class_embed_type=identity takes embeddings in place of labels; only "
            "networks that embed their labels themselves are supported"
        )
    if kind == "timestep" and number is None:
        raise InputError(
            f"{FILE}: class_embed_type=timestep without num_class_embeds does not say how many "
            "classes there are; add the number"
        )
    return number or 0


def _check_together(found: Mapping[str, Any]) -> None:
    """Raises `InputError` for arguments that each may be and together are no network."""
    for name in ("sample_size", "block_out_channels", "down_block_types", "up_block_types"):
        if found.get(name) is None:
            raise InputError(f"{FILE} lacks {name}, which is needed to build the network")
    blocks = len(found["block_out_channels"])
    if not len(found["down_block_types"]) == len(found["up_block_types"]) == blocks:
        raise InputError(
            f"{FILE}: down_block_types, up_block_types and block_out_channels are one for each "
            "resolution; they have different lengths"
        )
    factor = 1 << (blocks - 1)
    _, height, width = image_shape(found)
    if height % factor or width % factor:
        raise InputError(
            f"{FILE}: sample_size={_shown(found['sample_size'])} must be a multiple of {factor}: "
            f"{blocks} resolutions halve it"
        )
    if found.get("time_embedding_type") == "learned" and not found.get("num_train_timesteps"):
        raise InputError(f"{FILE}: time_embedding_type=learned needs num_train_timesteps")


def _whole(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _real(most: float) -> Check:
    return lambda value: type(value) in (int, float) and 0 <= value <= most


def _word(*known: str) -> Check:
    return lambda value: isinstance(value, str) and value in known


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _several(check: Check, least: int, most: int) -> Check:
    return lambda value: (
        isinstance(value, list) and least <= len(value) <= most and all(map(check, value))
    )


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _size(value: Any) -> bool:
    one = _whole(1, _MOST_SIZE)
    return one(value) or _several(one, 2, 2)(value)


def _counted(least: int, most: int, none: bool = False) -> tuple[Check, str]:
    check = _whole(least, most)
    text = f"a whole number from {least} to {most}"
    return (_or_none(check), f"{text} or null") if none else (check, text)


def _one_of(*known: str, none: bool = False) -> tuple[Check, str]:
    text = f"one of {', '.join(known)}"
    return (_or_none(_word(*known)), f"{text} or null") if none else (_word(*known), text)


def _blocks(known: tuple[str, ...]) -> tuple[Check, str]:
    return (
        _several(_word(*known), 1, _MOST_BLOCKS),
        f"a list of up to {_MOST_BLOCKS} of {', '.join(known)}",
    )


_RULES: dict[str, tuple[Check, str]] = {
    "sample_size": (_size, f"a whole number up to {_MOST_SIZE}, or [height, width]"),
    "in_channels": _counted(1, 1 << 8),
    "out_channels": _counted(1, 1 << 9),
    "center_input_sample": (_flag, "true or false"),
    "time_embedding_type": _one_of("positional", "fourier", "learned"),
    "time_embedding_dim": _counted(1, _MOST_CHANNELS, none=True),
    "freq_shift": (_real(1e6), "a number from 0 up"),
    "flip_sin_to_cos": (_flag, "true or false"),
    "down_block_types": _blocks(_DOWN),
    "mid_block_type": _one_of("UNetMidBlock2D", none=True),
    "up_block_types": _blocks(_UP),
    "block_out_channels": (
        _several(_whole(1, _MOST_CHANNELS), 1, _MOST_BLOCKS),
        f"a list of up to {_MOST_BLOCKS} whole numbers up to {_MOST_CHANNELS}",
    ),
    "layers_per_block": _counted(1, _MOST_LAYERS),
    "mid_block_scale_factor": (_real(1e6), "a number from 0 up"),
    "downsample_padding": _counted(0, 1),
    "downsample_type": _one_of("conv", "resnet"),
    "upsample_type": _one_of("conv", "resnet"),
    "dropout": (_real(1), "a number from 0 to 1"),
    "act_fn": _one_of("silu", "swish", "mish", "gelu", "relu"),
    "attention_head_dim": _counted(1, _MOST_CHANNELS, none=True),
    "norm_num_groups": _counted(1, _MOST_CHANNELS),
    "attn_norm_num_groups": _counted(1, _MOST_CHANNELS, none=True),
    "norm_eps": (_real(1), "a number from 0 to 1"),
    "resnet_time_scale_shift": _one_of("default", "scale_shift"),
    "add_attention": (_flag, "true or false"),
    "class_embed_type": _one_of("timestep", "identity", none=True),
    "num_class_embeds": _counted(1, _MOST_CLASSES, none=True),
    "num_train_timesteps": _counted(1, _MOST_STEPS, none=True),
}


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

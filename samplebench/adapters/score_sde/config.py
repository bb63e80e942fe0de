"""A score-SDE release's configuration as constructor arguments of SongUNet and its preconditioner.

Source: Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
Equations", appendix H; in the form of Karras et al. 2022, table 1, columns VP and VE.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from samplebench.errors import InputError
from samplebench.networks.edm_arguments import RULES
from samplebench.processes import process
from samplebench.processes.isotropic import Isotropic

# What the four released models have in common; with any other value the function is another one.
_COMMON = {
    "name": "ncsnpp",
    "resblock_type": "biggan",
    "nonlinearity": "swish",
    "normalization": "GroupNorm",
    "skip_rescale": True,
    "resamp_with_conv": True,
    "conditional": True,
    "progressive": "none",
}
# VPPrecond and VEPrecond call the network as these models were trained, and no others.
_BY_SDE = {
    "vpsde": {
        "data.centered": True,
        "model_config.embedding_type": "positional",
        "model_config.scale_by_sigma": False,
    },
    "vesde": {
        "data.centered": False,
        "model_config.embedding_type": "fourier",
        "model_config.scale_by_sigma": True,
    },
}
# The release's word -> the process's name.
_PROCESSES = {"vpsde": "vp", "vesde": "ve"}
_ENCODERS = {"none": "standard", "residual": "residual"}
# The release's word -> SongUNet's.
_WIDTHS = {
    "nf": "model_channels",
    "ch_mult": "channel_mult",
    "num_res_blocks": "num_blocks",
    "attn_resolutions": "attn_resolutions",
}


def trained_process(config: Mapping[str, Any]) -> Isotropic | None:
    """The process of a release's model; None where its config says none that is known."""
    name = _PROCESSES.get(str(config.get("training.sde")))
    found = None if name is None else process(name)
    return found if isinstance(found, Isotropic) else None


def songunet_arguments(
    config: Mapping[str, Any], num_channels: int = 3
) -> tuple[str, dict[str, Any]]:
    """The preconditioner under which SongUNet is the denoiser of a released score network.

    Args:
        config: in the release's words: "training.sde", "data.centered", "data.image_size",
            "data.num_channels" (optional) and "model_config", a dict; other keys are ignored.
        num_channels: of the images, where the config does not say it.

    Returns:
        "VPPrecond" or "VEPrecond" and its constructor arguments. Images lie in [-1, 1] and noise
        levels are in that unit, also where the network was trained on [0, 1].

    Raises:
        InputError: a missing key, or a value that no released model has.
    """
    sde = _choice(config, "training.sde", _BY_SDE)
    for key, value in _BY_SDE[sde].items():
        _choice(config, key, (value,), f" with training.sde '{sde}'")
    for key, value in _COMMON.items():
        _choice(config, f"model_config.{key}", (value,))
    encoder = _ENCODERS[_choice(config, "model_config.progressive_input", _ENCODERS)]
    fir = _choice(config, "model_config.fir", (True, False))
    ve = sde == "vesde"
    with_channels = {"data.num_channels": num_channels, **config}
    arguments = {
        "model_type": "SongUNet",
        "img_resolution": ruled(config, "data.image_size", "img_resolution"),
        "img_channels": ruled(with_channels, "data.num_channels", "img_channels"),
        "label_dim": 0,
        **{ours: ruled(config, f"model_config.{key}", ours) for key, ours in _WIDTHS.items()},
        "embedding_type": "fourier" if ve else "positional",
        "channel_mult_noise": 2 if ve else 1,
        "encoder_type": encoder,
        "decoder_type": "standard",
        "resample_filter": (
            ruled(config, "model_config.fir_kernel", "resample_filter") if fir else [1, 1]
        ),
    }
    if ve:
        # The release's are in the unit of [0, 1].
        for key in ("sigma_min", "sigma_max"):
            arguments[key] = 2 * ruled(config, f"model_config.{key}", key)
        return "VEPrecond", arguments
    start = ruled(config, "model_config.beta_min", "beta_min")
    end = ruled(config, "model_config.beta_max", "beta_d")
    return "VPPrecond", arguments | {"beta_min": start, "beta_d": end - start}


def ruled(config: Mapping[str, Any], key: str, ours: str) -> Any:
    """The value of `key`, where "model_config.nf" is nf of the inner dict.

    Args:
        ours: the constructor argument whose range it must be in.

    Raises:
        InputError: it is missing or out of range.
    """
    value = _value(config, key)
    if not RULES[ours].test(value):
        raise InputError(f"{key} is {value!r}; it must be {RULES[ours].words}")
    return value


def _choice(config: Mapping[str, Any], key: str, known: Collection[Any], when: str = "") -> Any:
    """The value of `key`, which must be one of `known`, in type too."""
    value = _value(config, key)
    if not any(type(value) is type(one) and value == one for one in known):
        words = " or ".join(repr(one) for one in known)
        raise InputError(f"{key} {value!r} is not supported{when}; it must be {words}")
    return value


def _value(config: Mapping[str, Any], key: str) -> Any:
    inner, _, name = key.partition(".")
    found: Any = config
    for part in (inner, name) if inner == "model_config" else (key,):
        if not isinstance(found, Mapping) or part not in found:
            raise InputError(f"the config of a score-SDE checkpoint lacks '{key}'")
        found = found[part]
    return found

"""From a release's flags or constructor arguments to a network's arguments."""

from __future__ import annotations

import pytest

from samplebench.adapters.openai.flags import FAMILIES, unet, unet_arguments
from samplebench.errors import InputError, UsageError

ARCHITECTURE = {
    "image_size": 16,
    "in_channels": 3,
    "model_channels": 32,
    "out_channels": 6,
    "num_res_blocks": 1,
    "attention_resolutions": [2],
    "channel_mult": [1, 2],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_are_the_code_bases(family):
    found = unet_arguments(family, {})
    assert found == {
        "image_size": 64,
        "in_channels": 3,
        "model_channels": 128,
        "out_channels": 3,
        "num_res_blocks": 2,
        "attention_resolutions": [4, 8],
        "channel_mult": [1, 2, 3, 4],
        "num_classes": None,
        "num_heads": 4,
        "num_head_channels": -1,
        "num_heads_upsample": -1,
        "use_scale_shift_norm": True,
        "resblock_updown": False,
        "use_new_attention_order": False,
    }


def test_the_number_of_classes_is_the_code_bases():
    found = [unet_arguments(family, {"class_cond": True})["num_classes"] for family in FAMILIES]
    assert found == [1000, 1000, 10]


def test_flags_as_a_command_line_has_them():
    flags = {
        "image_size": "64",
        "learn_sigma": "True",
        "use_scale_shift_norm": "n",
        "channel_mult": "1,2",
        "attention_resolutions": "32,8",
        "num_head_channels": "-1",
        "dropout": "0.3",
    }
    found = unet_arguments("guided-diffusion", flags)
    assert (found["image_size"], found["out_channels"]) == (64, 6)
    assert found["use_scale_shift_norm"] is False
    assert (found["channel_mult"], found["attention_resolutions"]) == ([1, 2], [2, 8])
    assert unet_arguments("ddpm-ip", {"attention_resolutions": 16})["attention_resolutions"] == [4]
    assert unet_arguments("ddpm-ip", {"attention_resolutions": ""})["attention_resolutions"] == []


@pytest.mark.parametrize(
    ("family", "size", "wanted"),
    [
        ("improved-diffusion", 32, [1, 2, 2, 2]),
        ("ddpm-ip", 32, [1, 2, 2, 2]),
        ("guided-diffusion", 128, [1, 1, 2, 3, 4]),
        ("improved-diffusion", 256, [1, 1, 2, 2, 4, 4]),
        ("guided-diffusion", 512, [0.5, 1, 1, 2, 2, 4, 4]),
    ],
)
def test_multipliers_by_image_size(family, size, wanted):
    assert unet_arguments(family, {"image_size": size})["channel_mult"] == wanted


def test_constructor_arguments_have_the_constructors_defaults():
    found = unet_arguments("guided-diffusion/UNetModel", {"architecture": ARCHITECTURE})
    assert found["attention_resolutions"] == [2] and found["num_heads"] == 1
    assert found["use_scale_shift_norm"] is False and found["num_classes"] is None
    assert "conv_resample" not in found


def test_image_size_beside_the_architecture():
    inner = {key: value for key, value in ARCHITECTURE.items() if key != "image_size"}
    network = unet("improved-diffusion/UNetModel", {"image_size": 8, "architecture": inner})
    assert network.image_size == 8 and network.out_channels == 6


def changed(**changes) -> dict:
    return {"architecture": {**ARCHITECTURE, **changes}}


REFUSED = {
    "size": ("guided-diffusion", {"image_size": 32}, "image_size 32 has no multipliers"),
    "upsampler": ("guided-diffusion", {"large_size": 256}, "upsampler"),
    "word": ("guided-diffusion", {"learn_sigma": "maybe"}, "learn_sigma is 'maybe'"),
    "number-as-switch": ("guided-diffusion", {"class_cond": 1}, "class_cond is 1"),
    "switch-as-number": ("guided-diffusion", {"num_heads": True}, "num_heads is True"),
    "huge": ("guided-diffusion", {"num_channels": 10**6}, "num_channels is 1000000"),
    "resolutions": ("ddpm-ip", {"attention_resolutions": "a"}, "attention_resolutions is 'a'"),
    "zero-resolution": ("ddpm-ip", {"attention_resolutions": "0"}, "attention_resolutions is '0'"),
    "no-fraction": ("ddpm-ip", {"attention_resolutions": [8.5]}, "attention_resolutions is [8.5]"),
    "improved-heads": ("improved-diffusion", {"num_head_channels": 64}, "no num_head_channels"),
    "improved-mult": ("improved-diffusion", {"channel_mult": "1,2"}, "no flag channel_mult"),
    "improved-first": ("improved-diffusion", changed(channel_mult=[2, 2]), "begin with 1"),
    "odd": ("guided-diffusion", changed(image_size=15), "image_size 15 cannot be halved"),
    "width": ("guided-diffusion", changed(channel_mult=[1, 1.5]), "channel_mult 1.5 times 32"),
    "no-level": ("guided-diffusion", changed(channel_mult=[]), "channel_mult has no entry"),
    "heads": ("guided-diffusion", changed(num_heads=5), "5 attention heads"),
    "head-width": ("guided-diffusion", changed(num_head_channels=24), "num_head_channels = 24"),
    "pooling": ("guided-diffusion", changed(conv_resample=False), "conv_resample is False"),
    "no-table": ("guided-diffusion", {"architecture": [1]}, "architecture must be a table"),
    "missing": ("guided-diffusion", {"architecture": {"image_size": 8}}, "lacks 'in_channels'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_built_is_named(name):
    family, config, words = REFUSED[name]
    with pytest.raises(InputError) as refusal:
        unet(family, config)
    message = str(refusal.value)
    assert message.startswith(f"{family}: ") or message.startswith(f"{family} has")
    assert words in message and "\n" not in message


def test_an_unknown_family_is_named():
    with pytest.raises(UsageError, match="did you mean 'guided-diffusion'"):
        unet("guided-difusion", {})

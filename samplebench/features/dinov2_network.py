"""DINOv2's vision transformer at 224x224, of the original weights in the transformers library."""

from __future__ import annotations

import importlib.util
import math
import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from samplebench.errors import EnvironmentError_
from samplebench.extras import absent_where_broken, extra
from samplebench.features import dinov2_weights
from samplebench.features.shared import Shared

# Pixels of an image's side and of a patch's.
SIDE, PATCH = 224, 14
# Of an attention head, in all of DINOv2's sizes.
_HEAD = 64
# Added to the patches of a side before their number is divided by that of the positions.
_OFFSET = 0.1
_WHO, _PACKAGE, _GROUP = "DINOv2 features", "transformers", "dinov2"
# From the original names to the library's; a block's number comes first.
_NAMES = {
    "cls_token": "embeddings.cls_token",
    "mask_token": "embeddings.mask_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
    "attn.proj": "attention.o_proj",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}
_PARTS = ("q_proj", "k_proj", "v_proj")

_networks = Shared[nn.Module]()


def network_on(device: torch.device) -> nn.Module:
    """The released network of this process on a device.

    Raises:
        EnvironmentError_: the library is not installed, or the weights cannot be fetched.
        InputError: the weights are not the released ones.
    """
    check_installed()
    path, weights = dinov2_weights.weights_file(), dinov2_weights.WEIGHTS

    def load() -> nn.Module:
        return network(dinov2_weights.read_weights(path)).to(device)

    return _networks.on(device, weights.sha256, load)


def check_installed() -> None:
    """Raises `EnvironmentError_` where the library is not installed."""
    if importlib.util.find_spec(_PACKAGE) is None:
        raise EnvironmentError_(
            f"{_WHO} need {_PACKAGE}, which is not installed: pip install 'samplebench[{_GROUP}]'"
        )


def network(tensors: dict[str, Tensor]) -> nn.Module:
    """A network of DINOv2's tensors, of any size, for images of 224x224 pixels.

    Args:
        tensors: float32, by their original names.

    Raises:
        EnvironmentError_: the library is not there, or is another one than is known here.
    """
    with absent_where_broken("torchvision"):
        library = extra(f"{_PACKAGE}.models.dinov2", _WHO, _GROUP)
        made, described = library.Dinov2Model, library.Dinov2Config
    width = tensors["cls_token"].shape[-1]
    config = described(
        hidden_size=width,
        num_hidden_layers=sum(name.endswith(".norm1.weight") for name in tensors),
        num_attention_heads=width // _HEAD,
        mlp_ratio=tensors["blocks.0.mlp.fc1.weight"].shape[0] // width,
        layer_norm_eps=1e-6,
        image_size=SIDE,
        patch_size=PATCH,
        attn_implementation="sdpa",
    )
    # Without numbers of its own, which would be drawn only to be replaced.
    with torch.device("meta"):
        net: nn.Module = made(config)
    try:
        net.load_state_dict(renamed(tensors), assign=True)
    except RuntimeError as error:
        raise EnvironmentError_(
            f"{_WHO}: this {_PACKAGE} has a DINOv2 of other parts; take the version that "
            f"'samplebench[{_GROUP}]' asks for"
        ) from error
    return net.eval().requires_grad_(False)


def class_token(net: nn.Module, images: Tensor) -> Tensor:
    """The class token after the last normalization, float32 [N, width].

    Args:
        net: from `network`.
        images: float32 [N, 3, 224, 224], normalized.
    """
    answer: Any = net(pixel_values=images)
    found: Tensor = answer.last_hidden_state[:, 0]
    return found


def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same by the library's names, with the positions of 224x224 pixels."""
    found = {}
    for name, value in tensors.items():
        block = re.match(r"blocks\.(\d+)\.", name)
        place = f"encoder.layer.{block[1]}." if block else ""
        rest = name[block.end() :] if block else name
        if rest.startswith("attn.qkv."):
            for part, own in zip(_PARTS, value.chunk(3), strict=True):
                found[f"{place}attention.{part}.{rest.rpartition('.')[2]}"] = own
            continue
        stem, _, last = rest.rpartition(".")
        new = _NAMES[rest] if rest in _NAMES else f"{_NAMES.get(stem, stem)}.{last}"
        found[place + new] = positions(value) if name == "pos_embed" else value
    return found


def positions(embedding: Tensor) -> Tensor:
    """Positional embeddings of 16x16 patches, as DINOv2's own code makes them of 37x37.

    Bicubic without antialias, by the factor (16 + 0.1) / 37: the offset moves every position a
    little, and features in their third digit.

    Args:
        embedding: [1, 1 + M x M, width], the class token's first.

    Returns:
        [1, 1 + 16 x 16, width].
    """
    token, patches = embedding[:, :1], embedding[:, 1:]
    across, wanted = math.isqrt(patches.shape[1]), SIDE // PATCH
    grid = patches.reshape(1, across, across, -1).permute(0, 3, 1, 2)
    factor = (wanted + _OFFSET) / across
    moved = interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    assert moved.shape[-2:] == (wanted, wanted)
    return torch.cat([token, moved.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

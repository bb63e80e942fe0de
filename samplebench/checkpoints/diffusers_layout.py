"""Which files of a folder in diffusers' layout are its network, its scheduler and its weights."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from samplebench.checkpoints import diffusers_unet
from samplebench.errors import InputError
from samplebench.processes import diffusers as scheduler

INDEX = "model_index.json"
_WEIGHTS = re.compile(r"diffusion_pytorch_model(\.[\w-]{1,40})?\.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SHARDS = re.compile(r"diffusion_pytorch_model.*(\.index\.json|-\d+-of-\d+.*)")
_SAVE = "save_pretrained(folder) of a new diffusers writes it"


@dataclass(frozen=True)
class Layout:
    """Names of files, relative to the folder, with "/".

    Attributes:
        index: model_index.json; "" where there is none.
        unet, scheduler: the JSON files.
        weights: the safetensors file.
    """

    index: str
    unet: str
    scheduler: str
    weights: str


def is_folder(names: Collection[str]) -> bool:
    """Whether files of these names look like a folder of diffusers."""
    files = (INDEX, scheduler.FILE, diffusers_unet.FILE, f"unet/{diffusers_unet.FILE}")
    return any(name in names for name in files)


def layout(names: Collection[str], who: str) -> Layout:
    """The files of a network at the root, or of a pipeline with the parts in folders of their own.

    Args:
        names: of all files, relative to the folder.
        who: the folder, for messages.

    Raises:
        InputError: a part is missing, or its weights are pickles, in parts or ambiguous.
    """
    unet = _either(names, "unet", diffusers_unet.FILE)
    if not unet:
        raise InputError(
            f"{who}: {diffusers_unet.FILE} is missing, at its root and in unet/; a folder of "
            f"diffusers describes its network there: {_SAVE}"
        )
    law = _either(names, "scheduler", scheduler.FILE)
    if not law:
        raise InputError(
            f"{who}: {scheduler.FILE} is missing, at its root and in scheduler/; it says what the "
            f"network was trained on: {_SAVE}"
        )
    folder = unet.removesuffix(diffusers_unet.FILE)
    inside = [name.removeprefix(folder) for name in names if name.startswith(folder)]
    inside = sorted(name for name in inside if "/" not in name)
    return Layout(INDEX if INDEX in names else "", unet, law, folder + _weights(inside, who))


def check_index(content: Any) -> None:
    """Of a model_index.json: parts of diffusers' own, and none that turns images into latents.

    Raises:
        InputError: naming the first other part.
    """
    if not isinstance(content, dict):
        raise InputError(f"{INDEX} is not a JSON object; write {{...}}")
    if not isinstance(content.get("_class_name", ""), str):
        raise InputError(
            f"{INDEX} names a pipeline defined by code in the folder, which is never executed; "
            "only diffusers' own pipelines are supported"
        )
    for name, part in content.items():
        if name.startswith("_") or part is None or part == [None, None]:
            continue
        if name not in ("unet", "scheduler"):
            if isinstance(part, list):
                raise InputError(
                    f"{INDEX} has a part '{name[:40]}' besides unet and scheduler; only "
                    "pipelines of these two are supported"
                )
            continue  # a number or a switch of the pipeline's
        if not (isinstance(part, list) and len(part) == 2 and part[0] == "diffusers"):
            raise InputError(
                f"{INDEX}: its {name} is not part of diffusers, and other code is never executed"
            )


def _either(names: Collection[str], folder: str, file: str) -> str:
    """In the folder of its own, else at the root, as diffusers looks; "" for neither."""
    inside = f"{folder}/{file}"
    return inside if inside in names else file if file in names else ""


def _weights(names: list[str], who: str) -> str:
    """The one safetensors file; that without a variant where there are several.

    Raises:
        InputError: there is none, or several variants and nothing else.
    """
    plain = "diffusion_pytorch_model.safetensors"
    if plain in names:
        return plain
    variants = [name for name in names if _WEIGHTS.fullmatch(name)]
    parts = [name for name in names if _SHARDS.fullmatch(name)]
    variants = [name for name in variants if name not in parts]
    if len(variants) == 1:
        return variants[0]
    if variants:
        raise InputError(
            f"{who}: its weights exist only as {', '.join(variants)}; keep one of them, or "
            f"rename it to {plain}"
        )
    if parts:
        raise InputError(
            f"{who}: its weights are in parts ({parts[0]}); save them in one file: "
            "save_pretrained(folder, max_shard_size='100GB')"
        )
    if pickles := [name for name in names if name.endswith(_PICKLES)]:
        raise InputError(
            f"{who}: its weights are a pickle ({pickles[0]}), which could run code and is not "
            f"opened; {plain} is needed: save_pretrained(folder, safe_serialization=True)"
        )
    raise InputError(f"{who}: {plain} is missing beside {diffusers_unet.FILE}: {_SAVE}")

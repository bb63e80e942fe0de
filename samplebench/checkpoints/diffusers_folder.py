"""A folder in diffusers' layout as a checkpoint, on disk or on a model hub.

Of a folder two or three JSON files are read, as data; nothing in it is run, and its weights are not
opened until they are needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.checkpoints.diffusers_layout import INDEX, Layout, check_index, is_folder, layout
from samplebench.checkpoints.diffusers_unet import classes, image_shape, unet_arguments
from samplebench.checkpoints.safetensors_file import header
from samplebench.download import hub
from samplebench.download.artefact import safe
from samplebench.errors import EnvironmentError_, InputError
from samplebench.files.atomic import sha256
from samplebench.files.texts import read_json
from samplebench.processes.diffusers import law_of

FORMAT = "diffusers"
# Those of the largest networks have some kB; betas of a table of their own some more.
MOST_JSON = 1 << 22
_MOST_FILES = 10_000
_IMAGES = (1, 3)


def is_diffusers(path: Path) -> bool:
    """Whether a folder is in diffusers' layout.

    Raises:
        OSError: it cannot be looked at.
    """
    return path.is_dir() and is_folder(_names(path))


def folder_entry(path: Path) -> Checkpoint:
    """The checkpoint that a local folder is; its location is its file of weights.

    Raises:
        InputError: it is none that runs here; the message names the file and what is wrong.
    """
    who = str(path)
    try:
        if not path.is_dir():
            raise InputError(f"{who} is not a folder; give one in diffusers' layout")
        names = _names(path)
    except OSError as error:
        raise InputError(f"{who} cannot be read ({error.strerror})") from None
    found = layout(names, who)
    config, shape, number = _facts(found, lambda name: path / name, who)
    weights = path / found.weights
    half = {kind for kind, _ in header(weights).values()} == {"F16"}
    return _entry(_name(path), str(weights), config, shape, number, half)


def hub_entry(word: str, offline: bool = False) -> Checkpoint:
    """The checkpoint that a folder on the hub is, pinned to the commit that it has now.

    Args:
        word: "hf:org/name", or "hf:org/name@revision", a branch, a tag or a commit.
        offline: open no connection: what the hub's cache holds.

    Raises:
        UsageError: the word is none such.
        InputError: it is no folder that runs here.
        EnvironmentError_: it cannot be reached, or huggingface_hub is not installed.
    """
    found = hub.look(word, offline=offline)
    who = found.word
    try:
        files = layout(list(found.files), who)
    except InputError as error:
        if not hub.closed(offline):
            raise
        raise EnvironmentError_(
            f"{error}; it is not in the hub's cache, and --offline opens no connection"
        ) from None

    def fetched(name: str) -> Path:
        size = found.files[name].size
        if size is not None and size > MOST_JSON:
            raise InputError(f"{who}: {name} has {size:,} bytes; that is too large for such a file")
        return hub.fetch(found, name, offline=offline)

    config, shape, number = _facts(files, fetched, who)
    weights = found.files[files.weights]
    entry = _entry(
        found.name, found.location(files.weights), config, shape, number, ".fp16." in files.weights
    )
    # Without Git LFS nobody knows the hash before the file is here, and then it is a small one.
    digest = weights.sha256 or sha256(hub.fetch(found, files.weights, offline=offline))
    # Offline the cache then knows which commit the revision had.
    hub.fetch(found, files.unet, offline=offline, pinned=False)
    return replace(entry, sha256=digest, size=weights.size, source=who)


def refuse_latents(entry: Checkpoint) -> None:
    """Raises `InputError` where a model's samples are no images: a folder loads all the same."""
    if entry.format == FORMAT and entry.shape[0] not in _IMAGES:
        raise InputError(
            f"{entry.id} has {entry.shape[0]} channels: latents of another network, not images; "
            "sb.load gives the model, a sweep needs 1 or 3"
        )


def _facts(
    found: Layout, path_of: Callable[[str], Path], who: str
) -> tuple[dict[str, Any], tuple[int, int, int], int]:
    """(config, shape, number of classes) from the JSON files."""
    try:
        if found.index:
            check_index(read_json(path_of(found.index), INDEX, most=MOST_JSON))
        # diffusers writes infinities there, of words that decide nothing here.
        law = law_of(
            read_json(path_of(found.scheduler), found.scheduler, most=MOST_JSON, lenient=True)
        )
        unet = unet_arguments(read_json(path_of(found.unet), found.unet, most=MOST_JSON))
        shape, number = image_shape(unet), classes(unet)
        _check_match(unet, law, shape[0])
    except InputError as error:
        raise InputError(f"{who}: {error}") from None
    config: dict[str, Any] = {"unet": unet, "scheduler": law}
    try:
        # Its code decides the numbers.
        config["package"] = f"diffusers {version('diffusers')}"
    except PackageNotFoundError:  # which loading will tell
        pass
    return config, shape, number


def _check_match(unet: dict[str, Any], law: dict[str, Any], channels: int) -> None:
    """Raises `InputError` where network and scheduler do not belong together."""
    learned = law.get("variance") == "learned"
    wanted = 2 * channels if learned else channels
    if (answered := unet.get("out_channels", 3)) != wanted:
        raise InputError(
            f"the network outputs {answered} channels for images with {channels}; "
            + (
                f"with variance_type learned_range it must be {wanted}"
                if learned
                else "twice as many mean a variance_type learned_range, which the scheduler lacks"
            )
        )
    kind = unet.get("time_embedding_type", "positional")
    if kind == "fourier" and law["law"] != "ve":
        raise InputError(
            "time_embedding_type=fourier takes the logarithm of noise levels, and the scheduler "
            "counts steps from 0; ScoreSdeVeScheduler goes with it"
        )
    if kind == "learned" and law["law"] != "table":
        raise InputError(
            "time_embedding_type=learned knows steps alone, not this scheduler's times"
        )
    if kind == "learned" and unet["num_train_timesteps"] < law["num_train_timesteps"]:
        raise InputError(
            f"the network has embeddings of {unet['num_train_timesteps']} steps, the scheduler "
            f"{law['num_train_timesteps']}"
        )


def _entry(
    name: str,
    location: str,
    config: dict[str, Any],
    shape: tuple[int, int, int],
    number: int,
    half: bool,
) -> Checkpoint:
    dtype = "float16" if half else "float32"
    return Checkpoint(
        name,
        FORMAT,
        location,
        shape,
        summary="a folder of diffusers",
        num_classes=number,
        config={**config, "dtype": dtype},
        dtype=dtype,
    )


def _names(path: Path) -> list[str]:
    """Of the files at its root and in the two folders that matter."""
    found = []
    for inside in ("", "unet", "scheduler"):
        folder = path / inside
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                found.append(f"{inside}/{entry.name}" if inside else entry.name)
                if len(found) > _MOST_FILES:
                    raise InputError(f"{path} holds more than {_MOST_FILES:,} files")
    return found


def _name(path: Path) -> str:
    """An id for tables and folders, from the folder's name."""
    name = path.resolve().name
    if safe(name):
        return name
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    kept = kept.strip(".-_ ")[:100]
    return kept if safe(kept) else "folder"

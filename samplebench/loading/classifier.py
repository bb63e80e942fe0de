"""`sb.load_classifier`: a classifier of noisy images, for guidance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.catalog import Checkpoint, catalog, checkpoint, resolved
from samplebench.checkpoints.local import local_file, rejected
from samplebench.checkpoints.structure import structure
from samplebench.devices import resolve_device
from samplebench.errors import InputError, UsageError
from samplebench.files.atomic import expanded
from samplebench.loading.source import config_of, is_file
from samplebench.processes.discrete import discrete_process, release_flags
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch
    from torch import nn

# Flags of a release that say how many steps its process has.
_STEPS = ("diffusion_steps", "steps")


def load_classifier(
    source: str | Path | Checkpoint,
    *,
    config: Mapping[str, Any] | str | Path | None = None,
    device: str | torch.device | None = None,
    offline: bool = False,
    quiet: bool = True,
) -> nn.Module:
    """A classifier of noisy images for guidance (Dhariwal & Nichol 2021).

    Args:
        source: the model it was released beside, by its id or entry, or the path of its file.
        config: of a file: the release's flags (image_size, classifier_depth, ... and, for guidance
            in noise levels, those of its process, as noise_schedule), or "architecture" with
            constructor arguments; a mapping or the path of a JSON file.
        device: as for `load`.
        offline: as for `load`.
        quiet: as for `load`.

    Returns:
        classifier(x_t, t) -> logits [N, classes]; t as the diffusion network receives it. Its
            attributes out_channels and process say how it was trained.

    Raises:
        UsageError: a model without one.
        InputError: the file is not that of such a classifier.
    """
    from samplebench.adapters.openai import load_classifier as build

    where = resolve_device(device)
    words = {} if config is None else config_of(config)
    if isinstance(source, Checkpoint) or resolved(str(source)) in catalog():
        beside = source if isinstance(source, Checkpoint) else checkpoint(str(source))
        network = _released(beside, words, where, offline, quiet)
        law = adapters.entry(beside.format).planned(beside.config, beside.shape)
    else:
        path = expanded(str(source))
        if not is_file(path):
            raise InputError(f"{path} does not exist; give a file or an id of the catalogue")
        network = build(path, words, where)
        flags = release_flags(words)
        law = discrete_process(flags) if flags.keys() & {"noise_schedule", *_STEPS} else None
    # Of the steps whose times it is told.
    network.process = law
    return network


def _released(
    beside: Checkpoint, words: Mapping[str, Any], where: torch.device, offline: bool, quiet: bool
) -> nn.Module:
    """The classifier that was released beside a model, verified."""
    from samplebench.adapters.openai import load_classifier as build

    entry = beside.classifier
    if entry is None:
        raise UsageError(f"no classifier was released with {beside.id}; give a file")
    path = local_file(entry, offline=offline, quiet=quiet)
    try:
        network = build(path, {**entry.config, **words}, where)
        found = structure((name, t.shape) for name, t in network.state_dict().items())
        if entry.structure and found != entry.structure:
            raise InputError(f"{entry.id}: {path.name} has other tensors than the released file")
    except InputError as error:
        raise rejected(entry, path, error) from None
    return network

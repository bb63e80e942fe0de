"""`sb.load_classifier`: a classifier of noisy images, for guidance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.catalog import catalog, checkpoint
from samplebench.checkpoints.local import local_file, rejected
from samplebench.checkpoints.structure import structure
from samplebench.devices import resolve_device
from samplebench.errors import InputError, UsageError
from samplebench.files.atomic import expanded
from samplebench.loading.source import config_of, is_file

if TYPE_CHECKING:
    import torch
    from torch import nn


def load_classifier(
    source: str | Path,
    *,
    config: Mapping[str, Any] | str | Path | None = None,
    device: str | torch.device | None = None,
    offline: bool = False,
    quiet: bool = True,
) -> nn.Module:
    """A classifier of noisy images for guidance (Dhariwal & Nichol 2021).

    Args:
        source: id of the model it was released beside, or the path of its file.
        config: of a file: the release's flags (image_size, classifier_depth, ...), or
            "architecture" with constructor arguments; a mapping or the path of a JSON file.
        device, offline, quiet: as for `load`.

    Returns:
        classifier(x_t, t) -> logits [N, classes]; t as the diffusion network receives it.

    Raises:
        UsageError: a model without one.
        InputError: the file is not that of such a classifier.
    """
    from samplebench.adapters.openai import load_classifier as build

    where = resolve_device(device)
    path, words = expanded(str(source)), {} if config is None else config_of(config)
    if str(source) in catalog():
        entry = checkpoint(str(source)).classifier
        if entry is None:
            raise UsageError(f"no classifier was released beside {source}; give a file")
        path, words = local_file(entry, offline=offline, quiet=quiet), {**entry.config, **words}
        try:
            network = build(path, words, where)
            found = structure((name, t.shape) for name, t in network.state_dict().items())
            if found != entry.structure:
                raise InputError(
                    f"{entry.id}: {path.name} has other tensors than the released file"
                )
        except InputError as error:
            raise rejected(entry, path, error) from None
        return network
    if not is_file(path):
        raise InputError(f"{path} does not exist; give a file or an id of the catalogue")
    return build(path, words, where)

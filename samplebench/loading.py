"""`sb.load`: a catalogue id or a file to a model on a device."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.ambient import own_settings
from samplebench.answers.blame import blame, line_of
from samplebench.answers.rounding import model_range
from samplebench.answers.scalars import plain
from samplebench.answers.tensors import described
from samplebench.checkpoints.catalog import Checkpoint, catalog, checkpoint
from samplebench.checkpoints.diffusers_folder import FORMAT, folder_entry, is_diffusers
from samplebench.checkpoints.local import local_file, rejected
from samplebench.checkpoints.structure import structure
from samplebench.devices import dtype_name, resolve_device, resolve_dtype
from samplebench.errors import InputError, UsageError, unknown
from samplebench.files import texts
from samplebench.files.atomic import expanded, regular, sha256
from samplebench.protocols import protocol
from samplebench.registry import adapters, timelines
from samplebench.ticker import say
from samplebench.timelines.choice import kind_of, of_model

if TYPE_CHECKING:
    import torch
    from torch import nn

    from samplebench.models.model import Model


# What everything that is sampled from has; a `Model` that sets its own has it all.
_NEEDED = ("shape", "num_classes", "sigma_min", "sigma_max", "device", "state_dtype", "provenance")


def load(
    source: str | Path | Checkpoint,
    *,
    format: str | None = None,
    config: Mapping[str, Any] | str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    offline: bool = False,
    quiet: bool = True,
) -> Model:
    """Loads a model: the file is fetched and verified, its adapter builds the denoiser.

    Args:
        source: an id of the catalogue (`samplebench list models`), an entry of it, or the path of
            a file in a released container or of a folder in diffusers' layout.
        format: of a file: "edm", "score-sde", "openai", "ddim"; that of the catalogue and of a
            folder of diffusers is known.
        config: what the container does not say (see `docs/checkpoints.md`): a mapping or the path
            of a JSON file.
        device: "cuda", "mps", "cpu", ...; None for the best there is.
        dtype: precision of the network, e.g. "float32"; None for the release's own.
        offline: open no connection.
        quiet: no progress and no notes on stderr.

    Raises:
        UsageError: unknown id, format, device or dtype.
        InputError: the file is not what the catalogue or its format says.
        EnvironmentError_: it cannot be fetched, or the device is not there.
    """
    import torch

    entry = _entry(source, format, config)
    adapter = adapters.get(entry.format)
    precision = resolve_dtype(dtype)
    network = None if precision is None else dtype_name(precision)
    dtypes = (network, protocol(entry.protocol).state_dtype)
    where = resolve_device(device, dtypes)
    if where.type == "cuda":
        # float32 is to mean float32: TF32 keeps ten bits of a product's factors.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if entry.caveat and not quiet:
        say(f"note: {entry.id}: {entry.caveat}")
    path = local_file(entry, offline=offline, quiet=quiet)
    try:
        with own_settings(), blame(f"adapter {entry.format}", adapter):
            model = adapter(path, entry.config, device=where, dtype=precision)
        _check(model, entry, path)
    except InputError as error:
        raise rejected(entry, path, error) from None
    model.protocol = entry.protocol
    model.provenance = {
        "id": entry.id,
        "source": entry.source,
        "licence": entry.licence,
        "sha256": sha256(path) if not entry.sha256 else entry.sha256,
        "config": dict(entry.config),
        **model.provenance,
    }
    return model


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
    path, words = expanded(str(source)), {} if config is None else _config(config)
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
    if not _is_file(path):
        raise InputError(f"{path} does not exist; give a file or an id of the catalogue")
    return build(path, words, where)


def _check(model: Model, entry: Checkpoint, path: Path) -> None:
    """Raises `InputError` if a file's content is not what the catalogue says."""
    if missing := [name for name in _NEEDED if not hasattr(model, name)]:
        raise InputError(
            f"adapter {entry.format} returned {described(model)} without {', '.join(missing)}; "
            "return a samplebench.models.model.Model"
        )
    try:
        low, high = model_range(model)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 <= low < high:
        raise InputError(
            f"adapter {entry.format} returned a model of noise levels from "
            f"{described(model.sigma_min)} to {described(model.sigma_max)}; 0 <= sigma_min < "
            "sigma_max is needed"
        )
    _check_kind(model, entry)
    found = str(model.provenance.get("structure", ""))
    if entry.structure and found != entry.structure:
        raise InputError(
            f"{entry.id}: {path.name} has other tensors than the released file (structure "
            f"{found[:12]}..., the catalogue says {entry.structure[:12]}...); it is another file"
        )
    # A file given by its path alone says both itself.
    if all(entry.shape) and tuple(model.shape) != entry.shape:
        raise InputError(
            f"{entry.id}: {path.name} makes images {list(model.shape)}, the catalogue says "
            f"{list(entry.shape)}"
        )
    if entry.num_classes and model.num_classes != entry.num_classes:
        raise InputError(
            f"{entry.id}: {path.name} has {model.num_classes} classes, the catalogue says "
            f"{entry.num_classes}"
        )


def _check_kind(model: Model, entry: Checkpoint) -> None:
    """Raises `InputError` where a model is not what the planner takes it for, undeclared or wrong.

    Steps, labels and protocol are planned before a file is here, from what its adapter declares.
    """
    declared, kind = adapters.entry(entry.format), kind_of(model)
    if kind != (planned_kind := declared.kind_of(entry.config)):
        if kind not in timelines:
            raise unknown("timeline", str(kind), timelines.names())
        raise InputError(
            f"adapter {entry.format} declares models of kind '{planned_kind}' and returned one of "
            f"kind '{kind}', whose steps were planned for the other; register it with kind='{kind}'"
            " and the process of its models"
        )
    own = of_model(model)
    if not own.fits(model.process):
        raise InputError(
            f"adapter {entry.format} returned a model of kind '{kind}' whose process is "
            f"{described(model.process)}; set the one that it was trained on"
        )
    if not all(entry.shape):  # a file given by its path alone, of which nothing was planned
        return
    planned = declared.planned(entry.config, entry.shape)
    other = "a process that it does not declare"
    if own.fits(planned):
        other = own.differs(planned, model.process)
    if other:
        raise InputError(
            f"adapter {entry.format} returned a model with {other}; register it with process=f, "
            "where f(config, shape) is the process that its model has"
        )


def _entry(
    source: str | Path | Checkpoint,
    format: str | None,
    config: Mapping[str, Any] | str | Path | None,
) -> Checkpoint:
    """The catalogue's entry, or one made up for a file."""
    given = None if config is None else _config(config)
    if isinstance(source, Checkpoint):
        entry = source
    elif isinstance(source, str) and source in catalog():
        entry = checkpoint(source)
    else:
        if not isinstance(source, str | os.PathLike):
            raise UsageError(
                f"{line_of(repr(source))} is no model; give the path of a file or an id of the "
                "catalogue"
            )
        path = expanded(os.fspath(source))
        if format in (None, FORMAT) and _is_folder(path):
            return folder_entry(path)
        if not _is_file(path):
            if isinstance(source, str) and not path.suffix and "/" not in source:
                return checkpoint(source)  # says what it may have meant
            if path.exists() and not path.is_dir():
                regular(path)
            raise InputError(f"{path} does not exist; give a file or an id of the catalogue")
        if format is None:
            raise UsageError(f"{path}: name its format, one of {', '.join(adapters.names())}")
        rules = adapters.entry(format).protocol
        entry = Checkpoint(path.stem, format, str(path), (0, 0, 0), protocol=rules)
    if format is not None and format != entry.format:
        raise UsageError(f"{entry.id} has format {entry.format}, not {format}; leave format out")
    return replace(entry, config=plain({**entry.config, **(given or {})}))


def _is_folder(path: Path) -> bool:
    """Whether a folder of diffusers is there."""
    try:
        return is_diffusers(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None


def _is_file(path: Path) -> bool:
    """Whether a file is there; False: nothing is.

    Raises:
        InputError: something else is there, or the path cannot be looked at.
    """
    try:
        if not path.exists():
            return False
        if is_diffusers(path):
            raise InputError(f"{path} is a folder of diffusers; its format is '{FORMAT}'")
        regular(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    return True


def _config(given: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return dict(plain(given))
    try:
        content = texts.json_value(texts.read_bytes(expanded(str(given)), texts.MOST_TEXT))
    except OSError as error:
        raise InputError(f"config {given} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"config {given} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"config {given} is not a JSON object; write {{...}}")
    return content

"""`sb.load`: a catalogue id or a file to a model on a device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.ambient import own_settings
from samplebench.answers.blame import blame
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.checkpoints.local import local_file, rejected
from samplebench.devices import (
    check_device,
    dtype_name,
    precision_name,
    resolve_device,
    weights_dtype,
)
from samplebench.errors import InputError, UsageError
from samplebench.files.atomic import sha256
from samplebench.loading.judged import check
from samplebench.loading.precision import check_compiler, running, see_to
from samplebench.loading.source import source_of
from samplebench.protocols import protocol
from samplebench.registry import adapters
from samplebench.ticker import say

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model


def load(
    source: str | Path | Checkpoint,
    *,
    format: str | None = None,
    config: Mapping[str, Any] | str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    compile: bool = False,
    offline: bool = False,
    quiet: bool = True,
) -> Model:
    """Loads a model: the file is fetched and verified, its adapter builds the denoiser.

    Args:
        source: an id of the catalogue (`samplebench list models`), an entry of it, or the path of
            a file in a released container or of a folder in diffusers' layout.
        format: of a file: "edm", "score-sde", "openai", "ddim"; that of the catalogue and of a
            folder is known.
        config: what the container does not say (see `docs/checkpoints.md`): a mapping or the path
            of a JSON file.
        device: "cuda", "mps", "cpu", ...; None for the best there is.
        dtype: precision of the network: "float32", "tf32" (on CUDA), "bfloat16" or "float16"; None
            for the release's own.
        compile: have torch compile the network, at its first call and for each batch size anew.
        offline: open no connection.
        quiet: no progress and no notes on stderr.

    Raises:
        UsageError: unknown id, format, device or dtype, or a model that does not run so.
        InputError: the file is not what the catalogue or its format says.
        EnvironmentError_: it cannot be fetched, or the device or a compiler is not there.
    """
    entry = source_of(source, format=format, config=config, offline=offline)
    if entry.caveat and not quiet:
        say(f"note: {entry.id}: {entry.caveat}")
    if entry.model is not None:
        return _here(entry, device, dtype, compile)
    adapter = adapters.get(entry.format)
    check_device(device)
    runs = running(entry, dtype, device, compile)
    asked = None if dtype is None else weights_dtype(runs["dtype"])
    network = None if asked is None else dtype_name(asked)
    where = resolve_device(device, (network, protocol(entry.protocol).state_dtype))
    if compile:
        check_compiler(where)
    path = local_file(entry, offline=offline, quiet=quiet)
    try:
        with own_settings(), blame(f"adapter {entry.format}", adapter):
            model = adapter(path, entry.config, device=where, dtype=asked)
        check(model, entry, path)
    except InputError as error:
        raise rejected(entry, path, error) from None
    see_to(model, runs, named=dtype is not None)
    model.protocol = entry.protocol
    model.provenance = {
        "id": entry.id,
        "source": entry.source,
        "licence": entry.licence,
        "sha256": sha256(path) if not entry.sha256 else entry.sha256,
        "config": dict(entry.config),
        **model.provenance,
        **{name: runs[name] for name in ("memory_format", "compiled") if name in runs},
    }
    return model


def _here(
    entry: Checkpoint,
    device: str | torch.device | None,
    dtype: str | torch.dtype | None,
    compile: bool,
) -> Model:
    """A model in memory as it is: it is its owner's to move and to convert.

    Raises:
        UsageError: it is elsewhere than asked for, computes in another precision, or is not
            compiled.
    """
    model: Model = entry.model
    asked = None if device is None else resolve_device(device)
    # "cuda" is whichever of them.
    if asked is not None and asked.type != model.device.type:
        raise UsageError(
            f"model {entry.id} is on {model.device}, not on {asked}; move its network there and "
            "wrap it again"
        )
    if dtype is not None and precision_name(dtype) != entry.dtype:
        raise UsageError(
            f"model {entry.id} computes in {entry.dtype}, not in {precision_name(dtype)}; convert "
            "its network and wrap it again"
        )
    running(entry, dtype, device, compile)
    return model

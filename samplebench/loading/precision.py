"""What a model's network runs in, decided before it is here and seen to once it is."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from samplebench.ambient import products
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.devices import TF32, check_precision, is_half, network_dtype, precision_name
from samplebench.errors import EnvironmentError_, UsageError
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch
    from torch import nn

    from samplebench.models.model import Model
    from samplebench.results.record import Conditions


def running(
    entry: Checkpoint,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
    compile: bool = False,
) -> Conditions:
    """What decides an image's bits of how a model's network runs, as conditions of a cell.

    Args:
        dtype: that is asked for; None for the release's own.
        device: that is asked for; None for the best there is.
        compile: whether its network is to be compiled.

    Returns:
        "dtype", and where they are not the usual ones "memory_format" and "compiled".

    Raises:
        UsageError: its networks do not run so, or not there.
    """
    if entry.model is not None:
        return _in_memory(entry, compile)
    declared = adapters.entry(entry.format)
    name = precision_name(dtype) if dtype else network_dtype(entry.dtype, device)
    check_precision(entry.id, name, declared.precisions, device)
    if compile and not declared.compiles:
        raise UsageError(
            f"model {entry.id} of format {entry.format} has nothing to compile; leave --compile out"
        )
    return _conditions(name, is_half(name) and declared.builtin, compile)


def _in_memory(entry: Checkpoint, compile: bool) -> Conditions:
    """That of a model which is its owner's to convert and to compile."""
    model: Any = entry.model
    compiled = bool(getattr(model, "compiled", False))
    if compile and not compiled:
        raise UsageError(
            f"model {entry.id} is in memory and used as it is; compile its network yourself and "
            "wrap it again, or leave --compile out"
        )
    narrowed = getattr(getattr(model, "network", None), "precision", None) is not None
    return _conditions(entry.dtype, narrowed, compiled)


def _conditions(name: str, channels_last: bool, compiled: bool) -> Conditions:
    found: Conditions = {"dtype": name}
    if channels_last:
        found["memory_format"] = "channels_last"
    if compiled:
        found["compiled"] = True
    return found


def check_compiler(device: torch.device) -> None:
    """Raises `EnvironmentError_` where torch's compiler lacks what it needs for a device."""
    if device.type == "cpu":
        found = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
        if shutil.which(found) is None:
            raise EnvironmentError_(
                f"--compile needs a C++ compiler, but {found} was not found; install it, name "
                "another in CXX, or leave --compile out"
            )
    elif device.type == "cuda" and find_spec("triton") is None:
        raise EnvironmentError_(
            "--compile needs triton on CUDA, but it is not installed; pip install triton, or leave "
            "--compile out"
        )


def see_to(model: Model, runs: Conditions, named: bool) -> None:
    """Has a loaded model run as decided, and say so.

    Args:
        runs: from `running`.
        named: whether its precision was asked for; else it is what its file says.
    """
    if named:
        model.precision = runs["dtype"]
    if model.device.type == "cuda":
        # It needs torch, which nobody waits for who has made a typo.
        from samplebench.models.modules import modules_of

        for module in modules_of(model if model.network is None else model.network):
            _keep_products(module, runs["dtype"] == TF32)
    if "compiled" in runs:
        trunk = getattr(model.network, "trunk", model.network)
        trunk.compile_body()
        model.compiled = True


def _keep_products(module: nn.Module, tf32: bool) -> None:
    """Within a module's calls products are formed as its precision says, whoever calls it."""
    around: list[ExitStack] = []

    def enter(*_: Any) -> None:
        stack = ExitStack()
        stack.enter_context(products(tf32=tf32))
        around.append(stack)

    def leave(*_: Any) -> None:
        around.pop().close()

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave, always_call=True)

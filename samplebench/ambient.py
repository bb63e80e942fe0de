"""What a program has set in torch for its own work, kept away from samplebench's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def own_settings() -> Iterator[None]:
    """Within the block torch is as it starts; afterwards it is as it was.

    Autocast and inference mode are off, what is made without a dtype is float32, what is made
    without a device is on the host, and products of float32 are that. A cell's name knows of none
    of these, so no value may depend on them.
    """
    import torch

    dtype = torch.get_default_dtype()
    with ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, dtype)
        stack.enter_context(products(tf32=False))
        yield


@contextmanager
def products(*, tf32: bool) -> Iterator[None]:
    """Within the block products of float32 are formed as said; afterwards as the program has it.

    Args:
        tf32: whether a GPU may round their factors to ten bits; on the host they stay whole.
    """
    import torch

    cudnn, kinds = torch.backends.cudnn, _kinds()
    usual, convolutions = _read(torch.get_float32_matmul_precision), _read(lambda: cudnn.allow_tf32)
    before = [kind.fp32_precision for kind in kinds]
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    cudnn.allow_tf32 = tf32
    gpu = "tf32" if tf32 else "ieee"
    for kind, word in zip(kinds, [gpu] * 3 + ["ieee"] * 3, strict=False):
        kind.fp32_precision = word
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(usual or "highest")
        if convolutions is not None:
            cudnn.allow_tf32 = convolutions
        for kind, word in zip(kinds, before, strict=True):
            kind.fp32_precision = word


def _kinds() -> list[Any]:
    """Torch's settings by kind of product, of a GPU and of the host; none before torch 2.9."""
    import torch

    backends: Any = torch.backends
    if not hasattr(backends.cudnn, "conv"):
        return []
    gpu = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    return [*gpu, backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn]


def _read(setting: Callable[[], Any]) -> Any:
    """One of torch's older settings; None where the newer ones say what it cannot."""
    try:
        return setting()
    except RuntimeError:
        return None

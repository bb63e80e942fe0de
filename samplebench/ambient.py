"""What a program has set in torch for its own work, kept away from samplebench's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def own_settings() -> Iterator[None]:
    """Within the block torch is as it starts; afterwards it is as it was.

    Autocast and inference mode are off, what is made without a dtype is float32, and what is made
    without a device is on the host. A cell's name knows of none of these, so no value may depend on
    them.
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
        yield

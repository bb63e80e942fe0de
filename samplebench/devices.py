"""Devices and precisions by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from samplebench.answers.scalars import precision
from samplebench.errors import EnvironmentError_, UsageError

if TYPE_CHECKING:
    import torch


def check_device(name: str | torch.device | None) -> None:
    """Raises `UsageError` if no machine has a device of that name."""
    import torch

    try:
        torch.device(name or "cpu")
    except RuntimeError:
        raise UsageError(f"unknown device '{name}'; use cuda, cuda:1, mps or cpu") from None


def resolve_device(
    name: str | torch.device | None, dtypes: Iterable[str | None] = ()
) -> torch.device:
    """The device called `name`; None means cuda, else mps, else cpu.

    Args:
        dtypes: what is computed on it; mps is passed over where it has no float64.

    Raises:
        UsageError: no device has that name.
        EnvironmentError_: this machine or this torch does not have it.
    """
    import torch

    double = "float64" in dtypes
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        mps = torch.backends.mps.is_available() and not double
        return torch.device("mps" if mps else "cpu")
    check_device(name)
    device = torch.device(name)
    try:
        torch.empty(1, device=device, dtype=torch.float64 if double else torch.float32)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).split("\n")[0].split(". ")[0]  # torch goes on for paragraphs
        raise EnvironmentError_(
            f"device '{device}' cannot be used here ({reason}); try --device cpu"
        ) from None
    return device


def network_dtype(released: str, device: str | torch.device | None) -> str:
    """The precision a release runs in by itself: half precision is for GPUs."""
    half = released == "float16" and device_kind(device) != "cuda"
    return "float32" if half else released


def device_kind(name: str | torch.device | None, dtypes: Iterable[str | None] = ()) -> str:
    """The kind of a device, "cuda", which another machine may have; without a name that of the best
    one here, as of `resolve_device`."""
    import torch

    return resolve_device(None, dtypes).type if name is None else torch.device(name).type


def dtype_name(dtype: str | torch.dtype) -> str:
    """A dtype by its one name: "double" and torch.float64 are "float64"."""
    return str(resolve_dtype(dtype)).removeprefix("torch.")


def resolve_dtype(name: str | torch.dtype | None) -> torch.dtype | None:
    """The floating-point dtype called `name`; None stays None."""
    import torch

    if name is None:
        return name
    name = precision(name)
    dtype = getattr(torch, name, None) if isinstance(name, str) else None
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UsageError(f"unknown dtype '{name}'; use float64, float32, bfloat16 or float16")
    return dtype


def in_half(dtype: torch.dtype | None, device: torch.device, released: bool) -> bool:
    """Whether a network of float32 and float16 runs in float16: as asked, else as released.

    Args:
        dtype: that is asked for, None for the release's own.
        released: whether its file says float16, which is for CUDA.

    Raises:
        UsageError: a precision that no such network runs in here.
    """
    import torch

    if dtype is None:
        return released and device.type == "cuda"
    if dtype not in (torch.float32, torch.float16):
        raise UsageError(f"dtype {dtype_name(dtype)}: this network runs in float32 or float16")
    if dtype == torch.float16 and device.type != "cuda":
        raise UsageError("dtype float16: this network runs in float16 on CUDA only")
    return dtype == torch.float16


def single_only(dtype: torch.dtype | None) -> None:
    """Raises `UsageError` where another precision is asked of a network of float32."""
    import torch

    if dtype not in (None, torch.float32):
        raise UsageError(f"dtype {dtype_name(dtype)}: this network runs in float32")


def synchronize(device: torch.device) -> None:
    """Waits for what was asked of a GPU, so that a clock can be read."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)

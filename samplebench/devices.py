"""Devices and precisions by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from samplebench.answers.scalars import precision
from samplebench.errors import EnvironmentError_, UsageError

if TYPE_CHECKING:
    import torch

TF32, HALVES = "tf32", ("bfloat16", "float16")
# What the released networks run in; others may also in float64.
NETWORKS = ("float32", TF32, *HALVES)
_DTYPES = ("float64", "float32", *HALVES)


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
        dtypes: what is computed on it, precisions of networks among them; mps is passed over where
            it has no float64.

    Raises:
        UsageError: no device has that name.
        EnvironmentError_: this machine or this torch does not have it.
    """
    import torch

    dtypes = tuple(dtypes)
    double = "float64" in dtypes
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        mps = torch.backends.mps.is_available() and not double
        return torch.device("mps" if mps else "cpu")
    check_device(name)
    device = torch.device(name)
    kinds = {name for name in dtypes if name and name != TF32} or {"float32"}
    try:
        for kind in sorted(kinds):
            torch.empty(1, device=device, dtype=resolve_dtype(kind))
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).split("\n")[0].split(". ")[0]  # torch goes on for paragraphs
        raise EnvironmentError_(
            f"device '{device}' cannot be used here ({reason}); try --device cpu"
        ) from None
    return device


def gpus() -> int:
    """How many of CUDA are visible to this process."""
    import torch

    return torch.cuda.device_count()


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
        raise UsageError(f"unknown dtype '{name}'; use {_either(_DTYPES)}")
    return dtype


def precision_name(precision: str | torch.dtype) -> str:
    """A network's precision by its one name: a dtype's, or "tf32".

    tf32 is float32 whose products a GPU may form with ten bits of their factors.
    """
    if precision == TF32:
        return TF32
    try:
        return dtype_name(precision)
    except UsageError:
        words = _either(("float64", *NETWORKS))
        raise UsageError(f"unknown dtype '{precision}'; use {words}") from None


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def weights_dtype(precision: str | None) -> torch.dtype | None:
    """What the weights of a network of some precision are in; None stays None."""
    return resolve_dtype("float32" if precision == TF32 else precision)


def is_half(precision: str) -> bool:
    """Whether a network's precision has two bytes."""
    return precision in HALVES


def check_precision(
    who: str, precision: str, known: Sequence[str] | None, device: str | torch.device | None
) -> None:
    """Whether a network runs in a precision on a device, before either is there.

    Args:
        who: the network's model.
        precision: by its one name.
        known: that such networks run in; None where nobody has declared it.
        device: as it is asked for; None for the best there is.

    Raises:
        UsageError: it does not.
    """
    usual = _DTYPES if known is None else known
    if precision not in usual:
        raise UsageError(f"dtype {precision}: model {who} runs in {_either(usual)}")
    if precision == TF32 and (kind := device_kind(device)) != "cuda":
        raise UsageError(f"dtype {precision} is for CUDA, not for {kind}; use float32")


def run_dtype(dtype: torch.dtype | None, device: torch.device, released: bool) -> torch.dtype:
    """What a network runs in: as asked, else as released.

    Args:
        dtype: that is asked for, None for the release's own.
        released: whether its file says float16, which is for CUDA.
    """
    import torch

    half = released and device.type == "cuda"
    return dtype or (torch.float16 if half else torch.float32)


def synchronize(device: torch.device) -> None:
    """Waits for what was asked of a GPU, so that a clock can be read."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""Tensors of a safetensors file, whose header is judged before any of them is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.atomic import regular
from samplebench.files.beginnings import HEAD, what

if TYPE_CHECKING:
    from torch import Tensor

# Of UNet2DModel's largest networks it takes some 100 kB.
_MOST_HEADER = 1 << 24
_LENGTH = 8
_METADATA = "__metadata__"
FLOATS = ("F64", "F32", "F16", "BF16")


def header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """(kind, shape) of each tensor by name, e.g. ("F32", (64, 3, 3, 3)); no tensor is read.

    Raises:
        InputError: it is no safetensors file, or its header is larger than any network's.
    """
    try:
        with regular(path).open("rb") as file:
            head = file.read(HEAD)
            size = path.stat().st_size
            length = int.from_bytes(head[:_LENGTH], "little")
            if len(head) < _LENGTH + 2 or head[_LENGTH : _LENGTH + 1] != b"{":
                raise InputError(f"{path} is not a safetensors file: it is {what(head)}")
            if length > min(size - _LENGTH, _MOST_HEADER):
                raise InputError(
                    f"{path} is not a complete safetensors file: its header is said to have "
                    f"{length:,} bytes, the file has {size:,}"
                )
            file.seek(_LENGTH)
            content = texts.json_value(file.read(length))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(
            f"{path} is not a safetensors file: its header is not JSON: {error}"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a safetensors file: its header is not a JSON object")
    content.pop(_METADATA, None)
    return {name: _described(path, name, entry) for name, entry in content.items()}


def read(path: Path) -> dict[str, Tensor]:
    """The tensors by name, in memory of their own.

    Raises:
        InputError: it is no safetensors file, is damaged, or holds other numbers than weights are.
    """
    from safetensors import SafetensorError, safe_open

    found = header(path)
    for name, (kind, _) in found.items():
        if kind not in FLOATS:
            raise InputError(
                f"{path}: {_short(name)} holds {_short(kind)}; weights are {', '.join(FLOATS)}"
            )
    try:
        # The library refuses tensors that share bytes or leave gaps.
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name).clone() for name in found}
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a complete safetensors file: {line_of(str(error))}"
        ) from None


def _described(path: Path, name: str, entry: Any) -> tuple[str, tuple[int, ...]]:
    kind = entry.get("dtype") if isinstance(entry, dict) else None
    shape = entry.get("shape") if isinstance(entry, dict) else None
    whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    if not (isinstance(kind, str) and whole):
        raise InputError(
            f"{path} is not a safetensors file: its header does not describe {_short(name)}"
        )
    return kind, tuple(shape)  # type: ignore[arg-type]


def _short(name: str) -> str:
    return line_of(name)[:80]

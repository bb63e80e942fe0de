"""gDDIM's checkpoints: the training state of a Flax model, of which the averaged weights are kept.

The file is one msgpack map. Each entry is unpacked or skipped as it comes, so that the optimizer,
three times as large as the weights and before them, costs no memory. msgpack runs nothing; what a
file may still do is to claim lengths, which are checked before they are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack

from samplebench.checkpoints.pickle_values import DamagedFile, Refused
from samplebench.errors import InputError
from samplebench.files.atomic import regular
from samplebench.files.beginnings import FLAX, HEAD, is_web_page, named
from samplebench.files.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

KEPT = ("params_ema", "step", "ema_rate")
# The largest array of the released networks has 5 MB, in a tree of 963 arrays three deep.
MAX_VALUE = 100 << 20
_MOST_KEYS = 64
_MOST_ENTRIES = 20_000
_WIDEST = 1024
_DEEPEST = 8
_MOST_DIMENSIONS = 8
_LONGEST_NAME = 200
_LONGEST_TEXT = 4 * _LONGEST_NAME  # in bytes; in memory a text may be four times as large

_ARRAY, _COMPLEX, _SCALAR = 1, 2, 3
# Flax's name -> torch's, bytes of one number.
_DTYPES = {
    b"float16": ("float16", 2),
    b"bfloat16": ("bfloat16", 2),
    b"float32": ("float32", 4),
    b"float64": ("float64", 8),
    b"int32": ("int32", 4),
    b"int64": ("int64", 8),
}
_CHUNKED = "__msgpack_chunked_array__"


@dataclass(frozen=True)
class FlaxFile:
    """A training state without its optimizer.

    Attributes:
        params: the averaged weights by path, "AttnBlockpp_0/NIN_0/W", in the file's shapes and
            dtypes, on the CPU; all published values are of them.
        step: training steps.
        ema_rate: of the average.
    """

    params: dict[str, Tensor]
    step: int
    ema_rate: float


def read(path: Path) -> FlaxFile:
    """Reads such a file.

    Raises:
        InputError: it cannot be read, is not such a file, or contradicts itself.
    """
    try:
        top = _top(path)
        if not isinstance(top["params_ema"], dict):
            raise Refused("params_ema is not a map")
        params = dict(_flat(top["params_ema"]))
        step, ema_rate = (_number(key, top[key]) for key in ("step", "ema_rate"))
    except Refused as error:
        raise InputError(f"{path}: {error}; {error.advice}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return FlaxFile(params, int(step), float(ema_rate))


def _top(path: Path) -> dict[str, Any]:
    """The entries that are kept, their maps as dictionaries and their arrays as tensors."""
    size = path.stat().st_size
    with regular(path).open("rb") as file:
        start = file.peek(HEAD)[:HEAD]
        if is_web_page(start):
            raise DamagedFile("a web page, not a checkpoint")
        if (other := named(start)) and other != FLAX:
            raise Refused(f"{other}, not a Flax checkpoint")
        unpacker = msgpack.Unpacker(
            file,
            read_size=1 << 20,
            max_buffer_size=MAX_VALUE,
            object_pairs_hook=_Maps(),
            ext_hook=_extension,
            max_map_len=_WIDEST,
            max_array_len=0,
            max_str_len=_LONGEST_TEXT,
        )
        try:
            keys, found = _entries(unpacker)
            rest = size - unpacker.tell()
        except msgpack.OutOfData:
            raise DamagedFile("the file breaks off" if size else "an empty file") from None
        except msgpack.BufferFull:
            raise Refused(f"a single value of more than {MAX_VALUE >> 20} MiB") from None
        except (msgpack.StackError, RecursionError):
            raise Refused("maps nested too deeply") from None
        except (ValueError, msgpack.UnpackException) as error:
            if "max_str_len" in str(error):
                raise Refused(f"a text of more than {_LONGEST_TEXT} bytes") from None
            raise Refused(
                f"no training state of gDDIM ({shown(str(error) or 'not msgpack')})"
            ) from None
    if rest:
        raise Refused(f"{rest} bytes follow its map")
    if missing := [key for key in KEPT if key not in found]:
        held = ", ".join(map(shown, keys[:4])) or "nothing"
        raise Refused(f"its map lacks '{missing[0]}' and has {held}, no training state of gDDIM")
    return found


def _entries(unpacker: msgpack.Unpacker) -> tuple[list[str], dict[str, Any]]:
    """The keys of the map, and the entries that are kept."""
    try:
        count = unpacker.read_map_header()
    except ValueError:
        raise Refused("its content is not a map, not a Flax checkpoint") from None
    if count > _MOST_KEYS:
        raise Refused(f"a map of {count} entries, no training state of gDDIM")
    found: dict[str, Any] = {}
    seen: list[str] = []
    for _ in range(count):
        key = _name(unpacker.unpack())
        if key in seen:
            raise Refused(f"two entries named '{shown(key)}'")
        seen.append(key)
        if key in KEPT:
            found[key] = unpacker.unpack()
        else:
            unpacker.skip()
    return seen, found


class _Maps:
    """Makes dictionaries of msgpack's pairs, as many as a checkpoint may have."""

    def __init__(self) -> None:
        self.entries = 0

    def __call__(self, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        self.entries += 1 + len(pairs)
        if self.entries > _MOST_ENTRIES:
            raise Refused(f"more than {_MOST_ENTRIES} entries")
        found: dict[str, Any] = {}
        for key, value in pairs:
            if _name(key) in found:
                raise Refused(f"two entries named '{shown(key)}'")
            found[key] = value
        if _CHUNKED in found:
            raise Refused("an array in chunks, as Flax writes those above 2^30 bytes")
        return found


def _name(key: Any) -> str:
    # A slash would make two paths of one.
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_NAME or "/" in key:
        raise Refused(f"an entry is named '{shown(key)}'")
    return key


def _extension(code: int, data: bytes) -> Tensor:
    """The array or scalar that Flax packed."""
    import torch

    if code == _COMPLEX:
        raise Refused("a complex number; weights are real")
    if code not in (_ARRAY, _SCALAR):
        raise Refused(f"a value of msgpack's extension type {code}")
    try:
        shape, dtype, raw = msgpack.unpackb(
            data, raw=True, max_array_len=_MOST_DIMENSIONS, max_map_len=0
        )
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError):
        raise Refused("an array without shape, dtype and bytes") from None
    if not isinstance(dtype, bytes) or dtype not in _DTYPES:
        raise Refused(f"an array of dtype {shown(repr(dtype).removeprefix('b'))}")
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
        raise Refused(f"an array of shape {shown(repr(shape))}")
    name, itemsize = _DTYPES[dtype]
    wanted = math.prod(shape) * itemsize
    if not isinstance(raw, bytes) or len(raw) != wanted:
        held = len(raw) if isinstance(raw, bytes) else "no"
        raise Refused(f"an array of shape {shape} and {name} with {held} bytes, not {wanted}")
    kind = getattr(torch, name)
    # A copy that may be written to, and on which no other bytes hang.
    return torch.frombuffer(bytearray(raw), dtype=kind).reshape(shape)


def _flat(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    """(path, tensor) of every array in a tree of maps."""
    import torch

    if isinstance(tree, torch.Tensor):
        yield "/".join(path), tree
    elif not isinstance(tree, dict):
        raise Refused(f"'{shown('/'.join(path))}' is neither array nor map")
    elif len(path) == _DEEPEST:
        raise Refused("maps nested too deeply")
    else:
        for key, value in tree.items():
            yield from _flat(value, (*path, key))


def _number(key: str, value: Any) -> float:
    """A number that Flax packed as such or as an array without axes."""
    import torch

    if isinstance(value, torch.Tensor) and value.ndim == 0:
        value = value.item()
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise Refused(f"{key} is not a number")
    return value

"""What a table of a catalogue may hold: data of known kinds, which names no code or other place.

Checked before anything is made of it; `Checkpoint` has the same fields.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.download.artefact import safe
from samplebench.errors import InputError, unknown

DTYPES = ("float64", "float32", "bfloat16", "float16")
_FIELDS: Mapping[str, type] = {
    **dict.fromkeys(("format", "location", "summary", "file", "sha256", "structure"), str),
    **dict.fromkeys(("caveat", "source", "licence", "dtype", "protocol", "reference"), str),
    **dict.fromkeys(("size", "parameters", "num_classes"), int),
    **dict.fromkeys(("shape", "samplers", "cite", "published", "same_weights"), tuple),
    **dict.fromkeys(("params", "presets", "config", "classifier"), dict),
}
_CALLED = {str: "text", int: "a whole number", tuple: "a list", dict: "a table"}
_PRESET = {"sampler": str, "params": dict, "nfe": int, "source": str}
# More of them are no image that any model makes, and more classes no label.
_MOST_PIXELS, _MOST_CLASSES = 2**31, 2**31
# Of a value in a message.
_LONGEST = 80
_SCHEMES = ("https", "http", "package")
# One letter is a drive of Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def checked(key: str, table: Any, where: str) -> dict[str, Any]:
    """The fields of a table, lists as tuples.

    Args:
        key: its name, a model's id.
        table: as read from TOML.
        where: it stands, for messages.

    Raises:
        InputError: naming the first field that is unknown, missing or of another kind.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: it is not a table; write [{key}] above its fields")
    if not safe(key):
        raise InputError(f"{where}: a model's id names its folders; use letters, digits and ._-+")
    for name in table:
        if name not in _FIELDS:
            raise InputError(f"{where}: {unknown('field', name, _FIELDS)}")
    missing = [name for name in ("format", "location", "shape") if name not in table]
    if missing:
        raise InputError(f"{where}: {' and '.join(missing)} missing; see the top of the file")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    for name, value in values.items():
        _check_field(name, value, where)
    _check_numbers(values, where)
    for sampler, own in values.get("params", {}).items():
        _check_params(f"params.{sampler}", own, where)
    for name, preset in values.get("presets", {}).items():
        _check_preset(name, preset, where)
    _check_finite(values.get("config", {}), where)
    return values


def check_foreign(entry: Checkpoint, where: str) -> None:
    """Raises `InputError` where an entry of somebody's catalogue names code, or leaves its place.

    Names with a colon are modules to import, which only the user names, on the command line.
    """
    named = [
        ("format", entry.format, "--format of sb.load"),
        ("protocol", entry.protocol, "--protocol"),
        ("reference", entry.reference, "--reference"),
        *(("samplers", name, "--sampler") for name in entry.samplers),
        *(("params", name, "--param") for name in entry.params),
    ]
    for name, preset in entry.presets.items():
        named += [(f"presets.{name}.sampler", preset.sampler, "--sampler")]
    for field, value, flag in named:
        if ":" in value:
            raise InputError(
                f"{where}: {field} = {_shown(value)} names code, and a catalogue imports nothing; "
                + ("register it under a plain name" if field == "format" else f"give {flag}")
            )
    _check_location(entry.location, where)
    if entry.classifier is not None:
        check_foreign(entry.classifier, f"{where}, classifier")


def _check_location(location: str, where: str) -> None:
    found = _SCHEME.match(location)
    if found and (found[1] not in _SCHEMES or not location.startswith(f"{found[1]}://")):
        raise InputError(
            f"{where}: location = {_shown(location)} has the scheme {found[1]}; write https://..., "
            "package://NAME or a path"
        )
    if location.startswith("package://") and not safe(location.removeprefix("package://")):
        raise InputError(
            f"{where}: location = {_shown(location)} leaves the package; package://NAME is a file "
            "that ships with samplebench"
        )
    if not location or not location.isprintable():
        raise InputError(f"{where}: location = {_shown(location)} is neither an address nor a path")


def _check_field(name: str, value: Any, where: str) -> None:
    kind: Any = _FIELDS[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}: {name} = {_shown(value)} is not {_CALLED[kind]}")
    if kind is tuple and name != "shape" and not all(isinstance(v, str) for v in value):
        raise InputError(f"{where}: {name} = {_shown(list(value))} is not a list of texts")


def _check_numbers(values: Mapping[str, Any], where: str) -> None:
    if values.get("dtype", "float32") not in DTYPES:
        raise InputError(f"{where}: {unknown('dtype', values['dtype'], DTYPES)}")
    for name in ("num_classes", "size", "parameters"):
        if values.get(name, 0) < 0:
            raise InputError(f"{where}: {name} = {values[name]} is below 0")
    if values.get("num_classes", 0) > _MOST_CLASSES:
        raise InputError(f"{where}: num_classes = {values['num_classes']} is above any label")
    shape = values["shape"]
    if len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        raise InputError(f"{where}: shape is [channels, height, width], e.g. [3, 32, 32]")
    if math.prod(shape) > _MOST_PIXELS:
        raise InputError(f"{where}: shape = {list(shape)} is larger than any image")


def _check_preset(name: str, preset: Any, where: str) -> None:
    if not isinstance(preset, dict) or {k: type(v) for k, v in preset.items()} != _PRESET:
        raise InputError(
            f"{where}: a preset has sampler, params, nfe and source: a text, a table, a whole "
            "number and a text"
        )
    _check_params(f"presets.{name}.params", preset["params"], where)


def _check_params(name: str, own: Any, where: str) -> None:
    """A sampler's parameters are numbers, words and truth values."""
    if not isinstance(own, Mapping):
        raise InputError(f"{where}: {name} = {_shown(own)} is not a table of parameters")
    for key, value in own.items():
        if not isinstance(value, str | int | float) or value != value:
            raise InputError(f"{where}: {name}.{key} = {_shown(value)} is not a number or a word")


def _check_finite(config: Any, where: str) -> None:
    """What an adapter is told is written into every cell, and JSON has neither inf nor nan."""
    for name, value in _leaves("config", config):
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where}: {name} = {value} is not a finite number")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(f"{name}.{key}", part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(name, part)
    else:
        yield name, value

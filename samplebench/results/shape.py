"""What a cell's record may hold, field by field: for whoever reads one that others wrote.

Fields that older versions did not write may be missing; what is there is of its kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

# Of one value, or of those in a table by name.
Kind = Callable[[Any], bool] | Mapping[str, "Kind"]


def fault_of_record(record: Mapping[str, object]) -> str:
    """The first field that no run can have written, e.g. "conditions.seed"; "" if there is none."""
    return _fault("", record, _RECORD)


def fault_of_score(score: Mapping[str, object]) -> str:
    """The same of a score."""
    return _fault("", score, _SCORE)


def fault_of_older(record: Mapping[str, object]) -> str:
    """The same of a record that holds its values, schema 1."""
    return _fault("", record, _OLDER)


def _fault(name: str, value: Any, kind: Kind) -> str:
    if not isinstance(kind, Mapping):
        return "" if kind(value) else name
    if not isinstance(value, Mapping):
        return name
    for key, inner in kind.items():
        if key in value and (found := _fault(f"{name}.{key}".lstrip("."), value[key], inner)):
            return found
    return ""


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**63


def _positive(value: Any) -> bool:
    return _whole(value) and value > 0


def _number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _or_none(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or kind(value)


def _scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _scalars(value: Any) -> bool:
    """A table of values that are no tables; a parameter may be a list of them."""
    return isinstance(value, Mapping) and all(
        all(map(_scalar, part)) if isinstance(part, list) else _scalar(part)
        for part in value.values()
    )


def _grid(value: Any) -> bool:
    """A discretization with its constants, or explicit noise levels."""
    if isinstance(value, Mapping):
        # What a card says of itself is a table of its own.
        parts = {name: part for name, part in value.items() if name != "about"}
        about = value.get("about", {})
        return _text(value.get("name")) and _scalars(parts) and isinstance(about, Mapping)
    return _scalar(value) or (isinstance(value, list) and all(map(_number, value)))


def _tables(value: Any) -> bool:
    """By name; what is in them may be of any kind."""
    return isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())


_EXTRACTOR: Kind = {
    "name": _text,
    "weights_sha256": _text,
    "feature_dim": _whole,
    "numerics": _whole,
}
_REFERENCE: Kind = {"id": _text, "sha256": _text}
_PROVENANCE: Kind = {
    **dict.fromkeys(("created", "hardware", "platform"), _text),
    "git_commit": _or_none(_text),
    "versions": lambda v: isinstance(v, Mapping) and all(map(_or_none(_text), v.values())),
    "checkpoint": lambda value: isinstance(value, Mapping),
}
_IMAGES: Mapping[str, Kind] = {
    **dict.fromkeys(
        (
            "model", "sampler", "dtype", "state_dtype", "noise", "noise_device", "quantization",
            "checkpoint_sha256", "memory_format",
        ),
        _text,
    ),
    "compiled": _flag,
    **dict.fromkeys(("num_samples", "block"), _positive),
    **dict.fromkeys(("seed", "numerics"), _whole),
    "steps": _or_none(_whole),
    "params": _scalars,
    "config": lambda value: isinstance(value, Mapping),
    "guidance": {
        "name": _text,
        "scale": _number,
        "interval": _text,
        "model": {"id": _text},
        "classifier": {"id": _text},
    },
    "discretization": _grid,
    "start": {"images": _text, "step": _whole},
}  # fmt: skip
_RECORD: Mapping[str, Kind] = {
    "conditions": _IMAGES,
    **dict.fromkeys(("nfe", "nfe_planned", "depth", "guide_nfe", "guide_nfe_planned"), _number),
    **dict.fromkeys(("gflop_per_evaluation", "gflop_per_image"), _or_none(_number)),
    "nonfinite": _whole,
    **dict.fromkeys(("seed_reproducible", "reusable"), _flag),
    **dict.fromkeys(("unsteady", "remarks"), _texts),
    "about": _tables,
    **dict.fromkeys(("failed", "not_reusable", "checksum"), _text),
    "seconds": dict.fromkeys(("sampling", "features", "metrics"), _number),
    "provenance": _PROVENANCE,
}
_SCORE: Mapping[str, Kind] = {
    "conditions": {
        **dict.fromkeys(("cell", "metric", "statistic"), _text),
        "numerics": _whole,
        "extractor": _EXTRACTOR,
        "reference": _REFERENCE,
    },
    "value": lambda value: isinstance(value, Mapping),
    "unsteady": _texts,
    **dict.fromkeys(("failed", "not_reusable", "checksum"), _text),
    "seconds": _number,
    "provenance": _PROVENANCE,
}
_OLDER: Kind = {
    **_RECORD,
    "conditions": {
        **_IMAGES,
        "metrics": _texts,
        "protocol": _scalars,
        "extractor": _EXTRACTOR,
        "reference": _REFERENCE,
    },
    "values": _tables,
}

"""What a table's values were computed under and where: the `.provenance.json` beside a CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeVar, cast

from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.atomic import atomic
from samplebench.regression.conditions import SharedConditions, shared
from samplebench.regression.upgrade import conditions_of
from samplebench.results.columns import HASH, shown
from samplebench.results.fields import printable
from samplebench.results.record import Record, Score

SCHEMA = 2
MOST_BYTES, _MOST_DEPTH = 64 * 1024**2, 20
AnyPath = TypeVar("AnyPath", bound=PurePath)
_KINDS: dict[type, str] = {
    list: "a list", dict: "an object", str: "a text", int: "a whole number",
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Of one cell and its scores.

    Attributes:
        conditions: what they share with those of other cells of its model (`conditions.shared`).
        platform: what must be equal for values to agree to 1e-6.
        hardware: processor or GPU, in words.
    """

    conditions: SharedConditions
    platform: str
    hardware: str

    @classmethod
    def of(cls, record: Record, scores: Iterable[Score] = ()) -> Origin | None:
        """From a cell's record and its scores; None where it does not say."""
        where = record.get("provenance", {})
        platform, hardware = where.get("platform"), where.get("hardware")
        if not platform or hardware is None:
            return None
        return cls(shared(record["conditions"], scores), platform, hardware)


@dataclass(frozen=True)
class Facts:
    """What is known of a table.

    Attributes:
        origins: by cell.
        platforms: on which its values were computed.
        references: by cell, where the table does not say them.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict)
    platforms: frozenset[str] = frozenset()
    references: Mapping[str, str] = field(default_factory=dict)


def beside(table: AnyPath) -> AnyPath:
    """Where the facts of a CSV are."""
    return table.with_suffix(".provenance.json")


def read(table: Path) -> Facts:
    """What the file beside a table says; nothing where there is no such file.

    A file of platforms alone, as older versions wrote it, has no origins.

    Raises:
        InputError: the file holds something else, or says two things of one cell.
    """
    path = beside(table)
    if not path.is_file():
        return Facts()
    try:
        return facts_in(texts.read_bytes(path, MOST_BYTES), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise _damaged(str(path), error) from None


def facts_in(content: bytes, source: str) -> Facts:
    """What such a file says.

    Args:
        content: of the file.
        source: its name, for messages.

    Raises:
        InputError: as of `read`.
    """
    try:
        return _facts(texts.json_value(content))
    except ValueError as error:
        raise _damaged(source, error) from None


def _damaged(source: str, error: ValueError) -> InputError:
    return InputError(f"{source} is damaged ({printable(error)}); make it again with --update")


def _facts(content: Any) -> Facts:
    """Raises ValueError where a cell has no origin that can be meant, or two."""
    platforms = _texts(content, "platforms")
    if (schema := _of(content, "schema", int, 1)) not in (1, SCHEMA):
        raise ValueError(f"schema is {schema}, this samplebench reads {SCHEMA}")
    origins: dict[str, Origin] = {}
    references: dict[str, str] = {}
    for group in _of(content, "origins", list, []):
        conditions, reference = _conditions(_of(group, "conditions", dict), schema)
        origin = Origin(conditions, *(_of(group, key, str) for key in ("platform", "hardware")))
        if origin.platform not in platforms:
            raise ValueError(f"platform {shown(origin.platform)} is not among platforms")
        for cell in _of(group, "cells", list):
            if not isinstance(cell, str) or not HASH.fullmatch(cell):
                raise ValueError(f"cell {shown(cell)} is not a hash")
            if cell in origins:
                raise ValueError(f"cell {cell[:12]} occurs twice")
            origins[cell] = origin
            references |= {cell: reference} if reference else {}
    return Facts(origins, frozenset(platforms), references)


def _conditions(found: dict[str, Any], schema: int) -> tuple[SharedConditions, str]:
    """Conditions of a group, and its reference where its rows do not say it."""
    if _depth(found) > _MOST_DEPTH:
        raise ValueError("nested too deeply")
    if schema == SCHEMA:
        metrics = _of(found, "metrics", dict, {})
        for key in metrics:
            _texts(metrics, key)
        extractors = _of(found, "extractors", dict, {})
        for key in extractors:
            _of(extractors, key, str)
        return cast(SharedConditions, found), ""
    _of(found, "protocol", dict, {})
    for part in (_of(found, key, dict, {}) for key in ("reference", "extractor")):
        for key in part.keys() - {"feature_dim"}:
            _of(part, key, str)
    if "metrics" in found:
        _texts(found, "metrics")
    conditions, reference = conditions_of(found)
    if not reference.isprintable():
        raise ValueError(f"reference is {shown(reference)}, which has control characters")
    return conditions, reference


def _texts(content: Any, key: str) -> set[str]:
    found = _of(content, key, list)
    if not all(isinstance(text, str) and text for text in found):
        raise ValueError(f"{key} are not all names")
    return set(found)


def _of(content: Any, key: str, kind: type, default: Any = None) -> Any:
    """An entry that must be of this kind."""
    value = content.get(key, default) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"{key} is not {_KINDS[kind]}")
    return value


def _depth(content: Any) -> int:
    parts = content.values() if isinstance(content, dict) else content
    return 1 + max(map(_depth, parts), default=0) if isinstance(content, dict | list) else 0


def write(table: Path, origins: Mapping[str, Origin], platforms: Iterable[str]) -> None:
    """Cells of one origin are one entry."""
    groups: dict[str, dict[str, Any]] = {}
    for cell, origin in origins.items():
        facts = asdict(origin)
        group = groups.setdefault(json.dumps(facts, sort_keys=True), {**facts, "cells": []})
        group["cells"].append(cell)
    content: dict[str, object] = {"schema": SCHEMA, "platforms": sorted(platforms)}
    if groups:
        content["origins"] = [groups[key] for key in sorted(groups)]
    with atomic(beside(table)) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")

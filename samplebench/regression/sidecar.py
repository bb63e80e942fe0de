"""What a table's values were computed under and where: the `.provenance.json` beside a CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.atomic import atomic
from samplebench.regression.conditions import shared
from samplebench.results.columns import HASH, shown
from samplebench.results.fields import printable
from samplebench.results.record import Conditions, Record

_MOST_BYTES, _MOST_DEPTH = 64 * 1024**2, 20
_KINDS: dict[type, str] = {list: "a list", dict: "an object", str: "a text"}


@dataclass(frozen=True)
class Origin:
    """Of one cell.

    Attributes:
        conditions: what it shares with the other cells of its model (`conditions.shared`).
        platform: what must be equal for values to agree to 1e-6.
        hardware: processor or GPU, in words.
    """

    conditions: Conditions
    platform: str
    hardware: str

    @classmethod
    def of(cls, record: Record) -> Origin | None:
        """From a cell's record; None where it does not say."""
        where = record.get("provenance", {})
        platform, hardware = where.get("platform"), where.get("hardware")
        if not platform or hardware is None:
            return None
        return cls(shared(record["conditions"]), platform, hardware)


def beside(table: Path) -> Path:
    """Where the facts of a CSV are."""
    return table.with_suffix(".provenance.json")


def read(table: Path) -> tuple[dict[str, Origin], set[str]]:
    """Origins by cell and all platforms; empty where there is no such file.

    A file of platforms alone, as older versions wrote it, has no origins.

    Raises:
        InputError: the file holds something else, or says two things of one cell.
    """
    path = beside(table)
    if not path.is_file():
        return {}, set()
    try:
        content = texts.json_value(texts.read_bytes(path, _MOST_BYTES))
        return _origins(content), _texts(content, "platforms")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(
            f"{path} is damaged ({printable(error)}); make it again with --update"
        ) from None


def _origins(content: Any) -> dict[str, Origin]:
    """Raises ValueError where a cell has no origin that can be meant, or two."""
    platforms = _texts(content, "platforms")
    origins: dict[str, Origin] = {}
    for group in _of(content, "origins", list, []):
        conditions = _of(group, "conditions", dict)
        if _depth(conditions) > _MOST_DEPTH:
            raise ValueError("nested too deeply")
        origin = Origin(conditions, *(_of(group, key, str) for key in ("platform", "hardware")))
        if origin.platform not in platforms:
            raise ValueError(f"platform {shown(origin.platform)} is not among platforms")
        for cell in _of(group, "cells", list):
            if not isinstance(cell, str) or not HASH.fullmatch(cell):
                raise ValueError(f"cell {shown(cell)} is no hash")
            if cell in origins:
                raise ValueError(f"cell {cell[:12]} is there twice")
            origins[cell] = origin
    return origins


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
    content: dict[str, object] = {"platforms": sorted(platforms)}
    if groups:
        content["origins"] = [groups[key] for key in sorted(groups)]
    with atomic(beside(table)) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")

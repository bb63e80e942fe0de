"""What a table's values were computed under and where: the `.provenance.json` beside a CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samplebench.errors import InputError
from samplebench.files import atomic
from samplebench.regression.conditions import shared


@dataclass(frozen=True)
class Origin:
    """Of one cell.

    Attributes:
        conditions: what it shares with the other cells of its model (`conditions.shared`).
        platform: what must be equal for values to agree to 1e-6.
        hardware: processor or GPU, in words.
    """

    conditions: Mapping[str, Any]
    platform: str
    hardware: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Origin:
        """From a cell's record."""
        where = record["provenance"]
        return cls(shared(record["conditions"]), where["platform"], where["hardware"])


def beside(table: Path) -> Path:
    """Where the facts of a CSV are."""
    return table.with_suffix(".provenance.json")


def read(table: Path) -> tuple[dict[str, Origin], set[str]]:
    """Origins by cell and all platforms; empty where there is no such file.

    A file of platforms alone, as older versions wrote it, has no origins.

    Raises:
        InputError: the file holds something else.
    """
    path = beside(table)
    if not path.is_file():
        return {}, set()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        origins = {
            str(cell): Origin(dict(group["conditions"]), group["platform"], group["hardware"])
            for group in content.get("origins", [])
            for cell in group["cells"]
        }
        return origins, set(content["platforms"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}); make it again with --update") from None


def write(table: Path, origins: Mapping[str, Origin], platforms: Iterable[str]) -> None:
    """Cells of one origin are one entry."""
    groups: dict[str, dict[str, Any]] = {}
    for cell, origin in origins.items():
        facts = asdict(origin)
        group = groups.setdefault(json.dumps(facts, sort_keys=True), {**facts, "cells": []})
        group["cells"].append(cell)
    content: dict[str, Any] = {"platforms": sorted(platforms)}
    if groups:
        content["origins"] = [groups[key] for key in sorted(groups)]
    with atomic(beside(table)) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")

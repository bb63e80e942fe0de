"""What a results folder holds, without what differs from one run to the next."""

from __future__ import annotations

import json
from pathlib import Path

_VOLATILE = ("seconds", "provenance", "checksum")


def content(out: Path, *folders: str) -> dict[str, object]:
    """Files by name: objects of `.json`, bytes of others; locks and reports are left out."""
    found: dict[str, object] = {}
    for folder in folders or ("cells", "scores", "images"):
        for path in sorted((out / folder).rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                found[str(path.relative_to(out))] = (
                    _steady(json.loads(data)) if path.suffix == ".json" else data
                )
    return found


def _steady(record: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in record.items() if key not in _VOLATILE}

"""Damaged, foreign and hostile results folders, made by kind of damage and kind of file."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from samplebench.files.sealed import Sealed, write_arrays, write_json

# Roles of files, and how they are found; of two the first and the second.
FILES = {
    "marker": "samplebench.json",
    "cell": "cells/*[0-9a-f].json",
    "sheet": "cells/*[0-9a-f].png",
    "score": "scores/*.json",
    "request": "requests/*.json",
    "moments": "cells/*.moments-*.npz",
    "features": "cells/*.features-*.npz",
    "images": "cells/*.images.npz",
    "state": "cells/*.partial.npz",
    "rows": "cells/*.partial.[0-9a-f]*",
    "rows of images": "cells/*.partial.images",
    "table": "results.csv",
    "page": "report.html",
    "figure": "figures/*.svg",
    "lock": ".lock",
}
FOLDERS = ("cells", "scores", "requests", "figures")
JSONS = ("cell", "score", "request")
ARRAYS = ("moments", "features", "images", "state")
HUGE = 10**400
# As the last version that wrote schema 1 made it.
OLDER = Path(__file__).with_name("data") / "schema-1"


class Case(NamedTuple):
    """One folder.

    Attributes:
        name: of the test.
        role: of the file that is damaged.
        damage: does it, to that file of a folder.
        seen: commands that must not take it for whole.
        aside: how many files a run sets aside before it goes on.
        folder: of which kind: "whole", "half" or "older".
        where: what the line names instead.
        fine: whether it is no damage.
    """

    name: str
    role: str
    damage: Callable[[Path], Any]
    seen: tuple[str, ...] = ()
    aside: int = 0
    folder: str = "whole"
    where: str = ""
    fine: bool = False

    def names(self, at: str) -> str:
        """What the line names, of a file at `at` in the folder."""
        return f"sweep/{self.where or at}"


def victim(folder: Path, role: str) -> Path:
    """The file of a role."""
    return others(folder, role)[0]


def others(folder: Path, role: str) -> list[Path]:
    """All files of a role, or the folder itself."""
    return sorted(folder.glob(FILES.get(role, role)))


# What is no file


def _instead(make: Callable[[Path], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        make(path)

    return damage


def _socket(path: Path) -> None:
    # A socket's whole path may have a hundred characters.
    before = os.getcwd()
    os.chdir(path.parent)
    try:
        one = socket.socket(socket.AF_UNIX)
        one.bind("s")
        os.rename("s", path.name)
        one.close()
    finally:
        os.chdir(before)


SPECIAL: dict[str, Callable[[Path], Any]] = {
    "pipe": lambda path: os.mkfifo(path),
    "socket": _socket,
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "device": lambda path: path.symlink_to("/dev/null"),
}


def _full_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("dear to someone")


def _moved(path: Path) -> None:
    """A link to a good file or folder elsewhere is as good, but for a lock."""
    elsewhere = path.parents[1] / f"elsewhere-{path.name}"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


# Bytes


def _flipped(data: bytes) -> bytes:
    at = len(data) // 2  # among numbers, of every kind of file
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-3],
    "zeros": lambda data: bytes(len(data)),
    "a web page": lambda data: b"<!DOCTYPE html><title>Sign in</title>",
    "UTF-16": lambda data: "\ufeff{}".encode("utf-16-le"),
    "binary": lambda data: b"\x93NUMPY\x01\x00\x80\xff\x00",
}
TEXT: dict[str, Callable[[str], str]] = {
    "a digit": lambda text: text.replace('"num_samples": 64', '"num_samples": 65'),
    "a list": lambda text: "[]",
    "a number": lambda text: "17",
    "deep": lambda text: '{"a": ' + "[" * 100_000,
    "deep and closed": lambda text: '{"a": ' + "[" * 90 + "]" * 90 + "}",
    "a key twice": lambda text: text.replace('"checksum"', '"schema": 2, "checksum"'),
    "another checksum": lambda text: text.replace('"checksum": "', '"checksum": "0'),
    "no checksum": lambda text: text.replace('"checksum"', '"was"'),
    "a NaN": lambda text: text.replace('"schema": 2', '"schema": 2, "more": NaN'),
    "a huge number": lambda text: text.replace('"schema": 2', f'"schema": 2, "more": {HUGE}'),
}


def _rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        before = path.read_bytes()
        after = change(before)
        assert after != before, "nothing was damaged"
        path.write_bytes(after)

    return damage


def _as_text(change: Callable[[str], str]) -> Callable[[Path], None]:
    return _rewritten(lambda data: change(data.decode()).encode())


# Content under a right checksum: what no run writes


def _resealed(keys: str, value: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        *above, last = keys.split(".")
        part = content
        for key in above:
            part = part[int(key) if key.isdigit() else key]
        part[last] = value
        write_json(path, content)

    return damage


SCHEMAS = {"true": True, "text": "2", "fraction": 2.5, "older": 1, "none": None}
WRONG: dict[str, tuple[tuple[str, Any], ...]] = {
    "cell": (
        *(("nfe", value) for value in (-1, 0, True, "9", None, [9], {})),
        *(("nonfinite", value) for value in (-5, 1.5, True, "0")),
        *(("seconds", value) for value in ([], {"sampling": -1}, {"sampling": "1"}, 1)),
        *(("provenance", value) for value in ([], "here", {"platform": 1}, {"versions": [1]})),
        ("unsteady", "x"), ("unsteady", [1]), ("failed", 5), ("seed_reproducible", 1),
        ("gflop_per_image", "1"), ("conditions.num_samples", -5), ("conditions.params", []),
        ("conditions", []), ("conditions", None), ("cell", None), ("cell", "0" * 64),
    ),
    "score": (
        *(("value.value", value) for value in (True, "1.5", [1.5], {}, None)),
        *(("value.stderr", value) for value in (-0.5, True, "0.5", [])),
        *(("value.deleted", value) for value in ({}, "1", [True], [None], [[1.5]], None)),
        *(("value", value) for value in ([], 1.5, None, {})),
        ("value.better", "up"), ("value.better", 1), ("value.mean_term", "x"),
        ("value.mean_term", [1]), ("failed", "it has a value"), ("failed", 5), ("seconds", "x"),
        ("provenance", []), ("unsteady", [1]), ("not_reusable", 5), ("score", "0" * 64),
        ("conditions.cell", "0" * 64), ("conditions.metric", "fid"), ("conditions", []),
    ),
    "request": (
        *(("rows", value) for value in ({}, [1], [{}], [None], "x")),
        *(("number", value) for value in (0, -1, True, "1", None)),
        *(("rows.0.cells", value) for value in ([], {}, "x", ["x"], [1], ["0" * 64] * 2)),
        *(("rows.0.scores", value) for value in ({}, [], {"fd": "x"}, {"": ["0" * 64]})),
        *(("rows.0.columns", value) for value in ({}, [], None)),
        *(("rows.0.columns.num_samples", value) for value in (-5, True, 1.5, "64")),
        *(("rows.0.columns.nfe", value) for value in (0, "5", None, [5])),
        ("rows.0.columns.model", 5), ("rows.0.columns.model", "a\nb"),
        ("rows.0.columns.repeats", 2), ("rows.0.columns.repeats", 0),
        ("rows.0.scores.nfe", ["0" * 64]),
    ),
}  # fmt: skip


OLDER_WRONG = (
    *(("schema", value) for value in (True, "1", 2, 3, None)),
    *(("nfe", value) for value in (0, -1, "5", None)),
    *(("values.fd-digits.stderr", value) for value in (-0.5, "x", True)),
    *(("values.fd-digits.value", value) for value in ([], True, "x")),
    *(("values", value) for value in ([], {}, 5)),
    ("conditions", {}), ("seconds", []), ("provenance", 5),
)  # fmt: skip


def _facts(key: str, value: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        found = Sealed(path)
        facts = {k: v for k, v in found.facts.items() if k != "checksum"}
        write_arrays(path, found.arrays(), {**facts, key: value})

    return damage


def _arrays(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Numbers that were changed under a right checksum."""

    def damage(path: Path) -> None:
        found = Sealed(path)
        facts = {k: v for k, v in found.facts.items() if k != "checksum"}
        write_arrays(path, {k: change(v) for k, v in found.arrays().items()}, facts)

    return damage


ARRAYS_OF_OTHERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "emptied": lambda array: array[:0] if array.ndim else array,
    "without an end": lambda array: array[:-1] if array.ndim else array,
    "texts": lambda array: array.astype(str),
    "one more axis": lambda array: array[None],
    "negative": lambda array: -1 - array if array.dtype.kind in "if" else array,
    "no numbers": lambda array: array * np.nan if array.dtype.kind == "f" else array,
}


def _swapped(role: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        other = others(path.parent.parent, role)[-1]
        assert other != path
        data = path.read_bytes()
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)

    return damage


def _copied_from(role: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(victim(path.parent.parent, role).read_bytes())


# All of them

_READERS = ("report", "check")
_SEEN = {"marker": _READERS, "cell": _READERS, "score": _READERS, "request": _READERS}
_UNDER_WAY = ("state", "rows", "rows of images")
_ASIDE = ("cell", "score", "sheet", "state", "moments", "features", "images")


def cases() -> Iterator[Case]:
    """Every folder."""
    for case in _cases():
        yield case._replace(folder="half") if case.role in _UNDER_WAY else case
    for role in ("marker", "cell", "sheet", "request"):
        ways = {name: _instead(make) for name, make in SPECIAL.items()}
        ways |= {name: _rewritten(change) for name, change in BYTES.items()}
        if role != "sheet":
            ways |= {name: _as_text(TEXT[name]) for name in ("a list", "a number", "deep")}
        for name, damage in ways.items():
            yield Case(f"older: {role}: {name}", role, damage, ("report", "run"), folder="older")
    for keys, value in OLDER_WRONG:
        damage = _resealed(keys, value)
        yield Case(f"older: {keys} = {value}", "cell", damage, ("report", "run"), folder="older")


def _cases() -> Iterator[Case]:
    yield from _no_files()
    yield from _bytes()
    for role, table in WRONG.items():
        for keys, value in table:
            name = f"{role}: {keys} = {json.dumps(value)[:20]}"
            yield Case(name, role, _resealed(keys, value), _READERS, role in _ASIDE)
    for role in JSONS:
        yield Case(f"{role}: newer", role, _resealed("schema", 3), ("report", "check", "run"))
        for name, value in SCHEMAS.items():
            damage = _resealed("schema", value)
            yield Case(f"{role}: schema {name}", role, damage, _READERS, role in _ASIDE)
    yield Case("marker: newer", "marker", _as_text(lambda text: '{"schema": 3}'), _ALL)
    for name, value in SCHEMAS.items():
        if name != "older":
            text = json.dumps({"schema": value})
            yield Case(f"marker: schema {name}", "marker", _as_text(lambda _, t=text: t), _ALL)
    for role in ARRAYS:
        yield Case(f"{role}: newer", role, _facts("schema", 3), ("run",))
        for key, value in (("schema", True), ("schema", "2"), ("cell", "0" * 64)):
            yield Case(f"{role}: {key} = {value}", role, _facts(key, value), (), True)
    for role in ("moments", "features", "images"):
        yield Case(f"{role}: of another", role, _facts("kept", "others"), (), True)
    for name, change in ARRAYS_OF_OTHERS.items():
        yield Case(f"moments: {name}", "moments", _arrays(change))
        if name in ("emptied", "without an end", "one more axis"):
            yield Case(f"state: {name}", "state", _arrays(change))
    for role in ("cell", "score"):
        yield Case(f"{role}: swapped names", role, _swapped(role), _READERS, 2, where=f"{role}s/")
    for role in ("moments", "features", "images"):
        yield Case(f"{role}: swapped names", role, _swapped(role), (), 2)
    for role, other in (("cell", "score"), ("score", "cell"), ("request", "cell")):
        yield Case(f"{role}: a {other}", role, _copied_from(other), _READERS, role in _ASIDE)
    for role, other in (("state", "moments"), ("moments", "features"), ("features", "images")):
        yield Case(f"{role}: {other}", role, _copied_from(other), (), True)
    yield Case("rows: of another cell", "rows", _rewritten(lambda data: data[::-1]))


_ALL = ("report", "check", "dry run", "run")
# Which commands open what a role names.
_NEEDED = {
    "marker": _ALL,
    **dict.fromkeys(("cell", "score"), ("report", "check", "run")),
    "request": ("report", "check", "run"),
    "sheet": ("report", "run"),
    **dict.fromkeys(("moments", "features", "images", "state", "rows", "rows of images"), ("run",)),
    **dict.fromkeys(("table", "page"), ("report", "run")),
    "figure": ("report",),
    "lock": ("run",),
    **dict.fromkeys(("cells", "scores", "requests"), _ALL),
    "figures": ("report", "run"),
}


def _no_files() -> Iterator[Case]:
    for role in (*FILES, *FOLDERS):
        for name, make in SPECIAL.items():
            yield Case(f"{role}: {name}", role, _instead(make), _NEEDED[role])
        yield Case(f"{role}: a link", role, _moved, fine=role != "lock")
    for role in FILES:
        yield Case(f"{role}: a folder", role, _instead(_full_folder), _NEEDED[role])
    for role in FOLDERS:
        file = _instead(lambda path: path.write_text("x"))
        yield Case(f"{role}: a file", role, file, _NEEDED[role])


def _bytes() -> Iterator[Case]:
    for role in ("marker", "sheet", *JSONS, *ARRAYS):
        for name, change in BYTES.items():
            if (role, name) == ("marker", "zeros"):
                continue
            seen = ("report",) if role == "sheet" else _SEEN.get(role, ())
            yield Case(f"{role}: {name}", role, _rewritten(change), seen, role in _ASIDE)
    for role in JSONS:
        for name, change in TEXT.items():
            if role == "score" and name == "a digit":
                change = lambda text: text.replace('"stderr": ', '"stderr": 1')  # noqa: E731
            yield Case(f"{role}: {name}", role, _as_text(change), _READERS, role in _ASIDE)
    for role in ("rows", "rows of images"):
        for name, change in {**BYTES, "a byte": _flipped}.items():
            yield Case(f"{role}: {name}", role, _rewritten(change))
    yield Case("state: a byte", "state", _rewritten(_flipped), (), True)
    for role in ("moments", "features", "images"):
        yield Case(f"{role}: a byte", role, _rewritten(_flipped))

"""Dropping requests of a results folder: its table then no longer waits for their cells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.results.requests import Asked
from samplebench.results.store import Store


@dataclass(frozen=True)
class RequestState:
    """A request and how far it came.

    Attributes:
        finished, pending: its cells, those of other requests among them.
    """

    asked: Asked
    finished: int
    pending: int

    @property
    def words(self) -> str:
        """What differs from a plain `run`, e.g. "model=digits-exact nfe=5,10"; of a `score` that
        first."""
        words = self.asked.words
        return " ".join([*(["score"] if words.get("score") else []), *_pairs(words)])


@dataclass(frozen=True)
class Unwanted:
    """What is kept of cells that no request asks for.

    Attributes:
        cells, partials: how many.
        size: of their files, bytes.
    """

    cells: int
    partials: int
    size: int


def states(store: Store) -> list[RequestState]:
    """Every request of a folder, in the order of asking."""
    found = []
    for asked in store.requests():
        pending = store.pending(asked.rows)
        found.append(RequestState(asked, len(asked.cells) - len(pending), len(pending)))
    return found


def chosen(
    found: Iterable[RequestState], numbers: Collection[int], unfinished: bool, where: Path
) -> list[RequestState]:
    """The requests to drop: by their numbers, or all that have cells to go.

    Raises:
        UsageError: there is no such request.
    """
    every = list(found)
    known = {state.asked.number for state in every}
    for number in numbers:
        if number not in known:
            names = ", ".join(map(str, sorted(known))) or "none"
            raise UsageError(f"request {number} is not in {where}; it has {names}")
    return [s for s in every if s.asked.number in numbers or (unfinished and s.pending)]


def drop(dropped: Iterable[RequestState]) -> None:
    """Removes request files, and no cell."""
    for state in dropped:
        state.asked.path.unlink(missing_ok=True)


def unwanted(store: Store, without: Collection[RequestState] = ()) -> Unwanted:
    """What would be kept, but asked for by nobody, without these requests."""
    gone = {state.asked.path for state in without}
    asked = [asked for asked in store.requests() if asked.path not in gone]
    wanted = {name for each in asked for name in each.cells | each.scores}
    folders = (store.out / name for name in ("cells", "scores"))
    paths = (path for folder in folders for path in folder.glob("*"))
    files = [path for path in paths if path.name.partition(".")[0] not in wanted]
    cells = store.out / "cells"
    return Unwanted(
        sum(path.suffix == ".json" and path.parent == cells for path in files),
        sum(path.name.endswith(".partial.npz") for path in files),
        sum(path.stat().st_size for path in files if path.is_file()),
    )


@dataclass(frozen=True)
class KeptFiles:
    """Statistics and images that were kept of a folder's finished cells, or half of them.

    Attributes:
        paths: of the files.
        size: of all, bytes.
    """

    paths: tuple[Path, ...]
    size: int


def kept_files(store: Store) -> KeptFiles:
    """All that could be dropped without losing a value; a further one then samples again."""
    found = [*store.kept.of(), *store.again()]
    return KeptFiles(tuple(found), sum(path.stat().st_size for path in found))


def drop_kept(files: KeptFiles) -> None:
    """Removes these files, and no cell and no score."""
    for path in files.paths:
        path.unlink(missing_ok=True)


def _pairs(words: Mapping[str, Any]) -> Iterator[str]:
    usual = Request().words()
    for name in (f.name for f in fields(Request) if f.name in words):
        value = words[name]
        if name == "out" or value == usual.get(name):
            continue
        if not isinstance(value, Mapping):
            yield f"{name}={_text(value)}"
            continue
        for sampler, table in value.items():
            for key, values in table.items() if isinstance(table, Mapping) else ():
                yield f"{sampler}.{key}={_text(values)}"


def _text(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ",".join("/".join(map(str, v)) if isinstance(v, list) else str(v) for v in value)

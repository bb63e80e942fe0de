"""Who writes to a results folder: one run alone, or shards of one sweep beside each other.

OUT/.lock                       held by a run for its whole time, by a shard for moments
OUT/.shards/.gate               held by a shard around its moments
OUT/.shards/I-of-N.SWEEP.lock   held by shard I for its whole time
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from samplebench.errors import EnvironmentError_
from samplebench.files import locks

# Seconds: a run that finds shards holds the folder for less than the first; to wait for a shard.
_BRIEF, _PATIENCE = 10.0, 600.0
_NAME = re.compile(r"([0-9]+)-of-([0-9]+)\.([0-9a-f]+)\.lock")
_END = "wait for it or choose another --out"
# Holds the folder within the block: no other job begins or ends meanwhile.
Moment = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, order=True)
class Shard:
    """One of several jobs that share a sweep.

    Attributes:
        index: from 0 to count - 1.
        count: number of jobs.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True, order=True)
class _Running:
    shard: Shard
    sweep: str
    path: Path


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Holds a folder against every other run.

    Raises:
        EnvironmentError_: another run holds it, or shards of a sweep do.
    """
    with _lock(out / ".lock", 0, f"another run is writing to {out}"):
        if running := _running(out):
            raise _busy(out, running, "a sweep")
        yield


@contextmanager
def beside(out: Path, shard: Shard, sweep: str, begin: Callable[[bool], None]) -> Iterator[Moment]:
    """Holds a shard of a sweep on a folder, beside its other shards; yields how to hold the folder.

    Args:
        out: a results folder.
        shard: which.
        sweep: hex digits that say which sweep it is.
        begin: called with whether no other shard runs, before another can begin.

    Raises:
        EnvironmentError_: a run holds the folder; this shard is running already, or shards of
            another number or of another sweep are.
    """
    folder = out / ".shards"
    folder.mkdir(exist_ok=True)

    @contextmanager
    def moment() -> Iterator[None]:
        # Of those who hold the folder for longer, no shard is one: they wait at the gate.
        with (
            _lock(folder / ".gate", _PATIENCE, f"another shard holds {out}"),
            _lock(out / ".lock", _BRIEF, f"another run is writing to {out}"),
        ):
            yield

    with ExitStack() as held:
        with moment():
            running = _running(out)
            for one in running:
                if one.sweep != sweep or one.shard.count != shard.count:
                    raise _busy(out, running, "another sweep, or of another split,")
            own = folder / f"{shard.index}-of-{shard.count}.{sweep}.lock"
            held.enter_context(_lock(own, 0, f"another job runs shard {shard} of {out}"))
            begin(not running)
        yield moment


def _busy(out: Path, running: Sequence[_Running], whose: str) -> EnvironmentError_:
    """Says which shards hold a folder."""
    those = ", ".join(str(one.shard) for one in running)
    left = [str(soft) for one in running if (soft := locks.soft(one.path)).exists()]
    none = f" (if they are not, delete {' and '.join(left)})" if left else ""
    return EnvironmentError_(
        f"shards {those} of {whose} are writing to {out}{none}; "
        "wait for them or choose another --out"
    )


def _running(out: Path) -> list[_Running]:
    """The shards that somebody runs; of others the file is removed. The folder must be held."""
    found = []
    for path in sorted((out / ".shards").glob("*.lock*")):
        path = path.with_name(path.name.removesuffix(locks.SOFT))
        name = _NAME.fullmatch(path.name)
        if name is None:
            continue
        if locks.held(path):
            shard = Shard(int(name[1]), int(name[2]))
            found.append(_Running(shard, name[3], path))
        else:
            path.unlink(missing_ok=True)
    return sorted(set(found))


@contextmanager
def _lock(path: Path, timeout: float, told: str) -> Iterator[None]:
    """Holds the lock at `path`.

    Raises:
        EnvironmentError_: `told`, where another process holds it for longer than `timeout` seconds.
    """
    from filelock import Timeout

    try:
        lock = locks.acquire(path, timeout=timeout)
    except Timeout:
        left = locks.soft(path)
        none = f" (if there is none, delete {left})" if left.exists() else ""
        raise EnvironmentError_(f"{told}{none}; {_END}") from None
    try:
        yield
    finally:
        lock.release()

"""Workers as actors of Ray, on this machine or on a cluster."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from samplebench.bench.engines.cluster.schedule import Load, Task
from samplebench.bench.engines.cluster.worker import Answer, Gone, Place, Worker
from samplebench.bench.request import Request
from samplebench.errors import EnvironmentError_, in_one_line
from samplebench.extras import extra
from samplebench.results.cell import Cell

# Set before Ray is imported. The first keeps a cluster of one machine on its loopback: its ports
# take orders from whoever reaches them.
_ALONE = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_LONGEST = 200
# Seconds until a machine that does not answer is given up.
_REACHED = 10.0


def ray_of(address: str | None) -> Any:
    """The package.

    Raises:
        EnvironmentError_: it is not installed.
    """
    for name, value in (*_QUIET.items(), *(() if address else (_ALONE,))):
        os.environ.setdefault(name, value)
    return extra("ray", "workers of a cluster", "ray")


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Within the block Ray is there: a cluster's, or one of this machine alone.

    One that the program is connected to already is used, and stays.

    Raises:
        EnvironmentError_: Ray is not installed, or there is no cluster at that address.
    """
    ray = ray_of(address)
    if ray.is_initialized():
        yield ray
        return
    if address:
        _look(address)
    debug = logging.getLogger("samplebench").isEnabledFor(logging.DEBUG)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address or "local",
            include_dashboard=False if address is None else None,
            log_to_driver=debug,
            logging_level=logging.INFO if debug else logging.CRITICAL,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"no Ray cluster at {address}" if address else "Ray does not start on this machine"
        raise EnvironmentError_(f"{where} ({_short(error)})") from None
    # What it has to say of a lost worker goes to stdout, where results are.
    if not debug:
        ray._private.worker._worker_logs_enabled = False
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    try:
        yield ray
    finally:
        ray.shutdown()


def _look(address: str) -> None:
    """Raises `EnvironmentError_` where nobody listens: Ray would try again for minutes."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHED).close()
    except (OSError, OverflowError) as error:
        raise EnvironmentError_(f"no Ray cluster at {address} ({_short(error)})") from None


class Actors:
    """A crew of actors.

    Args:
        ray: connected.
        request: whose cells they sample.
    """

    def __init__(self, ray: Any, request: Request) -> None:
        self._ray = ray
        options, count, threads = _shares(ray, request)
        self._wanted = "GPU" if "num_gpus" in options else "CPU"
        # Started anew whenever they die. What they had to do is handed out to others meanwhile.
        remote = ray.remote(Worker).options(**options, max_restarts=-1, max_task_retries=0)
        words, place = request.asked(), Place.here()
        self._actors = {n: remote.remote(words, place, threads) for n in range(count)}
        self._asked: dict[Any, int] = {}
        for worker in self._actors:
            self._greet(worker)

    @property
    def size(self) -> int:
        return len(self._actors)

    @property
    def lack(self) -> str:
        free = self._ray.available_resources().get(self._wanted, 0)
        every = self._ray.cluster_resources().get(self._wanted, 0)
        return f"{free:g} of the cluster's {every:g} {self._wanted}s are free"

    def hand_out(self, worker: Any, task: Task, cells: Sequence[Cell]) -> None:
        """See `Crew`."""
        actor = self._actors[worker]
        if isinstance(task, Load):
            self._asked[actor.load.remote(task.model, cells)] = worker
        else:
            self._asked[actor.sample.remote(task.cell, task.index)] = worker

    def answers(self, seconds: float) -> Iterator[tuple[int, Answer]]:
        """See `Crew`."""
        if not self._asked:
            time.sleep(seconds)
            return
        ready, _ = self._ray.wait([*self._asked], num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait([*self._asked], num_returns=len(self._asked), timeout=0)
        for one in ready:
            # Of a worker that was lost a moment ago nothing counts.
            if (worker := self._asked.pop(one, None)) is not None:
                yield worker, self._answer(worker, one)

    def _answer(self, worker: int, asked: Any) -> Answer:
        errors = self._ray.exceptions
        try:
            return self._ray.get(asked)
        except errors.RayTaskError as error:
            raise error.cause or error from None
        except errors.RayError as error:
            self._asked = {ref: other for ref, other in self._asked.items() if other != worker}
            if isinstance(error, errors.ActorDiedError):
                self._actors.pop(worker, None)
                return Gone(_short(error))
            self._greet(worker)
            if isinstance(error, errors.OutOfMemoryError):
                return Gone("Ray stopped it because its machine ran out of memory")
            ended = isinstance(error, errors.RayActorError)
            return Gone("its process ended" if ended else _short(error))

    def _greet(self, worker: int) -> None:
        """Asks it to say when it is there, also where it must be started anew for that."""
        hello = self._actors[worker].hello.options(max_task_retries=-1)
        self._asked[hello.remote()] = worker

    def dismiss(self, worker: Any) -> None:
        """See `Crew`."""
        self._ray.kill(self._actors.pop(worker))
        self._asked = {ref: other for ref, other in self._asked.items() if other != worker}

    def close(self) -> None:
        """Ends all of them."""
        for worker in [*self._actors]:
            self.dismiss(worker)


def _shares(ray: Any, request: Request) -> tuple[dict[str, float], int, int]:
    """What Ray reserves for each worker, how many there are, and how many threads each has."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [node.get("CPU", 0.0) for node in nodes]
    gpus = sum(node.get("GPU", 0.0) for node in nodes)
    device = (request.device or "cuda").partition(":")[0]
    if device == "cuda" and request.device and not gpus:
        raise EnvironmentError_("the cluster has no GPU; try --device cpu")
    if device == "cuda" and gpus:
        count = request.workers or int(gpus)
        return {"num_gpus": 1, "num_cpus": 0}, count, max(1, int(sum(cores) // gpus))
    count = request.workers or len(nodes)
    share = cores_each(cores, count)
    return {"num_cpus": share}, count, max(1, int(share))


def cores_each(cores: Sequence[float], count: int) -> float:
    """The most cores that each of so many workers can have, on machines of so many."""
    for share in range(int(max(cores, default=0)), 0, -1):
        if sum(each // share for each in cores) >= count:
            return share
    return max(0.01, int(100 * sum(cores) / count) / 100)


def _short(error: BaseException) -> str:
    text = in_one_line(str(error)) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."

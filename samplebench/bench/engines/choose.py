"""The engine that a request asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from samplebench.bench.checks import AUTO, ENGINES
from samplebench.bench.engines.ranks.wire import several
from samplebench.bench.request import Request
from samplebench.errors import UsageError

if TYPE_CHECKING:
    from samplebench.bench.job import Engine


def engine_of(request: Request) -> Engine:
    """Who samples the cells of a request: this process, unless it says another.

    Raises:
        UsageError: words that have no place beside each other.
        EnvironmentError_: a package is not installed.
    """
    check_words(request)
    if request.engine == "ray":
        from samplebench.bench.engines.cluster import cluster
        from samplebench.bench.engines.cluster.actors import ray_of

        ray_of(request.address)
        return cluster
    from samplebench.bench.engines.here import here

    return here


def placed(request: Request) -> Request:
    """The request with the kind of device that its cluster has, where it names none.

    By it precisions are planned, and this machine may have another.

    Raises:
        UsageError: words that have no place beside each other.
        EnvironmentError_: Ray is not installed, or there is no cluster at the address.
    """
    check_words(request)
    if request.engine != "ray" or request.address is None or request.device is not None:
        return request
    from samplebench.bench.engines.cluster.actors import connected

    with connected(request.address) as ray:
        gpus = ray.cluster_resources().get("GPU", 0)
    return replace(request, device="cuda" if gpus else "cpu")


def _sharing(request: Request) -> str:
    """What has others compute blocks of a sweep, too; "" where nothing does."""
    if request.shard is not None:
        return "--shard"
    if request.engine != ENGINES[0]:
        return f"--engine {request.engine}"
    return "torchrun" if several() else ""


def check_words(request: Request) -> None:
    """Raises `UsageError` where a word of how a sweep runs has no place beside the others."""
    if request.batch_size == AUTO and (how := _sharing(request)):
        raise UsageError(
            f"--batch-size {AUTO} is chosen by timing one device, but {how} uses several; give a "
            "number, e.g. --batch-size 256"
        )
    if request.engine != "ray":
        for name in ("address", "workers"):
            if getattr(request, name) is not None:
                raise UsageError(f"--{name} needs --engine ray; add that, or leave it out")
        return
    if several():
        raise UsageError(
            "--engine ray starts its own processes; use either torchrun or --engine ray"
        )
    if request.shard is not None:
        raise UsageError("a cluster's workers share every cell; leave out --shard or --engine ray")
    if (request.address or "").startswith("ray://"):
        raise UsageError(
            f"--address {request.address}: a client does not share a cluster's memory; run on one "
            "of its machines and give HOST:PORT"
        )
    if ":" in (request.device or ""):
        raise UsageError(f"--device {request.device}: Ray chooses which; give cuda or cpu")
    objects = (*request.model, *request.guiding_model, *request.sampler)
    if any(not isinstance(each, str) for each in objects):
        raise UsageError(
            "--engine ray: models and samplers in memory stay in this process; name a function "
            "that makes or is it, ./file.py:function"
        )

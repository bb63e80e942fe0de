"""The engine that a request asks for."""

from __future__ import annotations

from samplebench.bench.engines.here import here
from samplebench.bench.job import Engine
from samplebench.bench.request import Request


def engine_of(request: Request) -> Engine:
    """Who samples the cells of a request: this process, unless it says another."""
    return here

"""A cache in a temporary folder, and a local server that hands out files, well or badly."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from samplebench.download.fetch import Artefact, fetch


def _sibling(name):
    """A module beside this one; the tests here import it by its name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_server, _bad_server, _ = (_sibling(name) for name in ("server", "bad_server", "bad_answers"))

# Fetches from a process of its own: url, published sha256 or "".
PROCESS = """
import sys
from samplebench.download.fetch import Artefact, fetch
print(fetch(Artefact("demo", sys.argv[1], "w.pkl", sha256=sys.argv[2] or None)))
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache; whatever the user has set is out of the way, and so is the network."""
    for name in ("MIRROR", "OFFLINE"):
        monkeypatch.delenv(f"SAMPLEBENCH_{name}", raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    look_up = socket.getaddrinfo

    def local(host, *words, **more):
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(-2, "Name or service not known")
        return look_up(host, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    return tmp_path / "cache"


@pytest.fixture
def server():
    with _server.serving() as server:
        yield server


@pytest.fixture
def another_server():
    with _server.serving() as server:
        yield server


@pytest.fixture(scope="module")
def bad_server():
    """Its behaviour is set by each test."""
    with _bad_server.bad_serving() as server:
        yield server


@pytest.fixture
def pauses():
    """The seconds `get` would have waited."""
    return []


@pytest.fixture
def get(cache, pauses):
    """`get(url, size=, sha256=)`: fetches demo/w.pkl from there, without waiting."""

    def get(url, *, offline=False, progress=False, **facts):
        artefact = Artefact("demo", url, "w.pkl", **facts)
        return fetch(artefact, offline=offline, progress=progress, sleep=pauses.append)

    return get


@pytest.fixture
def target(cache):
    """Where `get` puts the file."""
    return cache / "demo" / "w.pkl"


@pytest.fixture
def part(target):
    """Where it is until then."""
    return target.with_name("w.pkl.part")


@pytest.fixture
def start(cache):
    """`start(url, sha256)`: a process that does as `get` does."""
    started = []

    def start(url, sha256=""):
        words = [sys.executable, "-c", PROCESS, url, sha256]
        started.append(
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def wait():
    """`wait(condition)`: until it holds."""

    def wait(condition):
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    return wait

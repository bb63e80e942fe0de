"""A file in the form of the released Inception, in whose place it stands."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from samplebench.features import inception_network, inception_weights

_FILE = Path(__file__).parents[3] / "benchmarks" / "containers" / "inception.py"
_spec = importlib.util.spec_from_file_location("inception_writer", _FILE)
_writer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_writer)
random_inception, UNITS = _writer.random_inception, _writer.UNITS


@pytest.fixture(scope="module")
def tensors():
    return random_inception()


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tensors):
    """The file, and the module's facts about the released one set to this one's."""
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(tensors, path)
    assert 95_500_000 < path.stat().st_size < 95_900_000
    patch = pytest.MonkeyPatch()
    patch.setattr(inception_weights, "WEIGHTS", published(path))
    # Padding to 64 images would take most of these tests' time and change nothing in them.
    patch.setattr(inception_network, "BATCH", 2)
    patch.setenv("SAMPLEBENCH_INCEPTION", str(path))
    yield path
    patch.undo()


def published(path):
    """The released file's facts, with the size and hash of this one."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(inception_weights.WEIGHTS, size=path.stat().st_size, sha256=digest)

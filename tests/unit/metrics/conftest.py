"""torch-fidelity's functions, imported beside whatever torchvision there is."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

import pytest


class AnyTorchvision:
    """Finds a torchvision that does nothing: torch-fidelity imports it, its metrics need none."""

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.startswith("torchvision") else None

    def create_module(self, spec):
        return MagicMock(__path__=[], __spec__=spec)

    def exec_module(self, module):
        pass


@pytest.fixture
def torch_fidelity(monkeypatch):
    """`torch_fidelity("metric_fid")`: a module of it, the package imported for this test alone."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "meta_path", [AnyTorchvision(), *sys.meta_path])
    yield lambda name: importlib.import_module(f"torch_fidelity.{name}")
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("torch_fidelity", "torchvision"):
            del sys.modules[name]

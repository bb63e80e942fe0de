"""Searches of the tests take few stamps: own steps of all their pairs take seconds."""

from __future__ import annotations

import importlib

import pytest

# The package has the function by that name.
METHOD = importlib.import_module("samplebench.tune.methods.gits")


@pytest.fixture(autouse=True)
def few_stamps(monkeypatch):
    monkeypatch.setattr(METHOD, "_STAMPS", 21)
    monkeypatch.setattr(METHOD, "_STAMPS_OF_PAIRS", 13)

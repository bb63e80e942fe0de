"""A finished sweep as a results folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import samplebench


@pytest.fixture(scope="session")
def _swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "sweep"
    samplebench.run(
        model="digits-exact", sampler=["euler", "heun"], nfe=[5, 10], num_samples=40,
        metric="fd-digits", reference=["digits"], device="cpu", out=str(folder), quiet=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def swept(_swept, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(_swept, tmp_path / "sweep"))

"""From Python: a results folder that is removed during a run is not made again."""

from __future__ import annotations

import os
import shutil

import pytest

import samplebench as sb
from samplebench.errors import EnvironmentError_, UsageError


@pytest.fixture
def sampler(tmp_path):
    """`sampler(do, when)`: Euler's method that does something to the folder when it holds that."""

    def made(do, when="cells/*.partial.*"):
        def vanishing(model, x, grid, *, noise=None, callback=None):
            if [*tmp_path.glob(f"sweep/{when}")]:
                do(tmp_path / "sweep")
            for high, low in zip(grid.tolist()[:-1], grid.tolist()[1:], strict=True):
                x = x + (low - high) * (x - model(x, high)) / high
            return x

        return vanishing

    return made


def run(sampler, folder):
    return sb.run(sampler=sampler, nfe=4, num_samples=64, batch_size=16, out=folder, quiet=True)


def test_it_is_said_and_not_made_again(sampler, tmp_path):
    with pytest.raises(EnvironmentError_, match="sweep was removed, renamed or replaced during"):
        run(sampler(shutil.rmtree), tmp_path / "sweep")
    assert [*tmp_path.iterdir()] == []


def test_it_does_not_hide_what_stopped_the_run(sampler, tmp_path):
    def fail(folder):
        shutil.rmtree(folder)
        raise UsageError("the sampler's own words")

    with pytest.raises(UsageError, match="the sampler's own words"):
        run(sampler(fail, "requests/*.json"), tmp_path / "sweep")
    assert [*tmp_path.iterdir()] == []


def test_in_the_midst_of_a_look(tmp_path, monkeypatch):
    """It goes while its content is listed, which then fails as a look at any folder does."""
    from samplebench.results.store import Store

    def late(self, cell):
        shutil.rmtree(tmp_path / "sweep")
        os.scandir(tmp_path / "sweep" / "cells")

    monkeypatch.setattr(Store, "drop_partial", late)
    with pytest.raises(EnvironmentError_, match="sweep was removed, renamed or replaced during"):
        run("euler", tmp_path / "sweep")
    assert [*tmp_path.iterdir()] == []


def test_after_the_last_block(sampler, tmp_path, monkeypatch):
    """Also where nothing is left but the report."""
    from samplebench import report

    def late(view, out):
        shutil.rmtree(out)
        return write(view, out)

    write = report.write_report
    monkeypatch.setattr(report, "write_report", late)
    with pytest.raises(EnvironmentError_, match="sweep was removed, renamed or replaced during"):
        run("euler", tmp_path / "sweep")
    assert [*tmp_path.iterdir()] == []

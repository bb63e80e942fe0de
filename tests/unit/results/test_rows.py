"""Rows of a cell under way: written at their place, and never zeros where they are gone."""

from __future__ import annotations

import os

import numpy as np
import pytest

from samplebench.errors import EnvironmentError_, InputError
from samplebench.results.rows import RowsFile


@pytest.fixture
def rows(tmp_path):
    found = RowsFile(tmp_path / "rows", (3,), np.float32)
    found.write(0, np.arange(6).reshape(2, 3))
    return found


def test_blocks_are_written_at_their_place(rows):
    rows.write(2, np.full((1, 3), 9))
    assert rows.mapped(3).tolist() == [[0, 1, 2], [3, 4, 5], [9, 9, 9]]
    assert rows.holds(3, rows.crc) and not rows.holds(2, rows.crc)


def test_a_folder_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        RowsFile(tmp_path / "gone" / "rows", (3,), np.float32).write(0, np.ones((1, 3)))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("gone", [os.unlink, lambda path: os.truncate(path, 9)])
def test_rows_that_are_gone_are_no_zeros(rows, gone):
    gone(rows.path)
    for use in (lambda: rows.write(2, np.ones((1, 3))), lambda: rows.mapped(2)):
        with pytest.raises(EnvironmentError_, match="was removed or cut off during the run; the"):
            use()
    assert not rows.holds(2, rows.crc)


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
def test_a_pipe_is_not_opened(rows):
    rows.path.unlink()
    os.mkfifo(rows.path)
    for use in (
        lambda: rows.write(2, np.ones((1, 3))),
        lambda: rows.holds(2, rows.crc),
        lambda: rows.mapped(2),
        rows.sync,
    ):
        with pytest.raises(InputError, match="is a pipe, not a file; move it away"):
            use()

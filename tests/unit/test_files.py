"""A reader never sees half a file."""

from __future__ import annotations

import pytest

from samplebench.files import atomic


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("before", [None, "old"])
def test_an_error_leaves_things_as_they_were(tmp_path, before):
    path = tmp_path / "file.txt"
    if before:
        path.write_text(before)
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("half of it")
        _ = 1 / 0
    assert [p.read_text() for p in tmp_path.iterdir()] == ([before] if before else [])

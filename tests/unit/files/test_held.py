"""A folder that is taken away while it is written to is not made again."""

from __future__ import annotations

import pytest

from samplebench.errors import EnvironmentError_
from samplebench.files.atomic import atomic, write_atomic
from samplebench.files.held import check, held


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "sweep"
    (path / "cells").mkdir(parents=True)
    return path


def renamed(folder):
    folder.rename(folder.with_name("elsewhere"))


def replaced(folder):
    (folder / "cells").rmdir()
    folder.rmdir()
    # A file system gives the number of the one that is gone to the next.
    (folder / "cells").mkdir(parents=True)


def a_file(folder):
    renamed(folder)
    folder.write_text("x")


def linked(folder):
    other = folder.with_name("other")
    other.mkdir()
    renamed(folder)
    folder.symlink_to(other)


@pytest.mark.parametrize("gone", [renamed, replaced, a_file, linked])
@pytest.mark.parametrize("name", ["file.txt", "cells/file.txt", "figures/file.txt"])
def test_nothing_is_written(folder, gone, name):
    with held([folder]):
        write_atomic(folder / name, b"before")
        (folder / name).unlink()
        if name.startswith("figures"):
            (folder / "figures").rmdir()
        gone(folder)
        before = sorted(folder.parent.rglob("*"))
        with pytest.raises(EnvironmentError_) as caught:
            write_atomic(folder / name, b"after")
        assert str(caught.value).startswith(
            f"{folder} was removed, renamed or replaced during the run, so its results are "
        )
        assert sorted(folder.parent.rglob("*")) == before


def test_a_sub_folder_is_named_itself(folder):
    with held([folder, folder / "cells"]):
        (folder / "cells").rmdir()
        write_atomic(folder / "file.txt", b"")
        with pytest.raises(EnvironmentError_, match=f"^{folder / 'cells'} was removed"):
            write_atomic(folder / "cells" / "file.txt", b"")
        assert not (folder / "cells").exists()


def test_one_that_goes_while_a_file_is_written(folder):
    with held([folder]), pytest.raises(EnvironmentError_, match="was removed, renamed"):
        with atomic(folder / "file.txt") as temporary:
            temporary.write_text("half")
            renamed(folder)
    assert not folder.exists()


def test_others_are_not_looked_at(folder, tmp_path):
    with held([folder]):
        renamed(folder)
        write_atomic(tmp_path / "sweep-2" / "file.txt", b"")
        with pytest.raises(EnvironmentError_):
            check(folder)
    check(folder)
    write_atomic(folder / "file.txt", b"")


def test_moved_away_and_back(folder):
    with held([folder]):
        renamed(folder)
        folder.with_name("elsewhere").rename(folder)
        write_atomic(folder / "file.txt", b"")

"""Files that live as long as some work does, in the folder of TMPDIR."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samplebench.errors import EnvironmentError_


def no_room(what: str, error: OSError) -> EnvironmentError_:
    """That the folder of temporary files takes no more, or that there is none.

    Args:
        what: was to be written, e.g. "12.0 MB of features".
    """
    where = tempfile.tempdir or "the folder of temporary files"
    return EnvironmentError_(
        f"{where} has no room for {what} ({error.strerror or error}); set TMPDIR to another folder"
    )


@contextmanager
def scratch(what: str) -> Iterator[Path]:
    """A folder that is gone after the block.

    Args:
        what: is written there, for messages.

    Raises:
        EnvironmentError_: there is no room for it.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="samplebench-") as folder:
            yield Path(folder)
    except OSError as error:
        raise no_room(what, error) from error

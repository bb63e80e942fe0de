"""Several processes that torchrun has started share a sweep.

Each block is computed by one of them and folded by rank 0 in the order of the blocks, so the bits
are those of one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from samplebench.bench.engines.ranks.wire import Gloo, several

if TYPE_CHECKING:
    from samplebench.bench.engines.ranks.helper import Helper
    from samplebench.bench.engines.ranks.leader import Leader


@contextmanager
def joined() -> Iterator[Leader | Helper | None]:
    """Within the block this process is one rank of several; None where it is alone.

    Raises:
        Told: on another rank than the first, whatever went wrong, where rank 0 tells it.
        EnvironmentError_: the others are not there, or gone.
    """
    if not several():
        yield None
        return
    link = Gloo()
    if link.rank == 0:
        from samplebench.bench.engines.ranks.leader import Leader

        leader = Leader(link)
        try:
            yield leader
        except BaseException as error:
            leader.end(error)
            raise
        leader.end(None)
        return
    from samplebench.bench.engines.ranks.helper import Helper

    helper = Helper(link)
    try:
        yield helper
    except BaseException as error:
        helper.leave(error)
        raise
    helper.leave(None)

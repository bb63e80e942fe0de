"""Any rank but the first: computes its share of the blocks, and touches no file of the results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from samplebench.bench.cell import computed
from samplebench.bench.conditions import setting_of
from samplebench.bench.engines.failure import Failure
from samplebench.bench.engines.here import load_bench
from samplebench.bench.engines.ranks.device import own_device
from samplebench.bench.engines.ranks.wire import Link, Peer, PeerLost, Told
from samplebench.bench.engines.ranks.words import (
    Bye,
    End,
    Fetched,
    Folded,
    Halt,
    Made,
    Planned,
    Share,
    last,
    places,
)
from samplebench.bench.engines.same import differing
from samplebench.bench.plan import Plan
from samplebench.bench.provenance import partial_stamp
from samplebench.bench.ready import ready
from samplebench.bench.run import plan_device
from samplebench.bench.stop import Stop
from samplebench.errors import EnvironmentError_
from samplebench.results.cell import Cell
from samplebench.results.record import Conditions

# Blocks of a rank that rank 0 has not folded yet: more wait for it.
AHEAD = 4
# Seconds: for the last words; between two looks for a signal.
END, LOOK = 20.0, 0.2


class _Over(Exception):
    """Nothing more is wanted from here."""


class Helper:
    """A rank that computes blocks for rank 0.

    Attributes:
        rank: of this process, 1 or more.
        outcome: of rank 0, once all is done.
    """

    def __init__(self, link: Link) -> None:
        self.rank, self._world = link.rank, link.world
        self.outcome: Any = None
        self._news = threading.Condition()
        self._fetched = self._halted = self._lost = False
        self._sweep: Planned | None = None
        self._shares: dict[str, Share] = {}
        self._sent = self._folded = 0
        self._end: End | None = None
        # A signal comes twice, from the terminal and from torchrun: it is noted until all is said.
        self._ears = ExitStack()
        self._line = Peer(link, 0, self._heard, last)

    def assist(self, plan: Plan) -> None:
        """Computes its share of a plan.

        Raises:
            Interrupted: this process is to stop.
            SamplebenchError: what rank 0 would raise of its own share; or its plan is another one.
        """
        stop = self._ears.enter_context(Stop(once=False).listening())
        with suppress(_Over):
            self._wait(lambda: self._fetched, stop)
            plan = ready(plan, quiet=True)
            self._wait(lambda: self._sweep is not None, stop)
            assert self._sweep is not None
            check_equal(plan, self._sweep.cells, self.rank)
            for name, hashes in self._sweep.sampled.items():
                self._sample(plan, name, [plan.cells[each] for each in hashes], stop)

    def leave(self, error: BaseException | None) -> None:
        """Says that nothing more comes from here, and takes what rank 0 has made of it all.

        Raises:
            Told: the run has ended with an error, here or elsewhere.
            EnvironmentError_: rank 0 is gone.
        """
        self._line.say(Bye(None if error is None else Failure.of(error)))
        with self._ears, suppress(_Over):
            self._wait(lambda: False)
        if self._end is None:
            raise EnvironmentError_(
                "rank 0 ended unexpectedly, so this rank stops; the same command resumes"
            )
        self._line.close(END)
        if self._end.failure is not None:
            raise Told(self._end.failure) from error
        self.outcome = self._end.outcome

    def _sample(self, plan: Plan, name: str, cells: Sequence[Cell], stop: Stop) -> None:
        """Computes its share of a model's blocks."""
        device = own_device(plan_device(plan), plan.sources[name].checkpoint.model)
        bench = load_bench(plan, name, cells, device)
        settings = [setting_of(bench.model, cell.conditions) for cell in cells]
        self._wait(lambda: name in self._shares, stop)
        share = self._shares[name]
        if (stamp := partial_stamp(bench.model)) != share.stamp:
            raise EnvironmentError_(
                f"rank {self.rank} computes with {stamp} and rank 0 with {share.stamp}: their "
                "blocks differ; run on machines of one kind"
            )
        for place, (number, index) in enumerate(places(cells, share.starts)):
            if place % self._world != self.rank:
                continue
            self._wait(lambda: self._sent - self._folded < AHEAD, stop)
            block = computed(bench, settings[number], cells[number].conditions, index)
            self._line.say(Made(place, block, tuple(bench.changes())))
            self._sent += 1

    def _wait(self, done: Callable[[], bool], stop: Stop | None = None) -> None:
        """Waits until something holds.

        Raises:
            _Over: rank 0 wants nothing more.
            Interrupted: this process is to stop.
        """
        with self._news:
            while True:
                if self._lost or self._end is not None or (stop is not None and self._halted):
                    raise _Over
                if stop is not None:
                    stop.check()
                if done():
                    return
                self._news.wait(LOOK)

    def _heard(self, peer: int, message: Any) -> None:
        with self._news:
            match message:
                case Fetched():
                    self._fetched = True
                case Planned():
                    self._sweep = message
                case Share():
                    self._shares[message.model] = message
                case Folded():
                    self._folded += 1
                case Halt():
                    self._halted = True
                case End():
                    self._end = message
                case PeerLost():
                    self._lost = True
            self._news.notify_all()


def check_equal(plan: Plan, cells: Mapping[str, Conditions], rank: int) -> None:
    """Compares a rank's plan with that of rank 0.

    Args:
        cells: of rank 0.

    Raises:
        EnvironmentError_: they differ; which of the conditions does.
    """
    own = {name: cell.conditions for name, cell in plan.cells.items()}
    if own.keys() == cells.keys():
        return
    nothing = Conditions()
    one = next((c for name, c in own.items() if name not in cells), nothing)
    other = next((c for name, c in cells.items() if name not in own), nothing)
    differ = sorted(differing(one, other))
    raise EnvironmentError_(
        f"rank {rank} plans different cells than rank 0: their {', '.join(differ)} differ; give "
        "all ranks the same options, files, code and versions"
    )

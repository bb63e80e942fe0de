"""Several ranks end with the bits of one process, or with one line."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.api import sweep as swept
from samplebench.bench import plan as planning
from samplebench.bench.engines.choose import placed
from samplebench.bench.engines.failure import Failure
from samplebench.bench.engines.ranks import helper, wire
from samplebench.bench.engines.ranks.device import own_device
from samplebench.bench.engines.ranks.helper import Helper, check_equal
from samplebench.bench.engines.ranks.leader import Leader
from samplebench.bench.engines.ranks.meeting import meet
from samplebench.bench.engines.ranks.wire import Peer, PeerLost, Told, several
from samplebench.bench.engines.ranks.words import Bye, End, Folded, Halt, Made, last, places
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.bench.stop import Interrupted
from samplebench.errors import EnvironmentError_, InputError, OutOfBudget, UsageError
from tests.unit.bench.engines.company import ENDED, TOLD, Pipes, assist, company
from tests.unit.bench.folders import content, sweep

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a process with torch in it may not be forked"
)

# Two cells of four blocks, the last one half a block.
WORDS = {
    "model": "digits-exact", "sampler": "edm", "param": "edm.S_churn=5", "nfe": [3, 5],
    "num_samples": 56, "batch_size": 16, "keep": "images",
}  # fmt: skip
BROKEN = """
import os, samplebench as sb, torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, t):
        # No part of the model, which must not change.
        os.environ["CALLED"] = str(int(os.environ.get("CALLED", "0")) + 1)
        if os.getpid() != HERE and int(os.environ["CALLED"]) > CALLS:
            FAULT
        return 0.1 * self.weight * x

def make():
    return sb.wrap(Net().eval(), predicts="eps", process="vp", shape=(1, 8, 8), name="broken")
"""


@pytest.fixture(autouse=True)
def unreported(monkeypatch):
    """Figures take longer than all else here."""
    monkeypatch.setattr("samplebench.report.write_report", lambda view, out: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one process leaves."""
    out = tmp_path_factory.mktemp("whole") / "out"
    sweep(out, **WORDS)
    return content(out)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """`broken(fault, calls)`: words of a network that does something on other ranks only."""

    def words(fault, calls=34):
        monkeypatch.setenv("CALLED", "0")
        text = BROKEN.replace("HERE", str(os.getpid())).replace("CALLS", str(calls))
        (tmp_path / "net.py").write_text(text.replace("FAULT", fault))
        return {
            "model": f"{tmp_path}/net.py:make", "sampler": "euler", "nfe": 4, "num_samples": 300,
            "batch_size": 10, "metric": "fd-digits", "reference": "digits",
        }  # fmt: skip

    return words


def led(out, leader, words, progress=None):
    """What rank 0 does."""
    plan = planning.make(Request.of(**words, out=str(out)))
    try:
        view = swept(plan, progress or Progress(quiet=True), leader)
    except BaseException as error:
        leader.end(error)
        raise
    leader.end(None)
    return view


@pytest.mark.parametrize("world", [2, 5])
def test_the_bits_of_one_process(whole, tmp_path, world):
    with company(world, WORDS) as (leader, _, ended):
        view = led(tmp_path / "out", leader, WORDS)
        assert ended() == [ENDED] * (world - 1)
    assert [row["nfe"] for row in view.rows] == [3, 5]
    assert content(tmp_path / "out") == whole


def test_a_finished_sweep_asks_nobody(whole, tmp_path):
    for _ in range(2):
        with company(2, WORDS) as (leader, _, ended):
            led(tmp_path / "out", leader, WORDS)
            assert ended() == [ENDED]
    assert content(tmp_path / "out") == whole


def test_an_error_of_a_network_on_another_rank(broken, tmp_path):
    words = broken('raise ValueError("no")')
    with company(3, words) as (leader, _, ended):
        with pytest.raises(UsageError, match=r"^the network of broken failed \(ValueError: no\)"):
            led(tmp_path / "out", leader, words)
        assert ended() == [TOLD, TOLD]
    # What was whole is there, and one process goes on from it.
    assert [*(tmp_path / "out" / "cells").glob("*.partial.npz")]
    sweep(tmp_path / "out", **words)
    sweep(tmp_path / "one", **words)
    assert content(tmp_path / "out") == content(tmp_path / "one")


def test_a_rank_that_is_killed(broken, tmp_path):
    words = broken("os.kill(os.getpid(), 9)")
    with company(2, words) as (leader, _, ended):
        with pytest.raises(EnvironmentError_, match=r"^rank 1 ended unexpectedly; the same"):
            led(tmp_path / "out", leader, words)
        assert ended() == [-signal.SIGKILL]
    (half,) = (tmp_path / "out" / "cells").glob("*.partial.npz")
    with np.load(half) as state:
        assert int(state["counts"][0]) > 0

    def whole(link, words):
        os.environ["CALLED"] = "-1000"
        return assist(link, words)

    with company(2, words, whole) as (leader, _, ended):
        led(tmp_path / "out", leader, words)
        assert ended() == [ENDED]
    sweep(tmp_path / "one", **words)
    assert content(tmp_path / "out") == content(tmp_path / "one")


def test_rank_0_that_is_gone_ends_the_others(tmp_path, capfd):
    def work(link, words):
        try:
            return assist(link, words)
        except EnvironmentError_ as error:
            assert str(error).startswith("rank 0 ended unexpectedly, so this rank stops")
            return 7

    with company(2, WORDS, work) as (leader, _, ended):
        leader.fetched()
        leader._lines[1]._link.close()
        assert ended() == [7]


@pytest.mark.parametrize("whose", [0, 1])
def test_a_signal_keeps_every_block_under_way(whole, tmp_path, whose):
    class Loud(Progress):
        """Sends it as the second block is folded."""

        folded = 0

        def advance(self, samples):
            super().advance(samples)
            self.folded += 1
            if self.folded == 2:
                os.kill(os.getpid() if whose == 0 else children[0], signal.SIGTERM)

    words = {**WORDS, "nfe": 5, "num_samples": 300}
    with company(2, words) as (leader, children, ended):
        with pytest.raises(Interrupted) as stopped:
            led(tmp_path / "out", leader, words, Loud(quiet=True))
        assert stopped.value.exit_code == 128 + signal.SIGTERM
        assert ended() == [TOLD]
    assert [*(tmp_path / "out" / "cells").glob("*.partial.npz")]
    sweep(tmp_path / "out", **words)
    sweep(tmp_path / "one", **words)
    assert content(tmp_path / "out") == content(tmp_path / "one")


def test_a_rank_of_another_plan(tmp_path):
    other = lambda link, words: assist(link, {**words, "seed": 1, "nfe": 3})  # noqa: E731
    with company(2, {**WORDS, "nfe": 3}, other) as (leader, _, ended):
        told = "^rank 1 plans different cells than rank 0: their seed differ"
        with pytest.raises(EnvironmentError_, match=told):
            led(tmp_path / "out", leader, {**WORDS, "nfe": 3})
        assert ended() == [TOLD]


def test_a_rank_of_other_hardware(tmp_path):
    def elsewhere(link, words):
        helper.partial_stamp = lambda model: "an abacus"
        return assist(link, words)

    words = {**WORDS, "nfe": 3}
    with company(2, words, elsewhere) as (leader, _, ended):
        with pytest.raises(EnvironmentError_, match=r"^rank 1 computes with an abacus and rank"):
            led(tmp_path / "out", leader, words)
        assert ended() == [TOLD]


@pytest.mark.parametrize(
    ("asked", "local", "own"),
    [("cuda", 1, "cuda:1"), ("cuda:0", 1, "cuda:0"), ("cpu", 5, "cpu"), ("cuda", 2, None)],
)
def test_each_rank_has_a_gpu_of_its_own(monkeypatch, asked, local, own):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", str(local))
    if own is None:
        with pytest.raises(EnvironmentError_, match=r"has 2 GPUs; give --nproc-per-node 2"):
            own_device(torch.device(asked))
        return
    assert own_device(torch.device(asked)) == torch.device(own)
    assert chosen == ([torch.device(own)] if own != asked else [])


def test_what_differs_between_plans_is_named():
    plan = planning.make(Request.of(model="digits-exact", sampler="heun", nfe=5))
    cells = {name: cell.conditions for name, cell in plan.cells.items()}
    check_equal(plan, cells, 1)
    ((name, conditions),) = cells.items()
    changed = {**conditions, "block": 7, "checkpoint_sha256": "0" * 64}
    with pytest.raises(EnvironmentError_, match="their block, checkpoint_sha256 differ"):
        check_equal(plan, {name[::-1]: changed}, 1)


def test_a_rank_runs_ahead_so_far_and_no_further(tmp_path):
    """Rank 0 folds nothing, and the other one waits."""
    words = {**WORDS, "nfe": 3, "num_samples": 16 * 40}
    made = []

    class Deaf(Leader):
        def _hear(self, peer, message):
            if isinstance(message, Made):
                made.append(message.place)
            else:
                super()._hear(peer, message)

        def _own_share(self, job, bench, cells, starts):
            end = time.monotonic() + 20
            while len(made) < helper.AHEAD and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(0.3)
            job.stop.signal = 15
            job.stop.check()

    with company(2, words) as (leader, _, ended):
        leader.__class__ = Deaf
        with pytest.raises(Interrupted):
            led(tmp_path / "out", leader, words)
        assert ended() == [TOLD]
    assert made == [2 * k + 1 for k in range(helper.AHEAD)]


class TestPeer:
    def test_who_is_alive_says_so(self, monkeypatch):
        monkeypatch.setattr(wire, "BEAT", 0.02)
        sent, heard, closed = [], [], threading.Event()

        class Link:
            rank, world = 1, 2

            def send(self, to, data):
                sent.append(data)

            def receive(self, sender):
                closed.wait(20)
                raise PeerLost("closed")

        line = Peer(Link(), 0, lambda peer, message: heard.append((peer, message)), last)
        line.say(Folded())
        while len(sent) < 4:
            time.sleep(0.01)
        line.say(Bye(None))
        closed.set()
        line.close(20)
        assert sent[:1] == [pickle.dumps(Folded(), protocol=pickle.HIGHEST_PROTOCOL)]
        assert b"" in sent and pickle.loads(sent[-1]) == Bye(None)
        ((peer, lost),) = heard
        assert peer == 0 and isinstance(lost, PeerLost)

    def test_signs_of_life_are_no_messages(self):
        data, heard = [b"", pickle.dumps(Halt()), b"", pickle.dumps(Bye(None))], []

        class Link:
            rank, world = 0, 2

            def send(self, to, data):
                pass

            def receive(self, sender):
                return data.pop(0)

        line = Peer(Link(), 1, lambda peer, message: heard.append(message), last)
        line.say(End(None, None))
        line.close(20)
        assert heard == [Halt(), Bye(None)] and data == []

    @pytest.mark.parametrize("whose", ["receive", "loads", "send", "dumps"])
    def test_no_failure_leaves_anybody_waiting(self, whose):
        """Of a link in another way than by `PeerLost`, or of a message that cannot be read."""
        heard, told, closed = [], threading.Event(), threading.Event()

        class Link:
            rank, world = 0, 2

            def send(self, to, data):
                if whose == "send":
                    raise ConnectionResetError("reset")

            def receive(self, sender):
                if whose == "receive":
                    raise ConnectionResetError("reset")
                if whose == "loads":
                    return b"no pickle"
                closed.wait(20)
                raise PeerLost("closed")

        def hear(peer, message):
            heard.append((peer, type(message)))
            told.set()

        line = Peer(Link(), 1, hear, last)
        if whose in ("send", "dumps"):
            line.say(End(threading.Lock() if whose == "dumps" else None, None))
        assert told.wait(20) and heard == [(1, PeerLost)]
        closed.set()

    def test_pipes_end_as_their_peer_does(self):
        with company(2, {}, lambda link, words: 5) as (leader, _, ended):
            assert ended() == [5]
            end = time.monotonic() + 20
            while leader._error is None and time.monotonic() < end:
                time.sleep(0.01)
            assert isinstance(leader._error, EnvironmentError_)
        assert Pipes(0, 1, {}).world == 1


class TestMeeting:
    class Board:
        """A store of torch's, in short."""

        def __init__(self, left=()):
            self.values = dict(left)

        def set(self, key, value):
            self.values[key] = value.encode()

        def get(self, key):
            return self.values[key]

        def check(self, keys):
            return all(key in self.values for key in keys)

    def meet(self, board, order):
        found = {}
        threads = []
        for rank in order:
            ask = lambda rank=rank: found.update({rank: meet(board, rank, 3, 20)})  # noqa: E731
            threads.append(threading.Thread(target=ask))
            threads[-1].start()
            time.sleep(0.06)
        for thread in threads:
            thread.join(20)
        return found

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_all_of_one_start_share_a_word_that_no_other_start_has(self, order):
        board, words = self.Board(), set()
        for _ in range(3):
            found = self.meet(board, order)
            assert sorted(found) == [0, 1, 2] and len({*found.values()}) == 1
            words |= {*found.values()}
        assert len(words) == 3

    def test_nobody_waits_for_ever(self):
        with pytest.raises(TimeoutError, match="not all 3 processes have connected"):
            meet(self.Board(), 1, 3, 0.1)


@pytest.mark.parametrize(
    "error",
    [UsageError("a"), InputError("b"), EnvironmentError_("c"), Interrupted(15), Interrupted(2)],
)
def test_an_error_is_the_same_elsewhere(error):
    found = Failure.of(error).error()
    assert type(found) is type(error) and str(found) == str(error)


def test_other_errors_keep_what_they_say():
    budget = OutOfBudget("heun", 1, "too small", "it needs 2")
    found = Failure.of(budget).error()
    assert type(found) is UsageError and str(found) == str(budget)
    assert str(Failure.of(ZeroDivisionError("x")).error()) == "ZeroDivisionError: x"
    assert Failure.of(KeyboardInterrupt()).error().exit_code == 130


def test_a_program_sees_the_same_error_on_all_ranks(monkeypatch):
    """So that it takes the same way where it goes on after one."""

    @contextmanager
    def joined():
        raise Told(Failure.of(InputError("no such file")))
        yield

    monkeypatch.setattr("samplebench.api.joined", joined)
    with pytest.raises(InputError, match=r"^no such file$"):
        sb.run(model="digits-exact")


def test_a_signal_comes_while_the_report_is_written(tmp_path, monkeypatch):
    """torchrun sends it to all others when one has ended."""
    written = []

    def write_report(view, out):
        os.kill(os.getpid(), signal.SIGTERM)
        written.append(out)

    monkeypatch.setattr("samplebench.report.write_report", write_report)
    with company(2, WORDS) as (leader, _, ended):
        led(tmp_path / "out", leader, WORDS)
        assert ended() == [ENDED] and written == [tmp_path / "out"]


def test_a_second_signal_is_noted_by_other_ranks(tmp_path):
    """The terminal and torchrun send one each."""

    def twice(link, words):
        helper = Helper(link)
        try:
            try:
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
                helper.assist(planning.make(Request.of(**words)))
            except BaseException as error:
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
                time.sleep(0.6)
                helper.leave(error)
                raise
        except Told as told:
            return TOLD if told.failure.signal == signal.SIGINT else 7
        return 8

    with company(2, WORDS, twice) as (leader, _, ended):
        # Nothing is planned for it: it waits, and is told to stop.
        end = time.monotonic() + 20
        while not leader._left and time.monotonic() < end:
            time.sleep(0.01)
        leader.end(Interrupted(signal.SIGINT))
        assert ended() == [TOLD]


@pytest.mark.parametrize("starts", [[0, 0], [2, 1], [4, 0], [4, 4]])
def test_places_are_the_missing_blocks_in_their_order(starts):
    plan = planning.make(Request.of(**WORDS))
    found = [*places([*plan.cells.values()], starts)]
    assert found == [(n, i) for n, start in enumerate(starts) for i in range(start, 4)]


def test_a_cluster_under_torchrun_is_refused(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost",
                        "MASTER_PORT": "29500"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=r"^--engine ray starts its own processes; use either"):
        placed(Request.of(engine="ray"))


@pytest.mark.parametrize(
    ("size", "address", "found"),
    [("2", "localhost", True), ("1", "localhost", False), ("2", "", False), ("x", "a", False)],
)
def test_who_is_one_of_several(monkeypatch, size, address, found):
    for name, value in {"RANK": "0", "WORLD_SIZE": size, "MASTER_ADDR": address,
                        "MASTER_PORT": "29500"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert several() is found

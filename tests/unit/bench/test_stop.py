"""A signal asks once, and insists the second time."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from samplebench.bench.stop import Interrupted, Stop, Stopped, unwinding
from samplebench.files.atomic import atomic


@pytest.fixture
def restored():
    """As a process starts, whatever the tests were started by."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_raised_at_the_next_check(number):
    before = signal.getsignal(number)
    with Stop().listening() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        assert stop.requested
        with pytest.raises(Interrupted) as caught:
            stop.check()
    assert caught.value.exit_code == 128 + number
    assert str(caught.value) == number.name
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_acts_at_once():
    with pytest.raises(KeyboardInterrupt), Stop().listening():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second signal was swallowed")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


posix = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")


@posix
def test_a_closed_terminal_stops_a_run_in_order(restored):
    with Stop().listening() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Interrupted) as caught:
            stop.check()
    assert caught.value.exit_code == 129


@posix
def test_what_nohup_ignores_stays_ignored(restored):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with unwinding(), Stop().listening() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        stop.check()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_where_nobody_listens_a_signal_unwinds(restored, tmp_path, name):
    """A file that is half-written is gone, and the handlers are as they were."""
    number = getattr(signal, name)
    with pytest.raises(Stopped) as caught, unwinding(), atomic(tmp_path / "file") as half:
        half.write_text("half of it")
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was swallowed")
    assert (str(caught.value), caught.value.exit_code) == (name, 128 + number)
    assert not isinstance(caught.value, Interrupted)
    assert [*tmp_path.iterdir()] == []
    assert signal.getsignal(number) == signal.SIG_DFL


def test_in_another_thread_its_owner_handles_signals():
    done = []

    def work():
        with unwinding():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


@posix
def test_the_command_line_says_what_stopped_it(restored, monkeypatch, capsys):
    """Within a command that keeps nothing: no promise that it goes on."""
    from samplebench.cli import main, published

    monkeypatch.setattr(published, "main", lambda args: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["published"]) == 143
    assert capsys.readouterr() == ("", "stopped by SIGTERM\n")

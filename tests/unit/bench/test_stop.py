"""A signal asks once, and insists the second time."""

from __future__ import annotations

import os
import signal

import pytest

from samplebench.bench.stop import Interrupted, Stop


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

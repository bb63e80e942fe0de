"""How long a sweep will take, and the stop before days are spent by accident."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import torch

from samplebench.bench.estimate import check, evaluations, said, seconds_per_block
from samplebench.errors import UsageError


def cell(nfe, num_samples, block=64):
    return SimpleNamespace(nfe=nfe, conditions={"num_samples": num_samples, "block": block})


def test_whole_blocks_are_counted():
    assert evaluations([cell(10, 65)]) == 20
    assert evaluations([cell(10, 64), cell(35, 50_000)]) == 10 + 35 * 782


def test_an_estimate_in_words(monkeypatch):
    from samplebench.bench import estimate as room

    monkeypatch.setattr(room, "seconds_per_block", lambda model, block: 36.0)
    assert room.estimate(None, [cell(10, 64), cell(19, 64)], False) is None
    words = room.estimate(None, [cell(100, 64), cell(200, 64)], False)
    assert words == "about 3.0 h in all, 2.0 h for the longest cell"
    with pytest.raises(UsageError, match="more than 24 h"):
        room.estimate(None, [cell(35, 50_000)], False)
    assert "h in all" in room.estimate(None, [cell(35, 50_000)], True)


def test_a_day_is_the_limit():
    check(24, 50_000, allowed=False)
    check(1000, 50_000, allowed=True)
    with pytest.raises(UsageError, match=r"about 240\.0 h here.*--yes.*--num-samples 5000 \(about"):
        check(240, 50_000, allowed=False)
    with pytest.raises(UsageError, match=r"add --yes to start it anyway$"):
        check(240, 100, allowed=False)


@pytest.mark.parametrize(
    ("total", "words"), [(0.001, "4 s"), (0.25, "15 min"), (3.44, "3.4 h"), (1200, "1,200.0 h")]
)
def test_hours_in_words(total, words):
    assert said(total) == words


def test_an_evaluation_is_timed_without_its_warm_up():
    calls = []

    def slow(x, sigma, labels=None):
        assert x.shape == (4, 1, 2, 2) and labels is None
        calls.append(sigma)
        time.sleep(0.2 if len(calls) == 1 else 0.01)
        return x

    slow.shape, slow.state_dtype, slow.device = (1, 2, 2), torch.float64, torch.device("cpu")
    slow.sigma_min, slow.sigma_max, slow.num_classes, slow.threads = 0.002, 80.0, 0, None
    assert 0.01 <= seconds_per_block(slow, 4) < 0.2
    assert len(calls) == 4

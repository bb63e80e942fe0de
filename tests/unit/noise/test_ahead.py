"""Noise drawn ahead by a thread: the same numbers, never more draws than are planned."""

from __future__ import annotations

import threading

import pytest
import torch

import samplebench as sb
from samplebench.noise import ahead
from samplebench.noise.ahead import drawn_ahead
from samplebench.noise.streams import NvlabsNoise, PortableNoise

SHAPE = (3, 4, 5)


def streams(seeds=range(6), dtype=torch.float64):
    """A stream, and the same once more, both started."""
    plain, stream = (PortableNoise(seeds, "cpu", dtype) for _ in range(2))
    stream.start(SHAPE, 0)
    return plain, stream, plain.start(SHAPE, 0)[0]


@pytest.mark.parametrize("planned", [1, 3, 5, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_those_drawn_in_line(planned, dtype):
    plain, stream, x = streams(dtype=dtype)
    with drawn_ahead(stream, SHAPE, planned) as source:
        for _ in range(5):
            assert torch.equal(source(x), plain(x))
    assert stream.draw == 5


def test_other_shapes_and_precisions_are_drawn_as_in_line():
    plain, stream, x = streams()
    asked = [x, x[:, :1], x[:, :1], x.float(), x[:, 0], x, x.half()]
    with drawn_ahead(stream, SHAPE, len(asked)) as source:
        for like in asked:
            found, wanted = source(like), plain(like)
            assert found.dtype == like.dtype and torch.equal(found, wanted)


def test_no_more_is_drawn_than_is_planned(monkeypatch):
    _, stream, x = streams()
    drawn, made = [], PortableNoise.made

    def counted(self, shape, draw):
        drawn.append((draw, threading.current_thread().name.split("_")[0]))
        return made(self, shape, draw)

    monkeypatch.setattr(PortableNoise, "made", counted)
    with drawn_ahead(stream, SHAPE, 3) as source:
        for _ in range(4):
            source(x)
    assert drawn == [(1, "noise"), (2, "noise"), (3, "noise"), (4, "MainThread")]


@pytest.mark.parametrize("source", [None, torch.randn_like, NvlabsNoise([1], "cpu", torch.float64)])
def test_other_sources_and_unplanned_draws_stay_in_line(source):
    with drawn_ahead(source, SHAPE, 3) as given:
        assert given is source
    stream = streams()[0]
    with drawn_ahead(stream, SHAPE, 0) as given:
        assert given is stream


def noise_threads():
    return [t for t in threading.enumerate() if t.name.startswith("noise")]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_thread_ends_with_the_block_whatever_happens(error):
    _, stream, x = streams()
    with pytest.raises(error), drawn_ahead(stream, SHAPE, 9) as source:
        source(x)
        assert noise_threads()
        raise error
    assert not noise_threads()


def test_failure_of_a_draw_is_told_where_it_is_asked_for(monkeypatch):
    _, stream, x = streams()
    monkeypatch.setattr(PortableNoise, "made", lambda *a: (_ for _ in ()).throw(MemoryError("m")))
    with pytest.raises(MemoryError), drawn_ahead(stream, SHAPE, 2) as source:
        source(x)


@pytest.mark.parametrize(
    ("sampler", "params", "drawn"),
    [
        ("euler", {}, 0),
        ("edm", {"S_churn": 5.0}, 3),
        ("dpmpp-sde", {}, 6),
        ("dpmpp-3m-sde", {}, 3),
        ("euler-ancestral", {}, 3),
        ("restart", {"steps": 18}, None),
        ("rk45", {}, 0),
    ],
)
def test_samplers_end_with_equal_bits(monkeypatch, sampler, params, drawn):
    """And those that draw nothing, or nobody knows how much, start no thread."""
    model, begun = sb.load("digits-exact"), []
    words = {"seeds": range(4)} | ({} if sampler == "rk45" else {"steps": 3}) | params
    plain = sb.sample(model, sampler, **words)
    submit = ahead.ThreadPoolExecutor.submit
    monkeypatch.setattr("samplebench.sampling.setting.pays_ahead", lambda device: True)
    monkeypatch.setattr(
        ahead.ThreadPoolExecutor, "submit", lambda *a: begun.append(a) or submit(*a)
    )
    assert torch.equal(sb.sample(model, sampler, **words), plain)
    assert begun if drawn is None else len(begun) == drawn

"""What an adapter declares wrongly is told in its name, where steps are planned from it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from samplebench.bench.known import Known
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import UsageError
from samplebench.registry import AdapterEntry, adapters
from samplebench.timelines.choice import timeline


def _fails(config, shape):
    raise KeyError("betas")


def _known(monkeypatch, **facts) -> Known:
    entry = AdapterEntry("theirs", print, **facts)
    monkeypatch.setattr(adapters, "entry", {"theirs": entry}.__getitem__)
    return Known(Checkpoint("mine", "theirs", "file", (1, 8, 8)))


@pytest.mark.parametrize(
    ("kind", "process", "said"),
    [
        ("discrete", _fails, "the process that adapter theirs declares failed .KeyError: 'betas'"),
        ("linear", lambda config: 1, "adapter theirs declares failed .TypeError"),
        ("discrete", None, "models of kind 'discrete' with no process .* .NoneType.; register it"),
        ("linear", lambda config, shape: "cld", "models of kind 'linear' with no process"),
    ],
)
def test_a_wrong_declaration_is_the_adapters(monkeypatch, kind, process, said):
    with pytest.raises(UsageError, match=said):
        _ = _known(monkeypatch, kind=kind, process=process).process


def test_noise_levels_need_no_process(monkeypatch):
    assert _known(monkeypatch).process is None


@pytest.mark.parametrize("facts", [{"kind": 3}, {"process": 5}])
def test_a_declaration_of_another_type_is_refused(facts):
    with pytest.raises(UsageError, match="adapter 'theirs'"):
        AdapterEntry("theirs", print, **facts)


@pytest.mark.parametrize("kind", ["discrete", "linear"])
def test_what_looks_like_a_process_is_none(kind):
    assert not timeline(kind).fits(SimpleNamespace(steps=3, name="cld"))
    assert not timeline(kind).fits(None)


def test_an_unknown_kind_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="unknown timeline 'flux'"):
        _ = _known(monkeypatch, kind="flux").kind

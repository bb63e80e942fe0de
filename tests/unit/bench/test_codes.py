"""Others' code among the conditions: what is declared of an object decides beside it."""

from __future__ import annotations

from samplebench.bench.codes import Codes
from samplebench.registry import AdapterEntry


def load(path, config, *, device, dtype):
    return None


def short(config, shape):
    return 10


def long(config, shape):
    return 1000


def test_one_function_with_other_declarations_is_other_code():
    one, other, bare = (
        AdapterEntry("mine", load, process=process) for process in (short, long, None)
    )
    together, alone = Codes(), [Codes().of("adapter", "adapter", e) for e in (one, other, bare)]
    assert [together.of("adapter", "adapter", e) for e in (one, other, bare)] == alone
    assert len({found["adapter_code"] for found in alone}) == 3

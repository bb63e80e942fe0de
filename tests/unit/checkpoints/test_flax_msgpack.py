"""gDDIM's training states: the averages come back, and files that want to do harm are refused.

Those are all read in one process of their own, which reports time and memory after each.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch

from samplebench.checkpoints.flax_msgpack import read
from samplebench.errors import InputError

_spec = importlib.util.spec_from_file_location(
    "flax_writer", Path(__file__).with_name("flax_writer.py")
)
flax_writer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(flax_writer)

READER = """
import json, sys, time
from pathlib import Path
import torch
from samplebench.checkpoints.flax_msgpack import read
from samplebench.errors import InputError
from samplebench.doctor.memory import peak_bytes
before = peak_bytes()
for path in sorted(Path(sys.argv[1]).glob("*.msgpack")):
    start = time.process_time()
    try:
        read(path)
        outcome = "read"
    except InputError as error:
        outcome = str(error)
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}\\n"
    seconds = time.process_time() - start
    print(json.dumps([path.stem, outcome, seconds, peak_bytes() - before]), flush=True)
"""


# Files, good ones.


def packed(tree) -> bytes:
    return b"".join(flax_writer.writer.packed(tree))


def array(shape, dtype="float32", raw=None, code: int = 1) -> msgpack.ExtType:
    """An array as Flax packs it, whatever it says of itself."""
    raw = bytes(4 * int(np.prod(shape))) if raw is None else raw
    return msgpack.ExtType(code, msgpack.packb([shape, dtype, raw]))


def genuine(**changes) -> dict:
    """A small training state; `None` takes an entry away."""
    zero = np.zeros((), np.float32)
    weights = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": zero.reshape(1)}
    state = {
        "step": np.array(7, np.int32),
        "optimizer": {"target": {"Dense_0": weights}, "state": {"step": np.array(7, np.int32)}},
        "lr": np.array(2e-4, np.float32),
        "model_state": {},
        "ema_rate": np.array(0.9999, np.float32),
        "params_ema": {"Dense_0": {**weights, "bias": np.ones(1, np.float32)}},
        "rng": np.array([0, 7], np.uint32),
    }
    return {key: value for key, value in (state | changes).items() if value is not None}


def with_weights(tree) -> bytes:
    return packed(genuine(params_ema=tree))


def with_leaf(value) -> bytes:
    return with_weights({"Dense_0": {"kernel": value}})


@pytest.fixture
def written(tmp_path):
    """`written(data)`: its path."""

    def write(data: bytes) -> Path:
        path = tmp_path / "checkpoint_15"
        path.write_bytes(data)
        return path

    return write


def test_the_averages_come_back_and_nothing_else(written):
    found = read(written(packed(genuine())))
    assert list(found.params) == ["Dense_0/bias", "Dense_0/kernel"]
    assert torch.equal(found.params["Dense_0/bias"], torch.ones(1))
    assert torch.equal(found.params["Dense_0/kernel"], torch.arange(6.0).reshape(2, 3))
    assert (found.step, found.ema_rate) == (7, pytest.approx(0.9999))
    found.params["Dense_0/kernel"].zero_()  # it may be written to


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int32"])
def test_dtypes_are_kept(written, name):
    values = np.array([[1.5, -2.25, 0.0], [3.0, 1e3, -1.0]]).astype(name)
    (found,) = read(written(with_leaf(values))).params.values()
    assert str(found.dtype) == f"torch.{name}" and np.array_equal(found.numpy(), values)


def test_bfloat16_and_names_as_bytes(written):
    wanted = torch.tensor([1.5, -3.0, 256.0], dtype=torch.bfloat16)
    raw = wanted.view(torch.int16).numpy().tobytes()
    for dtype in ("bfloat16", b"bfloat16"):
        (found,) = read(written(with_leaf(array([3], dtype, raw)))).params.values()
        assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    "step",
    [7, 7.0, array([], "int64", (7).to_bytes(8, "little")), array([], "int32", b"\7\0\0\0", 3)],
    ids=["integer", "real", "array", "scalar"],
)
def test_numbers_in_every_form(written, step):
    assert read(written(packed(genuine(step=step)))).step == 7


def test_order_of_the_entries_and_more_of_them_do_not_matter(written):
    parts = [(key, value) for key, value in reversed(genuine(notes="x").items())]
    data = b"\x88" + b"".join(packed(key) + packed(value) for key, value in parts)
    assert len(read(written(data)).params) == 2


def test_what_is_skipped_costs_no_memory(written, tmp_path):
    script = READER.replace("*.msgpack", "checkpoint_15")
    large = {f"Dense_{i}": np.zeros(1 << 20, np.float32) for i in range(24)}  # 96 MiB
    written(packed(genuine(optimizer=large)))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    _, outcome, _, memory = json.loads(done.stdout)
    assert outcome == "read" and memory < 40 << 20


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "checkpoint_15")


# Files, others.


def chunked() -> dict:
    part = array([2])
    return {"__msgpack_chunked_array__": True, "shape": {"0": 2}, "chunks": {"0": part}}


def nested(depth: int, leaf: bytes = b"\x80") -> bytes:
    return b"\x81\xa1a" * depth + leaf


def raw_weights(data: bytes) -> bytes:
    """A training state whose params_ema is these bytes."""
    mark = "<weights>"
    return packed(genuine(params_ema=mark)).replace(packed(mark), data)


def in_optimizer(data: bytes) -> bytes:
    mark = "<optimizer>"
    return packed(genuine(optimizer=mark)).replace(packed(mark), data)


def extension(payload, code: int = 1) -> msgpack.ExtType:
    return msgpack.ExtType(code, msgpack.packb(payload))


MILLIONS = b"\xdd" + (30_000_000).to_bytes(4, "big") + b"\xc0" * 30_000_000
CLAIM = b"\xff\xff\xff\xff"
# name -> (file, what the message must say)
HOSTILE = {
    # Not such a file at all.
    "empty": (lambda: b"", "an empty file"),
    "web-page": (lambda: b"\n<!DOCTYPE html><title>Quota</title>", "a web page"),
    "zip": (lambda: b"PK\x03\x04" + bytes(100), "a zip archive, as torch.save"),
    "pickle": (lambda: b"\x80\x02cos\nsystem\n.", "13 bytes follow"),
    "list": (lambda: packed([genuine()["step"]]), "is not a map"),
    "truncated": (lambda: packed(genuine())[:-3], "breaks off"),
    "truncated-weights": (lambda: packed(genuine())[:-60], "breaks off"),
    "trailing": (lambda: packed(genuine()) + b"\xc0" * 5, "5 bytes follow"),
    "weights-only": (lambda: packed(genuine()["params_ema"]), "lacks 'params_ema'"),
    "no-weights": (lambda: packed(genuine(params_ema=None)), "lacks 'params_ema'"),
    "no-step": (lambda: packed(genuine(step=None)), "lacks 'step'"),
    "no-rate": (lambda: packed(genuine(ema_rate=None)), "lacks 'ema_rate'"),
    "many-keys": (lambda: packed({f"k{i}": i for i in range(100)}), "a map of 100 entries"),
    "claimed-keys": (lambda: b"\xdf" + CLAIM, "a map of 4294967295 entries"),
    "reserved-byte": (lambda: in_optimizer(b"\xc1"), "not msgpack"),
    # Names.
    "twice": (lambda: b"\x82" + (packed("step") + packed(7)) * 2, "two entries named 'step'"),
    "twice-inside": (
        lambda: raw_weights(b"\x82" + (packed("Dense_0") + packed(array([1]))) * 2),
        "two entries named 'Dense_0'",
    ),
    "slash": (
        lambda: with_weights({"a": {"b": array([1])}, "a/b": array([1])}),
        "is named 'a/b'",
    ),
    "no-name": (lambda: with_weights({"": array([1])}), "is named ''"),
    "long-name": (
        lambda: with_weights({"x" * 10_000_000: array([1])}),
        "a text of more than 800 bytes",
    ),
    "bytes-as-name": (lambda: raw_weights(b"\x81\xc4\x01a\xc0"), "is named"),
    "number-as-name": (lambda: raw_weights(b"\x81\x01\xc0"), "int is not allowed"),
    "map-as-name": (lambda: raw_weights(b"\x81\x80\xc0"), "no training state"),
    "other-text": (lambda: raw_weights(b"\x81\xa2\xff\xfe\xc0"), "no training state"),
    "newline": (lambda: with_weights({"a\nb/": array([1])}), r"is named 'a\nb/'"),
    "map-as-top-name": (lambda: b"\x81\x80\xc0", "is named 'a dict'"),
    # The tree.
    "weights-array": (lambda: packed(genuine(params_ema=array([4]))), "params_ema is not a map"),
    "weights-number": (lambda: packed(genuine(params_ema=3)), "params_ema is not a map"),
    "number": (lambda: with_leaf(1.5), "'Dense_0/kernel' is neither array nor map"),
    "list-inside": (lambda: with_leaf([1.5]), "max_array_len"),
    "bytes-inside": (lambda: with_leaf(bytes(1000)), "neither array nor map"),
    "timestamp": (lambda: with_leaf(msgpack.Timestamp(1)), "neither array nor map"),
    "chunked": (lambda: with_leaf(chunked()), "an array in chunks"),
    "deep": (lambda: raw_weights(nested(9)), "nested too deeply"),
    "very-deep": (lambda: raw_weights(nested(1000)), "nested too deeply"),
    "deepest": (lambda: raw_weights(nested(2_000_000)), "nested too deeply"),
    "deep-list": (lambda: in_optimizer(b"\x91" * 2_000_000 + b"\xc0"), "nested too deeply"),
    "wide": (lambda: with_weights(dict.fromkeys(map(str, range(2000)), 1)), "max_map_len"),
    "many-entries": (
        lambda: with_weights({f"m{i}": {f"k{j}": {} for j in range(1000)} for i in range(1000)}),
        "more than 20000 entries",
    ),
    "claimed-map": (lambda: raw_weights(b"\xdf" + CLAIM), "max_map_len"),
    "claimed-list": (lambda: raw_weights(b"\xdd" + CLAIM), "max_array_len"),
    "claimed-maps": (
        lambda: b"\x81" + packed("params_ema") + b"\xde\x04\x00\xa1a" * 1000,
        "breaks off",
    ),
    "claimed-text": (lambda: raw_weights(b"\xdb" + CLAIM + b"abc"), "breaks off"),
    "claimed-bytes": (lambda: raw_weights(b"\xc6" + CLAIM + b"abc"), "breaks off"),
    "claimed-extension": (lambda: raw_weights(b"\xc9" + CLAIM + b"\x01abc"), "max_ext_len"),
    "claimed-skip": (lambda: in_optimizer(b"\xc9\x7f\xff\xff\xff\x01abc"), "breaks off"),
    "list-of-millions": (lambda: raw_weights(MILLIONS), "max_array_len"),
    "large-value": (
        lambda: in_optimizer(b"\xc9" + (150 << 20).to_bytes(4, "big") + b"\x01" + bytes(150 << 20)),
        "a single value of more than 100 MiB",
    ),
    # Arrays.
    "negative-shape": (lambda: with_leaf(array([-4], raw=bytes(16))), "shape [-4]"),
    "two-negatives": (lambda: with_leaf(array([-2, -2], raw=bytes(16))), "shape [-2, -2]"),
    "empty-array": (lambda: with_leaf(array([0, 2**31])), "shape [0, 2147483648]"),
    "huge-shape": (lambda: with_leaf(array([2**40], raw=bytes(16))), "16 bytes, not 43980465"),
    "wrapped-shape": (lambda: with_leaf(array([2**32, 2**32], raw=b"")), "with 0 bytes, not"),
    "real-shape": (lambda: with_leaf(array([4.0], raw=bytes(16))), "shape [4.0]"),
    "boolean-shape": (lambda: with_leaf(array([True], raw=bytes(4))), "shape [True]"),
    "nested-shape": (lambda: with_leaf(array([[4]], raw=bytes(16))), "shape [[4]]"),
    "no-shape": (lambda: with_leaf(array(4, raw=bytes(16))), "shape 4"),
    "nine-axes": (lambda: with_leaf(array([1] * 9)), "without shape, dtype and bytes"),
    "short": (lambda: with_leaf(array([4], raw=bytes(12))), "with 12 bytes, not 16"),
    "long": (lambda: with_leaf(array([4], raw=bytes(20))), "with 20 bytes, not 16"),
    "no-bytes": (lambda: with_leaf(array([4], raw=16)), "with no bytes, not 16"),
    "object": (lambda: with_leaf(array([2], "object", bytes(16))), "dtype 'object'"),
    "object-code": (lambda: with_leaf(array([2], "O", bytes(16))), "dtype 'O'"),
    "void": (lambda: with_leaf(array([1], "V99999999", b"")), "dtype 'V99999999'"),
    "complex-array": (lambda: with_leaf(array([1], "complex64", bytes(8))), "dtype 'complex64'"),
    "long-dtype": (lambda: with_leaf(array([1], "f" * 10_000_000)), "dtype 'fff"),
    "dtype-list": (lambda: with_leaf(array([1], ["float32"])), "dtype "),
    "complex": (lambda: with_leaf(extension([1.0, 2.0], 2)), "a complex number"),
    "other-extension": (lambda: with_leaf(extension([[1], "float32", bytes(4)], 5)), "type 5"),
    "no-payload": (lambda: with_leaf(msgpack.ExtType(1, b"")), "without shape"),
    "payload-number": (lambda: with_leaf(extension(3)), "without shape"),
    "payload-map": (lambda: with_leaf(extension({"a": 1, "b": 2, "c": 3})), "without shape"),
    "payload-longer": (
        lambda: with_leaf(msgpack.ExtType(1, msgpack.packb([[1], "float32", bytes(4)]) + b"\0")),
        "without shape",
    ),
    "payload-deep": (lambda: with_leaf(msgpack.ExtType(1, b"\x91" * 1_000_000)), "without shape"),
    "array-in-shape": (lambda: with_leaf(array([array([1])], raw=b"")), "shape "),
    # Numbers.
    "step-text": (lambda: packed(genuine(step="7")), "step is not a number"),
    "step-negative": (lambda: packed(genuine(step=-1)), "step is not a number"),
    "step-array": (lambda: packed(genuine(step=np.ones(2, np.int32))), "step is not a number"),
    "rate-nan": (lambda: packed(genuine(ema_rate=float("nan"))), "ema_rate is not a number"),
    "step-truth": (lambda: packed(genuine(step=True)), "step is not a number"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def outcomes(folder):
    """name -> (message or "read", seconds, bytes of memory so far)."""
    (folder / "genuine.msgpack").write_bytes(packed(genuine()))
    (folder / "genuine-long.msgpack").write_bytes(in_optimizer(MILLIONS))
    for name, (build, _) in HOSTILE.items():
        (folder / f"{name}.msgpack").write_bytes(build())
    done = subprocess.run(
        [sys.executable, "-c", READER, str(folder)],
        cwd=folder, capture_output=True, text=True, timeout=300, env=dict(os.environ),
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: (outcome, seconds, memory) for name, outcome, seconds, memory in lines}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_one_line(outcomes, folder, name):
    outcome, seconds, memory = outcomes[name]
    path = str(folder / f"{name}.msgpack")
    assert outcome.startswith(path), outcome
    message = outcome.removeprefix(path)
    assert HOSTILE[name][1] in message, message
    assert "\n" not in message and len(message) < 250
    assert seconds < 5
    assert memory < 512 << 20


@pytest.mark.parametrize("name", ["genuine", "genuine-long"])
def test_the_same_file_without_harm_is_read(outcomes, name):
    assert outcomes[name][0] == "read"


def test_nothing_was_written(outcomes, folder):
    assert sorted(p.suffix for p in folder.iterdir()) == [".msgpack"] * (len(HOSTILE) + 2)

"""OpenAI's checkpoints: both formats of torch.save give the same tensors, harmful ones nothing.

What is hostile is read in one process of its own, which reports time and memory after each.
"""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from samplebench.checkpoints.openai_file import read
from samplebench.errors import InputError

_spec = importlib.util.spec_from_file_location("opcodes", Path(__file__).with_name("opcodes.py"))
op = sys.modules["opcodes"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(op)

READER = """
import json, sys, time
from pathlib import Path
import torch
from samplebench.checkpoints.openai_file import read
from samplebench.errors import InputError
def peak():
    # Unlike ru_maxrss, this does not begin with the parent's.
    if not Path("/proc/self/status").exists():
        return 0
    lines = open("/proc/self/status", encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
for path in sorted(Path(sys.argv[1]).glob("*.pt")):
    start = time.process_time()
    try:
        read(path)
        outcome = "read"
    except InputError as error:
        outcome = str(error)
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}\\n"
    seconds = time.process_time() - start
    print(json.dumps([path.stem, outcome, seconds, peak()]), flush=True)
"""


def tensors() -> OrderedDict:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return OrderedDict(
        [
            ("time_embed.0.weight", base),
            ("time_embed.0.bias", base[1]),
            ("out.2.weight", base.T),
            ("out.2.bias", torch.tensor([1.5], dtype=torch.float16)),
            ("input_blocks.0.0.weight", torch.empty(0, 3)),
        ]
    )


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
@pytest.mark.parametrize("parameters", [False, True], ids=["tensors", "parameters"])
def test_the_tensors_come_back(tmp_path, zipped, parameters):
    wanted = state = tensors()
    if parameters:
        state = OrderedDict((name, torch.nn.Parameter(t)) for name, t in state.items())
    state._metadata = OrderedDict([("", {"version": 1})])
    torch.save(state, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    found = read(tmp_path / "m.pt")
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype
        assert type(found[name]) is torch.Tensor and not found[name].requires_grad


def test_golden_files(goldens):
    for path in sorted((goldens / "adm").glob("*/model.pt")):
        config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
        found = read(path)
        assert len(found) == config["num_tensors"]
        assert sum(tensor.numel() for tensor in found.values()) == config["num_parameters"]
        assert {str(t.dtype) for t in found.values()} == {f"torch.{config['stored_dtype']}"}


NOT_A_STATE_DICT = {
    "list": ([torch.zeros(2)], "its content is not a state dict"),
    "nothing": ({}, "its content is not a state dict"),
    "tensor": (torch.zeros(2), "its content is not a state dict"),
    "wrapped": ({"model": {"w": torch.zeros(2)}}, "'model' is not a tensor but a dict"),
    "step": ({"w": torch.zeros(2), "step": 3}, "'step' is not a tensor but 3"),
    "number": ({0: torch.zeros(2)}, "'0' is not a name"),
    "spaces": ({"a b": torch.zeros(2)}, "'a b' is not a name"),
    "empty-part": ({"a..b": torch.zeros(2)}, "'a..b' is not a name"),
    "newline": ({"a\n": torch.zeros(2)}, "'a\\n' is not a name"),
    "counts": ({"w": torch.zeros(2, dtype=torch.int64)}, "'w' is int64"),
}


@pytest.mark.parametrize("name", NOT_A_STATE_DICT)
def test_other_contents_are_refused(tmp_path, name):
    content, message = NOT_A_STATE_DICT[name]
    path = tmp_path / "m.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=re.escape(message)) as refusal:
        read(path)
    assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)


# The format of torch.save before 1.6, by hand: one storage of four float32.


def storage(key="7", count=4, kind="torch:FloatStorage", view=None, words=()) -> op.Raw:
    about = words or ("storage", op.name(kind), key, "cpu", count, view)
    return op.Raw(op.code(about) + b"Q")


def weight(**changes) -> op.Raw:
    return op.tensor(storage(**changes))


def content(value) -> dict:
    return {"w": value}


def legacy(
    state=None,
    *,
    magic=op.MAGIC,
    protocol=1001,
    system=op.SYSTEM,
    keys=("7",),
    data=None,
    version=2,
) -> bytes:
    state = content(weight()) if state is None else state
    parts = [op.pickled(part, 2) for part in (magic, protocol, system)]
    parts += [op.pickled(state, version), op.pickled(list(keys), 2)]
    return b"".join(parts) + (elements(4) if data is None else data)


def elements(count: int, stated: int | None = None) -> bytes:
    return struct.pack("<q", count if stated is None else stated) + bytes(4 * count)


def touch(function: str) -> op.Raw:
    return op.call(op.name(function), "touch ran")


BIG_ENDIAN = {**op.SYSTEM, "little_endian": False}
OVERLAP = {"size": (2, 2), "stride": (1, 1)}
BEYOND = {"size": (4,), "stride": (1,), "offset": 1}
PARAMETER_STATE = op.name("torch._utils:_rebuild_parameter_with_state")
# name -> (file, what the message must say)
HOSTILE = {
    # Code.
    "os-system": (lambda: legacy(content(touch("os:system"))), "os.system"),
    "eval": (lambda: legacy(content(touch("builtins:eval"))), "builtins.eval"),
    "load": (lambda: legacy(content(op.call(op.LOAD, b"x"))), "_load_from_bytes"),
    "magic-code": (lambda: legacy(magic=touch("os:system")), "bare pickle"),
    "system-code": (lambda: legacy(system=touch("os:system")), "os.system"),
    "keys-code": (lambda: legacy(keys=[touch("os:system")]), "os.system"),
    "module": (
        lambda: legacy(content(storage(words=("module", "a.b", "/etc/passwd", "x")))),
        "persistent id",
    ),
    "state": (
        lambda: legacy(content(op.call(PARAMETER_STATE, op.MATRIX, True, op.ORDERED, {"a": 1}))),
        "_rebuild_parameter_with_state",
    ),
    "hooks": (
        lambda: legacy(content(op.parameter(weight(), {1: 2}))),
        "other things than a tensor",
    ),
    "parameter-of-text": (lambda: legacy(content(op.parameter("x"))), "other things than a tensor"),
    "parameter-built": (
        lambda: legacy(content(op.build(op.parameter(weight()), {"data": 1}))),
        "BUILD",
    ),
    "parameter-short": (
        lambda: legacy(content(op.call(op.PARAMETER, weight()))),
        "1 arguments, not 3",
    ),
    "storage-called": (lambda: legacy(content(op.call(op.FLOATS, 2**40))), "called"),
    # The writer.
    "protocol": (lambda: legacy(protocol=1002), "protocol 1002"),
    "big-endian": (lambda: legacy(system=BIG_ENDIAN), "big-endian"),
    "later-pickle": (lambda: legacy(version=4), "protocol 2"),
    # Storages.
    "view": (lambda: legacy(content(weight(view=("8", 0, 4)))), "view of another"),
    "five-words": (lambda: legacy(content(storage(words=("storage",) * 5))), "persistent id"),
    "negative": (lambda: legacy(content(weight(count=-4))), "storage without"),
    "other-type": (lambda: legacy(content(weight(kind="os:system"))), "os.system"),
    "claims-more": (
        lambda: legacy(content(weight(count=2**40)), data=elements(4, stated=2**40)),
        "breaks off within storage",
    ),
    "claims-exabytes": (
        lambda: legacy(content(weight(count=2**62)), data=elements(4, stated=2**62)),
        "breaks off within storage",
    ),
    "data-says-more": (lambda: legacy(data=elements(4, stated=2**40)), "whose data says"),
    "data-says-less": (lambda: legacy(data=elements(4, stated=-1)), "whose data says -1"),
    "short": (lambda: legacy()[:-4], "breaks off within storage"),
    "no-data": (lambda: legacy(data=b""), "whose data says"),
    "longer": (lambda: legacy() + b"cos\nsystem\n.", "bytes follow"),
    "unlisted": (lambda: legacy(keys=[]), "not those that it uses"),
    "listed-twice": (lambda: legacy(keys=["7", "7"]), "not those that it uses"),
    "unused": (lambda: legacy(keys=["7", "8"]), "not those that it uses"),
    "keys-of-numbers": (lambda: legacy(keys=[7]), "no list of keys"),
    "two-lengths": (lambda: legacy({"a": weight(), "b": storage(count=2)}), "not 2 elements"),
    "two-types": (
        lambda: legacy({"a": weight(), "b": storage(kind="torch:IntStorage")}),
        "two types",
    ),
    # Tensors.
    "overlapping": (lambda: legacy(content(op.tensor(storage(), **OVERLAP))), "overlap"),
    "beyond": (lambda: legacy(content(op.tensor(storage(), **BEYOND))), "beyond its storage"),
    # Hashes.
    "keys-of-one-hash": (
        lambda: legacy(op.Raw(op.one_hash(200_000, b"}(", b"N", b"u"))),
        "a dictionary key of 65 bits",
    ),
    "ordered-keys-of-one-hash": (
        lambda: legacy(op.Raw(op.one_hash(200_000, op.ORDERED.code + b"(", b"N", b"u"))),
        "a dictionary key of 65 bits",
    ),
    "set-of-one-hash": (
        lambda: legacy(op.Raw(op.one_hash(200_000, b"\x8f(", b"", b"\x90"))),
        "a set of other things than texts",
    ),
    "float-keys": (lambda: legacy({1.5: weight()}), "a dictionary key of type float"),
    "tuple-keys": (lambda: legacy({(1, 2): weight()}), "a dictionary key of type tuple"),
    "flag-keys": (lambda: legacy({True: weight()}), "a dictionary key of type bool"),
    # Size and nesting.
    "magic-only": (lambda: legacy()[:15], "not of protocol 2"),
    "cut-pickle": (lambda: legacy()[:200], "download it again"),
    "memo": (lambda: legacy(op.Raw(b"}r\xff\xff\xff\x0f")), "memo"),
    "opcodes": (lambda: legacy(op.Raw(b"(" + b"N" * 2_000_000 + b"t")), "opcodes"),
    "deep": (
        lambda: legacy(op.Raw(b")" + b"\x85" * 900_000), keys=[], data=b""),
        "not a state dict",
    ),
    "itself": (lambda: legacy(op.Raw(b"]q\x01h\x01a"), keys=[], data=b""), "not a state dict"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def outcomes(folder):
    """name -> (message or "read", seconds, peak memory in bytes so far)."""
    (folder / "genuine.pt").write_bytes(legacy())
    for name, (build, _) in HOSTILE.items():
        (folder / f"{name}.pt").write_bytes(build())
    command = [sys.executable, "-c", READER, str(folder)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {name: (outcome, seconds, memory) for name, outcome, seconds, memory in lines}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_one_line(outcomes, folder, name):
    outcome, seconds, memory = outcomes[name]
    path = str(folder / f"{name}.pt")
    assert outcome.startswith(path), outcome
    assert HOSTILE[name][1] in outcome.removeprefix(path)
    assert "\n" not in outcome and len(outcome) < len(path) + 200
    assert "torch cannot read it" not in outcome  # found before torch saw the file
    assert seconds < 20
    assert memory < 1 << 30


def test_the_same_file_without_harm_is_read(outcomes):
    assert outcomes["genuine"][0] == "read"


def test_nothing_was_run(outcomes, folder):
    assert sorted(p.suffix for p in folder.iterdir()) == [".pt"] * (len(HOSTILE) + 1)

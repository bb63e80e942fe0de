"""Files that want to do harm, or are not what they should be: refused in one line, nothing run.

All are read in one process of their own, which reports time and memory after each.
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

ROOT = "checkpoint_1"
READER = """
import json, sys, time
from pathlib import Path
import torch
from samplebench.checkpoints.score_sde_file import read
from samplebench.errors import InputError
def peak():
    # Unlike ru_maxrss, this does not begin with the parent's.
    if not Path("/proc/self/status").exists():
        return 0
    lines = open("/proc/self/status", encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
for path in sorted(Path(sys.argv[1]).glob("*.pth")):
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


# Opcodes of a pickle.


def text(word: str) -> bytes:
    data = word.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def found(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def several(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def called(function: bytes, *arguments: bytes) -> bytes:
    return function + several(*arguments) + b"R"


def pickled(*parts: bytes, protocol: int = 2) -> bytes:
    return bytes([0x80, protocol]) + b"".join(parts) + b"."


def storage(key: str = "0", count: int = 4, kind: str = "FloatStorage") -> bytes:
    about = (text("storage"), found("torch", kind), text(key), text("cpu"), number(count))
    return several(*about) + b"Q"


def tensor(size, stride, offset: int = 0, source: bytes | None = None) -> bytes:
    return called(
        found("torch._utils", "_rebuild_tensor_v2"),
        source or storage(),
        number(offset),
        several(*map(number, size)),
        several(*map(number, stride)),
        b"\x89",
        ORDERED,
    )


ORDERED = found("collections", "OrderedDict") + b")R"
DTYPE = called(found("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
NATIVE = several(number(3), text("<"), b"NNN", number(-1), number(-1), number(0)) + b"b"
TOUCH = [text("touch ran")]
LARGE = number(2**31 - 1)


# Files.


def genuine() -> dict:
    """A training state as the authors' code writes it, two layers large."""
    model = OrderedDict(
        [
            ("module.sigmas", torch.linspace(50, 0.01, 10, dtype=torch.float64)),
            ("module.all_modules.0.weight", torch.randn(4, 4)),
            ("module.all_modules.0.bias", torch.randn(4)),
            ("module.all_modules.1.weight", torch.randn(2, 3, 3, 3)),
        ]
    )
    model._metadata = OrderedDict([("", {"version": 1})])
    average = [tensor.clone() for name, tensor in model.items() if name != "module.sigmas"]
    group = {"lr": np.float64(2e-4), "betas": (0.9, 0.999), "params": [0, 1, 2]}
    moments = {"step": 3, "exp_avg": torch.zeros(4, 4)}
    return {
        "optimizer": {"state": {0: moments}, "param_groups": [group]},
        "model": model,
        "ema": {"decay": 0.999, "num_updates": 3, "shadow_params": average},
        "step": 3,
    }


def saved(state: object, **options: bool) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, **options)
    return file.getvalue()


def records() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(saved(genuine()))) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        return {f"{ROOT}/{n}": archive.read(f"archive/{n}") for n in names}


def zipped(files, method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            with warnings.catch_warnings(action="ignore"):  # of a name that is there already
                archive.writestr(name, data)
        archive.comment = comment
    return file.getvalue()


def with_record(name: str, data: bytes) -> bytes:
    return zipped({**records(), f"{ROOT}/{name}": data})


def holding(*parts: bytes, protocol: int = 2) -> bytes:
    """The pickle `parts` beside one storage of four float32."""
    return raw_pickle(pickled(*parts, protocol=protocol))


def raw_pickle(data: bytes) -> bytes:
    files = {"data.pkl": data, "data/0": bytes(16), "version": b"3\n"}
    return zipped({f"{ROOT}/{name}": content for name, content in files.items()})


def patched(mark: bytes, at: int, value: bytes, which: int = 0) -> bytes:
    """A good zip file with bytes changed in one of its headers."""
    data = bytearray(zipped(records()))
    start = -1
    for _ in range(which + 1):
        start = data.index(mark, start + 1)
    data[start + at : start + at + len(value)] = value
    return bytes(data)


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"))
    return file.getvalue()


def short_storage() -> bytes:
    files = records()
    name = next(n for n in files if n.startswith(f"{ROOT}/data/"))
    return zipped({**files, name: files[name][:-4]})


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
FLOATS = "FloatStorage"
# name -> (file, what the message must say)
HOSTILE = {
    # Not such a file at all.
    "empty": (lambda: b"", "empty file"),
    "web-page": (lambda: b"\n<!DOCTYPE html><title>Quota exceeded</title>", "web page"),
    "tar": (tar, "tar archive"),
    "noise": (lambda: bytes(range(1, 255)) * 9, "not a file of torch.save"),
    "bare-pickle": (
        lambda: pickled(called(found("os", "system"), *TOUCH), protocol=4),
        "bare pickle",
    ),
    "truncated": (lambda: saved(genuine())[:-300], "broken zip file"),
    "torchscript": (lambda: with_record("constants.pkl", pickled(b")")), "TorchScript"),
    "torchscript-code": (lambda: with_record("code/__torch__.py", b"import os"), "TorchScript"),
    # The zip file.
    "compressed": (lambda: zipped(records(), zipfile.ZIP_DEFLATED), "compressed"),
    "zip-bomb": (
        lambda: zipped({**records(), f"{ROOT}/data/9": bytes(1 << 28)}, zipfile.ZIP_DEFLATED),
        "compressed",
    ),
    "encrypted": (lambda: patched(CENTRAL, 8, b"\x01\x00"), "encrypted"),
    "hidden-compression": (lambda: patched(LOCAL, 8, b"\x08\x00"), "another header"),
    "two-names": (lambda: patched(LOCAL, 30, b"elsewhere"), "another name"),
    "two-lengths": (lambda: patched(CENTRAL, 24, b"\xff\xff\xff\x7f"), "two lengths"),
    "beyond-the-end": (lambda: patched(CENTRAL, 20, b"\xff\xff\xff\x7f" * 2), "beyond the file"),
    "overlap": (lambda: patched(CENTRAL, 42, bytes(4), which=4), "overlaps"),
    "wrong-checksum": (lambda: patched(CENTRAL, 16, b"\x01\x02\x03\x04"), "CRC"),
    "comment": (lambda: zipped(records(), comment=b"x"), "a comment"),
    "second-directory": (
        lambda: zipped(records(), comment=b"PK\x05\x06" + bytes(18)),
        "second directory",
    ),
    "many-records": (
        lambda: zipped((f"{ROOT}/data/{'0' * 90}{i}", b"") for i in range(40_000)),
        "a single read",
    ),
    "two-pickles": (
        lambda: zipped({**records(), "other/data.pkl": pickled(b")")}),
        "2 data.pkl in 2 folders",
    ),
    "inner-pickle": (lambda: with_record("data/data.pkl", pickled(b")")), "2 data.pkl"),
    "same-name": (
        lambda: zipped([*records().items(), (f"{ROOT}/data.pkl", pickled(b")"))]),
        "two records",
    ),
    "traversal": (lambda: with_record("../../../evil", b""), "a record named"),
    "absolute": (lambda: zipped({**records(), "/etc/passwd": b""}), "a record named"),
    "no-pickle": (lambda: zipped({f"{ROOT}/weights": b""}), "without data.pkl"),
    "big-endian": (lambda: with_record("byteorder", b"big"), "little-endian"),
    "long-pickle": (lambda: raw_pickle(pickled(b"N" * (5 << 20))), "data.pkl of"),
    "short-storage": (short_storage, "bytes, not"),
    # The pickle: code.
    "os-system": (lambda: holding(called(found("os", "system"), *TOUCH)), "os.system"),
    "posix-system": (lambda: holding(called(found("posix", "system"), *TOUCH)), "posix.system"),
    "eval": (lambda: holding(called(found("__builtin__", "eval"), text("1"))), "__builtin__.eval"),
    "torch-load": (lambda: holding(called(found("torch", "load"), text("x"))), "torch.load"),
    "torch-hub": (lambda: holding(found("torch.hub", "load")), "torch.hub.load"),
    "numpy-load": (lambda: holding(found("numpy", "load")), "numpy.load"),
    "neighbour": (
        lambda: holding(found("torch._utils", "_rebuild_wrapper_subclass")),
        "_rebuild_wrapper_subclass",
    ),
    "dotted": (
        lambda: holding(found("torch._utils", "_rebuild_tensor_v2.__globals__")),
        "__globals__",
    ),
    "later-protocol": (
        lambda: holding(text("os"), text("system"), b"\x93", *TOUCH, b"\x85R", protocol=4),
        "protocol 2",
    ),
    "stack-global": (lambda: holding(text("os"), text("system"), b"\x93"), "os.system"),
    "instance": (lambda: holding(b"(S'x'\nios\nsystem\n"), "opcode"),
    # The pickle: allowed functions used to do harm.
    "tensor-class": (
        lambda: holding(called(found("torch", "Tensor"), LARGE)),
        "Tensor",
    ),
    "bytearray": (
        lambda: holding(called(found("__builtin__", "bytearray"), LARGE)),
        "bytearray",
    ),
    "storage-called": (
        lambda: holding(called(found("torch", FLOATS), LARGE)),
        "called",
    ),
    "new-object": (lambda: holding(found("torch", FLOATS), b")\x81"), "torch.FloatStorage"),
    "dictionary-of": (
        lambda: holding(called(found("collections", "OrderedDict"), b"]")),
        "made from arguments",
    ),
    "dictionary-state": (
        lambda: holding(ORDERED, b"}", text("update"), text("x"), b"sb"),
        "other attributes",
    ),
    "tensor-state": (lambda: holding(tensor([4], [1]), several(b"N"), b"b"), "BUILD"),
    "object-dtype": (
        lambda: holding(called(found("numpy", "dtype"), text("O"), b"\x89", b"\x88")),
        "other than that of a number",
    ),
    "void-dtype": (
        lambda: holding(called(found("numpy", "dtype"), text("V9999999999"), b"\x89", b"\x88")),
        "other than that of a number",
    ),
    "dtype-flags": (
        lambda: holding(DTYPE, NATIVE.replace(number(0), number(63))),
        "the machine's f8",
    ),
    "scalar-of-text": (
        lambda: holding(called(found("numpy.core.multiarray", "scalar"), DTYPE, text("12345678"))),
        "scalar that is not a number",
    ),
    "bytes-bomb": (
        lambda: holding(
            b"(" + text("x" * 60_000) + b"q\x01",
            *[called(found("_codecs", "encode"), b"h\x01", text("latin1"))] * 30_000,
            b"t",
        ),
        "8 bytes",
    ),
    "other-codec": (
        lambda: holding(called(found("_codecs", "encode"), text("12345678"), text("zip"))),
        "latin1",
    ),
    # The pickle: tensors.
    "negative-size": (lambda: holding(tensor([-4], [1])), "negative"),
    "negative-stride": (lambda: holding(tensor([4], [-1], offset=3)), "negative"),
    "count-of-text": (
        lambda: holding(tensor([4], [1]).replace(number(4) + b"t", text("4") + b"t", 1)),
        "storage without",
    ),
    "overlapping": (lambda: holding(tensor([2, 2], [1, 1])), "overlap"),
    "stride-zero": (lambda: holding(tensor([2**31 - 1] * 3, [0, 0, 0])), "overlap"),
    "beyond-storage": (lambda: holding(tensor([4], [1], offset=1)), "beyond its storage"),
    "many-dimensions": (lambda: holding(tensor([1] * 100_000, [1] * 100_000)), "dimensions"),
    "no-record": (lambda: holding(tensor([4], [1], source=storage("7"))), "no record"),
    "outside-key": (lambda: holding(tensor([4], [1], source=storage("../data.pkl"))), "no record"),
    "claims-more": (lambda: holding(storage(count=2**31 - 1)), "bytes, not"),
    "negative-count": (lambda: holding(storage(count=-4)), "storage without"),
    "two-types": (
        lambda: holding(several(storage(), storage(kind="IntStorage"))),
        "two types",
    ),
    "other-id": (lambda: holding(several(text("module"), text("x")) + b"Q"), "persistent id"),
    # The pickle: size and nesting.
    "memo-index": (lambda: holding(b"}r\xff\xff\xff\x0f"), "memo"),
    "memo-unknown": (lambda: holding(b"h\x05"), "contradicts itself"),
    "claimed-length": (lambda: holding(b"X\xff\xff\xff\xff"), "breaks off"),
    "no-end": (lambda: raw_pickle(b"\x80\x02}"), "breaks off"),
    "no-mark": (lambda: holding(b"t"), "contradicts itself"),
    "after-the-end": (lambda: raw_pickle(pickled(b"}") + b"cos\nsystem\n."), "follow"),
    "opcodes": (lambda: holding(b"(" + b"N" * 2_000_000 + b"t"), "opcodes"),
    "deep-key": (lambda: holding(b"})" + b"\x85" * 900_000 + b"Ns"), "key of type tuple"),
    "deep-value": (lambda: holding(b")" + b"\x85" * 900_000), "not a dictionary"),
    "deep-marks": (lambda: holding(b"(" * 400_000 + b"t" * 400_000), "not a dictionary"),
    "itself": (lambda: holding(b"]q\x01h\x01a"), "not a dictionary"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def outcomes(folder):
    """name -> (message or "read", seconds, peak memory in bytes so far)."""
    (folder / "genuine.pth").write_bytes(saved(genuine()))
    (folder / "rewritten.pth").write_bytes(zipped(records()))
    legacy = saved(genuine(), _use_new_zipfile_serialization=False)
    (folder / "legacy.pth").write_bytes(legacy)
    for name, (build, _) in HOSTILE.items():
        (folder / f"{name}.pth").write_bytes(build())
    command = [sys.executable, "-c", READER, str(folder)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {name: (outcome, seconds, memory) for name, outcome, seconds, memory in lines}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_one_line(outcomes, folder, name):
    outcome, seconds, memory = outcomes[name]
    path = str(folder / f"{name}.pth")
    assert outcome.startswith(path), outcome
    assert HOSTILE[name][1] in outcome.removeprefix(path)
    assert "\n" not in outcome and len(outcome) < len(path) + 200
    assert "torch cannot read it" not in outcome  # found before torch saw the file
    assert seconds < 20
    assert memory < 1 << 30


@pytest.mark.parametrize("name", ["genuine", "rewritten", "legacy"])
def test_the_same_file_without_harm_is_read(outcomes, name):
    assert outcomes[name][0] == "read"


def test_nothing_was_run(outcomes, folder):
    assert sorted(p.suffix for p in folder.iterdir()) == [".pth"] * (len(HOSTILE) + 3)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    from samplebench.checkpoints.score_sde_file import read
    from samplebench.errors import InputError

    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "checkpoint_8.pth")

"""Files of torch.save: what the writer put in comes out, from every layout and NumPy's names."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from samplebench.checkpoints.torch_file import read_torch_file
from samplebench.checkpoints.torch_pickle import NUMPY_NUMBERS, TENSORS
from samplebench.errors import InputError

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")
WITH_NUMPY = {**TENSORS, **NUMPY_NUMBERS}


def rezipped(path, change):
    """The same records by another zip writer, which aligns nothing; `change(name, data)`."""
    with zipfile.ZipFile(path) as archive:
        files = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(name, change(name, data))


def is_mapped(tensor):
    """Whether the tensor's memory is a part of a file."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            first, last = (int(word, 16) for word in line.split()[0].split("-"))
            if first <= tensor.data_ptr() < last:
                return line.rstrip().endswith(".pt")
    return False


@pytest.fixture
def state():
    base = torch.arange(24, dtype=torch.float32)
    return OrderedDict(
        weight=base.reshape(4, 6),
        transposed=base.reshape(4, 6).T,
        part=base[5:9],
        half=torch.tensor([1.5], dtype=torch.float16),
        counts=torch.tensor(7),
        empty=torch.empty(0, 3),
        plain={"lr": 0.5, "betas": (0.9, 0.999), "names": ["a", None, True], 3: 2**40},
    )


def same(found, wanted):
    assert list(found) == list(wanted) and found["plain"] == wanted["plain"]
    for name, tensor in wanted.items():
        if name != "plain":
            assert torch.equal(found[name], tensor)
            assert found[name].dtype == tensor.dtype
            assert found[name].device.type == "cpu"


def test_tensors_and_plain_data_come_back(tmp_path, state):
    torch.save(state, tmp_path / "m.pt")
    found = read_torch_file(tmp_path / "m.pt")
    same(found, state)
    # Two views of one storage still are.
    assert found["part"].data_ptr() == found["weight"].data_ptr() + 5 * 4


@needs_proc
def test_tensors_are_mapped_and_writing_leaves_the_file_alone(tmp_path, state):
    torch.save(state, tmp_path / "m.pt")
    before = (tmp_path / "m.pt").read_bytes()
    found = read_torch_file(tmp_path / "m.pt")
    assert is_mapped(found["weight"])
    found["weight"].zero_()
    assert (tmp_path / "m.pt").read_bytes() == before


def test_records_out_of_line_are_read_into_memory(tmp_path, state):
    torch.save(state, tmp_path / "m.pt")
    rezipped(tmp_path / "m.pt", lambda name, data: data)
    found = read_torch_file(tmp_path / "m.pt")
    same(found, state)
    assert found["weight"].data_ptr() % 8 == 0


def test_records_of_torch_1_6(tmp_path, state):
    """Nothing but data.pkl, data/<key> and version; long keys; tensors of a GPU."""
    torch.save(state, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    data = files["data.pkl"]
    for key in range(4):
        old, new = str(key).encode(), f"9400000000{key}".encode()
        data = data.replace(b"X\1\0\0\0" + old + b"q", b"X\x0b\0\0\0" + new + b"q")
    data = data.replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0")
    with zipfile.ZipFile(tmp_path / "old.pt", "w") as archive:
        archive.writestr("m/data.pkl", data)
        for name in (name for name in files if name.startswith("data/")):
            archive.writestr(f"m/data/9400000000{name[5:]}", files[name])
        archive.writestr("m/version", "3\n")
    assert b"cuda:0" in data and b"94000000003" in data
    same(read_torch_file(tmp_path / "old.pt"), state)


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_float64_scalars_under_both_names(tmp_path, module):
    rate = 2e-4 / 3
    torch.save({"lr": np.float64(rate)}, tmp_path / "m.pt")
    mine = np.float64(0).__reduce__()[0].__module__.encode()
    rezipped(tmp_path / "m.pt", lambda _, data: data.replace(b"c" + mine, b"c" + module))
    found = read_torch_file(tmp_path / "m.pt", allowed=WITH_NUMPY)
    assert found == {"lr": rate} and type(found["lr"]) is float


def test_what_is_not_allowed_is_named(tmp_path):
    torch.save({"lr": np.float64(1.0)}, tmp_path / "m.pt")
    with pytest.raises(InputError, match=r"multiarray\.scalar is not part of such a checkpoint"):
        read_torch_file(tmp_path / "m.pt")
    torch.save({"lr": np.complex64(1.0)}, tmp_path / "m.pt")
    with pytest.raises(InputError, match="other than that of a number"):
        read_torch_file(tmp_path / "m.pt", allowed=WITH_NUMPY)


def test_torch_still_refuses_numpy_afterwards(tmp_path):
    torch.save({"lr": np.float64(1.0)}, tmp_path / "m.pt")
    read_torch_file(tmp_path / "m.pt", allowed=WITH_NUMPY)
    with pytest.raises(Exception, match="Unsupported global"):
        torch.load(tmp_path / "m.pt", weights_only=True)


def test_several_threads_may_read(tmp_path):
    torch.save({"lr": np.float64(1.0), "w": torch.zeros(9)}, tmp_path / "m.pt")
    failed = []

    def work():
        try:
            for _ in range(30):
                read_torch_file(tmp_path / "m.pt", allowed=WITH_NUMPY)
        except InputError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@needs_proc
def test_what_is_not_used_costs_no_memory(tmp_path):
    """A file of 160 MB of which a quarter is used."""
    code = """
import sys
from pathlib import Path
import torch
from samplebench.checkpoints.torch_file import read_torch_file
def peak():
    # Unlike ru_maxrss, this does not begin with the parent's.
    lines = open("/proc/self/status", encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
torch.save({}, sys.argv[1] + "/small.pt")
read_torch_file(Path(sys.argv[1] + "/small.pt"))
before = peak()
found = read_torch_file(Path(sys.argv[1] + "/large.pt"))
found["used"].sum()
print((peak() - before) / (4 * found["used"].numel()))
"""
    used, other = torch.ones(10_000_000), torch.ones(30_000_000)
    torch.save({"used": used, "other": other}, tmp_path / "large.pt")
    command = [sys.executable, "-c", code, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    (tmp_path / "large.pt").unlink()
    assert float(run.stdout) < 1.5

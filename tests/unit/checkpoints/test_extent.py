"""Memory and time that reading may take: bounded by what a file holds and its network needs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from samplebench.checkpoints.catalog import checkpoint
from samplebench.checkpoints.edm_pickle import read
from samplebench.checkpoints.weights import assign
from samplebench.errors import InputError

_spec = importlib.util.spec_from_file_location("opcodes", Path(__file__).with_name("opcodes.py"))
op = sys.modules["opcodes"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(op)

MEASURE = """
import json, sys, time
import torch
import samplebench as sb
from samplebench.errors import InputError
from samplebench.doctor.memory import peak_bytes
path, format, config = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
before, start, said = peak_bytes(), time.process_time(), "read"
try:
    sb.load(path, format=format, config=config, device="cpu")
except InputError as error:
    said = str(error)
print(json.dumps([said, time.process_time() - start, peak_bytes() - before]))
"""


def measured(path, format, config):
    """(message or "read", seconds, bytes of memory) of loading a file in a process of its own."""
    command = [sys.executable, "-c", MEASURE, str(path), format, json.dumps(config)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


SHARED = {
    "expanded": torch.zeros(6).expand(6, 6),
    "within itself": torch.zeros(11).as_strided((6, 6), (1, 1)),
    "a single number": torch.zeros(1).as_strided((6, 6), (0, 0)),
    "of one storage": None,
}


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.float64])
@pytest.mark.parametrize("name", SHARED)
def test_tensors_that_share_numbers_are_refused(name, dtype):
    with torch.device("meta"):
        network = torch.nn.ModuleDict({str(i): torch.nn.Linear(6, 6) for i in range(9)})
    base, wanted = torch.zeros(64, dtype=torch.float16), network.state_dict()
    if SHARED[name] is None:
        tensors = {n: base[: t.numel()].view(t.shape) for n, t in wanted.items()}
    else:
        tensors = {n: torch.zeros(t.shape) for n, t in wanted.items()} | {"0.weight": SHARED[name]}
    with pytest.raises(InputError, match="they share storage"):
        assign(network, tensors, Path("w.pt"), dtype=dtype)


def test_views_of_one_buffer_that_do_not_overlap_are_weights():
    with torch.device("meta"):
        network = torch.nn.Linear(6, 6)
    flat = torch.arange(42.0)
    assign(network, {"weight": flat[:36].view(6, 6), "bias": flat[36:]}, Path("w.pt"))
    assert torch.equal(network.bias, flat[36:])


@pytest.mark.parametrize("letters", ["x", "\xe9", "\x00\xff"])
def test_bytes_that_protocol_2_wrote_as_text(tmp_path, letters):
    """Longer than a piece, pieces that end within a letter among them."""
    count = ((2 << 20) + 12) // 4 // len(letters) * len(letters)
    data = (letters * (4 * count))[: 4 * count].encode("latin-1")
    stream = op.stream(elements=count, count=count, data=data)
    found = op.call(op.name("_codecs:encode"), stream.decode("latin-1"), "latin1")
    weight = op.parameter(op.tensor(op.storage(found), size=(count,), stride=(1,)))
    (tmp_path / "n.pkl").write_bytes(op.file(op.network(op.linear(weight))))
    (tensor,) = read(tmp_path / "n.pkl").tensors.values()
    assert tensor.numpy().tobytes() == data


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["x", "\xe9"])
def test_a_long_text_is_held_once(tmp_path, letter, record_property):
    path, size = tmp_path / "n.pkl", 300 << 20
    with path.open("wb") as file:
        encode = op.name("_codecs:encode").code
        file.write(b"\x80\x04}(" + op.text("a") + encode + b"(\x8d" + size.to_bytes(8, "little"))
        piece = letter.encode() * ((1 << 20) // len(letter.encode()))
        for _ in range(300):
            file.write(piece)
        file.write(op.text("latin1") + b"tR" + op.text("ema") + op.NETWORK.code + b"u.")
    said, seconds, memory = measured(path, "edm", {})
    record_property("memory", memory / size)
    assert "lacks its argument" in said
    assert seconds < 20
    assert memory < 1.2 * size


@pytest.mark.slow
def test_half_precision_views_are_not_copied(tmp_path):
    """A file of 9 MB that would fill 2 GB."""
    base = torch.zeros(4_500_000, dtype=torch.float16)
    entry = checkpoint("digits-adm")
    with torch.device("meta"):
        from samplebench.adapters.openai.flags import unet

        names = list(unet(entry.config["family"], entry.config).state_dict())
    torch.save({f"{name}": base for name in names}, tmp_path / "w.pt")
    said, seconds, memory = measured(tmp_path / "w.pt", "openai", dict(entry.config))
    assert "has shape [4500000]" in said
    assert seconds < 20
    assert memory < 100 << 20


@pytest.mark.slow
def test_ten_thousand_streams_of_idle_opcodes(tmp_path):
    """All of one text: 40 kB of file per thousand."""
    idle = op.Raw(op.code(op.SYSTEM) + b"q\x00" * 850)
    stream = op.stream(system=idle, elements=0, count=0, data=b"")
    first = op.call(op.LOAD, op.Raw(op.code(stream) + b"r\x90\x5f\x01\x00")).code
    again = op.call(op.LOAD, op.Raw(b"j\x90\x5f\x01\x00")).code * 9998
    (tmp_path / "n.pkl").write_bytes(op.file(loss_fn=op.Raw(b"(" + first + again + b"t")))
    said, seconds, memory = measured(tmp_path / "n.pkl", "edm", {})
    assert "lacks its argument" in said
    assert seconds < 20
    assert memory < 100 << 20

"""Genuine files of every container, damaged at random: read or refused; nothing else happens."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import sys
import threading
import time
import zipfile
from collections import Counter, OrderedDict
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from samplebench.checkpoints import ddim_file, edm_pickle, flax_msgpack, openai_file, score_sde_file
from samplebench.checkpoints.edm_families import EDM2
from samplebench.doctor.memory import peak_bytes
from samplebench.errors import InputError
from samplebench.files.archives import Unreadable
from samplebench.references.pickled import gaussian


def sibling(module: str):
    """A helper beside this file."""
    spec = importlib.util.spec_from_file_location(module, Path(__file__).with_name(f"{module}.py"))
    found = sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


op = sibling("opcodes")
flax_writer = sibling("flax_writer")
edm2_writer = sibling("edm2_writer")

# What reading a file never needs.
FORBIDDEN = re.compile(
    r"exec|compile|import|marshal\.|pickle\.|os\.(exec|fork|posix|spawn|system|remove|rename|mkdir)"
    r"|subprocess\.|socket\.|ctypes\.|code\.|shutil\.|urllib\.|webbrowser\."
)


class Watch:
    """What this thread does while `path` is set, beyond opening that file."""

    def __init__(self) -> None:
        self.path, self.deeds = "", []
        self.thread = threading.get_ident()
        # It cannot be taken away again; without a path it does nothing.
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.path or threading.get_ident() != self.thread:
            return
        if event == "open" and str(arguments[0]) == self.path:
            return
        if event == "open" or FORBIDDEN.match(event):
            self.deeds.append(f"{event} {arguments!r}"[:200])


@pytest.fixture(scope="module")
def watch():
    found = Watch()
    yield found
    found.path = ""


STATE = OrderedDict([("a.weight", torch.randn(3, 2, 1, 1)), ("a.bias", torch.randn(3))])
MODULE = OrderedDict((f"module.{name}", tensor) for name, tensor in STATE.items())
GROUP = {"lr": np.float64(2e-4), "betas": (0.9, 0.999), "params": [0, 1]}
MOMENTS = {"state": {0: {"step": 3, "exp_avg": torch.ones(3)}}, "param_groups": [GROUP]}
SDE = {
    "optimizer": MOMENTS,
    "model": OrderedDict([("module.sigmas", torch.ones(4)), *MODULE.items()]),
    "ema": {"decay": 0.999, "num_updates": 3, "shadow_params": list(STATE.values())},
    "step": 3,
}


def saved(content, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def pickle_of(content) -> bytes:
    with zipfile.ZipFile(io.BytesIO(saved(content))) as archive:
        return archive.read("archive/data.pkl")


def repacked(content):
    """`repacked(content)(pickle)`: the zip file with another pickle and right checksums."""
    with zipfile.ZipFile(io.BytesIO(saved(content))) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}

    def pack(pickle: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in records.items():
                archive.writestr(name, pickle if name == "archive/data.pkl" else data)
        return file.getvalue()

    return pack


def flax() -> bytes:
    number = np.array(7, np.int32)
    weights = {"kernel": np.ones((2, 3), np.float32), "bias": np.ones(1, np.float32)}
    state = {"step": number, "optimizer": {"target": {"Dense_0": weights}, "state": {"x": number}}}
    state |= {"ema_rate": np.array(0.9999, np.float32), "params_ema": {"Dense_0": weights}}
    return b"".join(flax_writer.writer.packed(state))


def openai(path):
    return openai_file.read(path, STATE.keys())


EDM2_KWARGS = {"model_channels": 8, "channel_mult": [1], "num_blocks": 1, "attn_resolutions": []}
EDM2_KWARGS |= {"img_resolution": 2, "img_channels": 1, "label_dim": 2, "logvar_channels": 2}


def edm2() -> bytes:
    """A network of latents: its encoder holds arrays."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.pkl"
        tensors = edm2_writer.random_state(EDM2_KWARGS)
        edm2_writer.write(path, tensors, EDM2_KWARGS, latent=True, source="# source")
        return path.read_bytes()


def statistics() -> bytes:
    moments = {"mu": np.ones(3), "sigma": np.eye(3)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ref.pkl"
        edm2_writer.dump(path, {"num_images": 9, "fid": moments, "fd_dinov2": moments})
        return path.read_bytes()


def moments_of(path):
    try:
        return gaussian(path, "fid")
    except Unreadable as error:
        raise InputError(f"{path.name}: {error}") from None


WRAPPED = {"model": MODULE, "step": 3, "optimizer": MOMENTS}
# Container -> a genuine file, its reader.
CONTAINERS = {
    "edm": (op.file(), edm_pickle.read),
    "edm2": (edm2(), partial(edm_pickle.read, family=EDM2)),
    "edm2-statistics": (statistics(), moments_of),
    "openai-zip": (saved(WRAPPED), openai),
    "openai-legacy": (saved(WRAPPED, False), openai),
    "ddim-zip": (saved([MODULE, MOMENTS, 1, 2, STATE]), ddim_file.read),
    "ddim-legacy": (saved([MODULE, MOMENTS, 1, 2, STATE], False), ddim_file.read),
    "score-sde-zip": (saved(SDE), score_sde_file.read),
    "score-sde-legacy": (saved(SDE, False), score_sde_file.read),
    "gddim": (flax(), flax_msgpack.read),
    # The pickle in a zip file: there a checksum would give most of the damage away.
    "openai-pickle": (pickle_of(WRAPPED), openai),
    "score-sde-pickle": (pickle_of(SDE), score_sde_file.read),
}
PACK = {"openai-pickle": repacked(WRAPPED), "score-sde-pickle": repacked(SDE)}


def damaged(data: bytes, random: Random) -> bytes:
    """One to four changes: bytes replaced, cut out, repeated, lengths made huge, the end gone."""
    found = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at, count = random.randrange(len(found)), random.choice([1, 1, 1, 2, 4, 8, 40])
        piece = bytes(found[at : at + count])
        match random.randrange(6):
            case 0 | 1:
                found[at : at + 1] = bytes([random.randrange(256)])
            case 2:
                found[at : at + count] = random.choice([b"\xff", b"\x7f", b"\0"]) * len(piece)
            case 3:
                del found[at : at + count]
            case 4:
                found[at:at] = piece * random.choice([1, 3, 30])
            case 5:
                other = random.randrange(len(found))
                found[other : other + len(piece)] = piece
        found = found or bytearray(b"\0")
    if random.random() < 0.1:
        del found[random.randrange(len(found)) :]
    return bytes(found)


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_damaged_file_is_read_or_refused(
    name, tmp_path, watch, mutations, capsys, record_property
):
    (data, read), pack = CONTAINERS[name], PACK.get(name, bytes)
    path, random, ended = tmp_path / "damaged", Random(name), Counter()
    path.write_bytes(pack(data))
    read(path)  # imports what is needed; zip files name their codec
    "x".encode("cp437")
    watch.deeds.clear()
    before, longest, message = peak_bytes(), 0.0, path.name
    for _ in range(mutations):
        path.write_bytes(pack(damaged(data, random)))
        start, watch.path = time.process_time(), str(path)
        try:
            read(path)
            ended["read"] += 1
        except InputError as error:
            ended["refused"] += 1
            message = str(error)
        finally:
            watch.path = ""
        longest = max(longest, time.process_time() - start)
        assert message.isprintable() and path.name in message and len(message) < 600
    assert watch.deeds == []
    assert ended["refused"] > mutations / 3
    assert longest < 20
    assert peak_bytes() - before < 1 << 30
    record_property("mutations", json.dumps({"container": name, **ended}))
    with capsys.disabled():
        print(f"\n{name}: {dict(ended)}, longest {longest:.2f} s", end="")


def test_the_watch_sees_what_runs(tmp_path, watch):
    """Else the others would prove nothing."""
    import pickle

    path = tmp_path / "x"
    path.write_bytes(op.pickled(op.call(op.name("builtins:eval"), "1")))
    watch.path = str(path)
    with path.open("rb") as file:
        pickle.load(file)
    watch.path = ""
    assert watch.deeds[0].startswith("pickle.find_class ('builtins', 'eval')")
    watch.deeds.clear()

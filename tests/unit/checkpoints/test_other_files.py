"""Files that are not what was asked for: what is said, and that they are not trusted."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

import samplebench as sb
from samplebench.checkpoints.catalog import catalog
from samplebench.checkpoints.local import artefact, local_file
from samplebench.download import trust
from samplebench.errors import InputError, UsageError
from samplebench.networks.preconditioning import preconditioner

_spec = importlib.util.spec_from_file_location("genuine", Path(__file__).with_name("genuine.py"))
genuine = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(genuine)

NETWORK = {
    "model_type": "SongUNet",
    "img_resolution": 8,
    "img_channels": 3,
    "label_dim": 4,
    "model_channels": 8,
    "channel_mult": [1],
    "num_blocks": 1,
    "attn_resolutions": [],
}
TABLES = """
[here]
format = "edm"
location = "network.pkl"
shape = [3, 8, 8]
num_classes = 4

[released]
format = "edm"
location = "https://files.invalid/network.pkl"
shape = [3, 8, 8]
structure = "STRUCTURE"
"""


def write(path, seed=0, dtype=torch.float32, **changes):
    arguments = NETWORK | changes
    with torch.device("meta"):
        network = preconditioner("EDMPrecond", arguments)
    draw = torch.Generator().manual_seed(seed)
    tensors = {
        name: (8 * torch.randn(t.shape, generator=draw)).to(dtype)
        for name, t in network.state_dict().items()
    }
    genuine.write(path, tensors, "EDMPrecond", arguments)
    return path


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """`tables(text)`: the catalogue with these; `network.pkl` is the file of both."""
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "network.pkl")
    model = sb.load(tmp_path / "network.pkl", format="edm", device="cpu")
    text = TABLES.replace("STRUCTURE", model.provenance["structure"])

    def read(old="", new=""):
        path = tmp_path / "own.toml"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return catalog(path)

    return read


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[3, 8, 8]", "[3, 16, 16]", r"makes images \[3, 8, 8\], the catalogue says \[3, 16, 16\]"),
        ("num_classes = 4", "num_classes = 10", "has 4 classes, the catalogue says 10"),
    ],
)
def test_a_table_that_says_something_else(tables, old, new, reason):
    assert sb.load(tables()["here"], device="cpu").num_classes == 4
    with pytest.raises(InputError, match=rf"here: network\.pkl {reason}"):
        sb.load(tables(old, new)["here"], device="cpu")


def test_integers_are_no_weights(tmp_path):
    path = write(tmp_path / "integers.pkl", dtype=torch.int64)
    with pytest.raises(InputError, match=r"weight holds int64; weights are floating-point") as e:
        sb.load(path, format="edm", device="cpu")
    assert "\n" not in str(e.value)


def test_a_file_by_hand_is_held_to_the_released_ones_line(tables, tmp_path):
    entry = tables()["released"]
    mine = entry.at(tmp_path / "network.pkl")
    assert local_file(mine) == tmp_path / "network.pkl"
    assert trust.record(artefact(entry).key).url == "by hand"
    other = entry.at(write(tmp_path / "other.pkl", seed=1))
    with pytest.raises(InputError, match=r"other\.pkl has sha256 .* on its first use"):
        local_file(other)


def test_what_is_not_the_model_is_not_trusted(tables, tmp_path):
    entry = tables()["released"]
    key = artefact(entry).key
    wrong = write(tmp_path / "wrong.pkl", num_blocks=2)
    with pytest.raises(InputError, match="other tensors than the released file"):
        sb.load(entry.at(wrong), device="cpu")
    assert trust.record(key) is None
    # In the cache, the message says where it is; once it is replaced, the right one is taken.
    cached = tmp_path / "cache" / "released" / "network.pkl"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(wrong.read_bytes())
    with pytest.raises(InputError, match=rf"\(move {cached} away, then fetch again\)"):
        sb.load(entry, device="cpu", offline=True)
    cached.write_bytes((tmp_path / "network.pkl").read_bytes())
    assert sb.load(entry, device="cpu", offline=True).shape == (3, 8, 8)
    assert trust.record(key).sha256


def test_a_number_is_the_noise_level_that_it_says(tables):
    model = sb.load(tables()["here"], device="cpu")
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 3])
    exact = model(x, torch.tensor(0.1, dtype=torch.float64), labels)
    assert torch.equal(model(x, 0.1, labels), exact)


def test_a_run_uses_the_precision_that_it_records(tables, tmp_path):
    """Not the file's own, which the table contradicts."""
    tables("num_classes = 4", 'num_classes = 4\ndtype = "float64"')
    said = "dtype float64: model here runs in float32, tf32, bfloat16 or float16"
    with pytest.raises(UsageError, match=said):
        sb.run(
            model="here",
            checkpoints=tmp_path / "own.toml",
            metric="fd-pixels",
            reference=_reference(tmp_path),
            nfe=5,
            num_samples=4,
            device="cpu",
            out=tmp_path / "out",
            quiet=True,
        )


def _reference(folder):
    from samplebench.features.pixels import PixelsExtractor
    from samplebench.metrics.moments import Moments
    from samplebench.references import reference as references

    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (300, 3, 8, 8), dtype=torch.uint8, generator=draw)
    moments = Moments.of(PixelsExtractor()(images).numpy())
    path = folder / "mine.reference.npz"
    references.save(path, moments, PixelsExtractor, "noise")
    return str(path)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_a_configuration_that_python_cannot_hold(tmp_path, content):
    path = tmp_path / "vp.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not JSON"):
        sb.load("digits-exact", config=path)

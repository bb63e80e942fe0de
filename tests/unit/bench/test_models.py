"""Models of the user's own in a sweep: a network in memory, a function that returns one, a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import samplebench as sb
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import catalog
from samplebench.embedded import packaged
from samplebench.errors import InputError, UsageError
from samplebench.loading.memory import identity_of
from samplebench.results.store import Store
from tests.unit.bench.folders import sweep

SHAPE = (1, 8, 8)
LEVELS = {"sigma_min": 0.002, "sigma_max": 80.0}


class Net(nn.Module):
    """Denoises a little: a convolution beside the pixels."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.norm = nn.BatchNorm2d(1)
        self.drop = nn.Dropout(dropout)
        self.gain = 1.0

    def forward(self, x, sigma, labels=None):
        scale = (1 + sigma.square()).sqrt().reshape(-1, 1, 1, 1)
        return self.gain * self.drop(torch.tanh(self.norm(self.conv(x / scale))))


def wrapped(seed: int = 0, **words):
    torch.manual_seed(seed)
    return sb.wrap(Net(**words), family="edm", config=LEVELS, shape=SHAPE)


@pytest.fixture
def images(tmp_path) -> Path:
    path = tmp_path / "real.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8))
    return path


@pytest.fixture
def words(images, tmp_path):
    return {
        "sampler": "heun", "nfe": 5, "num_samples": 24, "metric": "fd-pixels", "batch_size": 16,
        "reference": str(images), "quiet": True, "out": str(tmp_path / "out"),
    }  # fmt: skip


def planned(model, words):
    """What a run would do."""
    return make(Request.of(model=model, **{k: v for k, v in words.items() if k != "quiet"}))


def swept(model, words):
    """The rows of a run, without its page."""
    rest = {k: v for k, v in words.items() if k not in ("quiet", "out")}
    found = sweep(Path(words["out"]), model=model, **rest)
    return found.store.view(found.plan.rows).rows


def record_of(model, words):
    """Of the one cell of a run."""
    rest = {k: v for k, v in words.items() if k not in ("quiet", "out")}
    found = sweep(Path(words["out"]), model=model, **rest)
    (name,) = found.plan.cells
    return found.store.cell(name)


def cells(model, words) -> list[str]:
    """Hashes of the cells of a run."""
    return list(planned(model, words).cells)


def test_a_network_and_an_id_in_one_sweep(words):
    model = wrapped()
    rows = sb.run(model=[model, "digits-exact"], **words)
    own, other = rows["model"]
    assert own.startswith("Net-") and len(own) == len("Net-") + 8 and other == "digits-exact"
    # N is another than that of digits.
    assert rows["protocol"][0] == "custom" and rows["protocol"][1].startswith("custom:")
    assert rows["fd-pixels"].notna().all()


def test_what_a_network_is_decides_its_cell(words):
    """Weights, buffers, code and settings; not where its tensors lie in memory."""
    model = wrapped()
    (first,) = cells(model, words)
    assert cells(model, words) == cells(wrapped(), words) == [first]
    changes = {
        "a step of training": lambda net: net.conv.weight.data.mul_(1 + 1e-6),
        "a buffer": lambda net: net.norm.running_mean.add_(1e-6),
        "an attribute": lambda net: setattr(net, "gain", 1.5),
        "a hook": lambda net: net.register_forward_hook(lambda m, i, out: 2 * out),
        "a forward of its own": lambda net: setattr(net, "forward", lambda x, s, c=None: 0 * x),
    }
    seen = {first}
    for name, change in changes.items():
        model = wrapped()
        change(model.network)
        (cell,) = cells(model, words)
        assert cell not in seen, name
        seen.add(cell)
    model = sb.wrap(
        wrapped().network, family="edm", config={**LEVELS, "sigma_max": 60}, shape=SHAPE
    )
    assert cells(model, words)[0] not in seen


def test_training_goes_on(words):
    """The same object, two steps later, is another model, and the name says so."""
    model = wrapped()
    (before,) = planned(model, words).rows
    optimizer = torch.optim.SGD(model.network.parameters(), lr=0.1)
    for _ in range(2):
        model.network(torch.randn(4, *SHAPE), torch.ones(4)).square().mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    (after,) = planned(model, words).rows
    assert before.cells[0].hash != after.cells[0].hash
    assert before.columns["model"] != after.columns["model"]


def test_a_network_in_training_mode_is_told(words, refused):
    model = wrapped()
    model.network.train()
    refused(lambda: sb.run(model=model, **words), UsageError, "is in training mode")


def test_a_model_that_was_loaded(words):
    """Its protocol and reference are the catalogue's; its name is no id, as it may be altered."""
    model = sb.load("digits-edm", device="cpu")
    del words["metric"], words["reference"]
    rows = swept([model, "digits-edm"], words)
    name, own = (row["model"] for row in rows)
    assert name.startswith("digits-edm-") and own == "digits-edm"
    assert rows[0]["fd-digits"] == rows[1]["fd-digits"]


def test_the_precision_is_what_the_network_gets(words):
    """A function has no weights to tell by, released ones may be kept narrower than they run."""
    net = nn.Conv2d(1, 1, 3, padding=1)
    made = {"alpha_bar": np.linspace(0.999, 0.01, 20), "shape": SHAPE, "name": "mine"}
    rows = [
        planned(model, words).rows[0].columns["dtype"]
        for model in (
            sb.wrap(lambda x, t: net(x), predicts="eps", **made),
            sb.wrap(lambda x, t: x.double().float() * 0, predicts="eps", **made),
            sb.wrap(lambda x, s: net(x), predicts="D", process="vp", shape=SHAPE, name="mine"),
            sb.load("digits-vp", device="cpu"),
            sb.load("digits-edm", device="cpu"),
            sb.wrap(sb.load("digits-vp", device="cpu").network, predicts="D", shape=SHAPE),
        )
    ]
    assert rows == ["float32", "float64", "float32", "float32", "float32", "float32"]


def test_one_that_changes_as_it_is_asked_is_told(words):
    """Nothing of it is found again: its cells say why, and no other model's do."""

    class Counting(Net):
        calls = 0

        def forward(self, x, sigma, labels=None):
            self.calls += 1
            return super().forward(x, sigma)

    def doubts(model):
        return record_of(model, words).get("unsteady", [])

    (told,) = doubts(sb.wrap(Counting().eval(), family="edm", config=LEVELS, shape=SHAPE))
    assert "changed during sampling" in told
    assert doubts(wrapped()) == []


def test_what_another_model_made_meanwhile_answers_for_none(words, monkeypatch):
    """Weights that moved during a run leave no cell to whoever has those of before."""

    class Moving(Net):
        def forward(self, x, sigma, labels=None):
            if os.environ.get("MOVING"):
                with torch.no_grad():
                    self.conv.weight.add_(0.01)
            return super().forward(x, sigma)

    def model():
        torch.manual_seed(0)
        return sb.wrap(Moving().eval(), family="edm", config=LEVELS, shape=SHAPE, name="moving")

    first = model()
    monkeypatch.setenv("MOVING", "1")
    moved = record_of(first, words)
    monkeypatch.delenv("MOVING")
    still = record_of(model(), words)
    assert moved["cell"] == still["cell"]
    assert moved["reusable"] is False and "not_reusable" not in still


def test_what_a_process_works_out_is_no_change():
    model = sb.load("digits-bdm-exact", device="cpu")
    before = identity_of(model)
    sb.sample(model, "gddim", nfe=3, seeds=range(1), labels=[0])
    assert "_frequencies" in vars(model.process) and identity_of(model) == before


def test_a_network_that_asks_for_gradients(words):
    class Energy(Net):
        def forward(self, x, sigma, labels=None):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                energy = super().forward(x, sigma).square().sum()
                return torch.autograd.grad(energy, x)[0]

    model = sb.wrap(Energy().eval(), family="edm", config=LEVELS, shape=SHAPE)
    # A convolution of 64 pixels and 9 taps, on the way back as well.
    assert record_of(model, words)["gflop_per_evaluation"] == pytest.approx(2 * 2 * 64 * 9 / 1e9)


@pytest.mark.parametrize(
    "made",
    [
        lambda: sb.wrap(Net().eval().to("meta"), family="edm", config=LEVELS, shape=SHAPE),
        lambda: sb.load("digits-vp", device="meta"),
    ],
)
def test_shapes_without_numbers_are_refused(made, words, refused):
    model = made()
    refused(lambda: sb.run(model=model, **words), UsageError, "on the meta device")
    refused(lambda: sb.sample(model, "heun", nfe=3, seeds=[0]), UsageError, "on the meta device")


def test_it_stays_where_and_as_it_is(words, refused):
    model = wrapped()
    refused(lambda: sb.run(model=model, dtype="float64", **words), UsageError, "in float32, not in")
    (row,) = planned(model, {**words, "dtype": "float32"}).rows
    assert row.columns["dtype"] == "float32"
    wide = sb.wrap(Net().double(), family="edm", config=LEVELS, shape=SHAPE)
    assert swept(wide, words)[0]["dtype"] == "float64"


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Net(), "is not a model, it lacks shape"),
        (lambda x, sigma, labels: x, "write sb.wrap(network"),
    ],
)
def test_no_model(model, text, words, refused):
    refused(lambda: sb.run(model=model, **words), UsageError, text)


def test_n_and_a_reference_are_said(words, refused):
    rest = {k: v for k, v in words.items() if k != "num_samples"}
    refused(lambda: sb.run(model=wrapped(), **rest), UsageError, "add --num-samples")
    rest = {k: v for k, v in words.items() if k != "reference"}
    refused(lambda: sb.run(model=wrapped(), **rest), UsageError, "--reference")


MODULE = """
import torch
from torch import nn
import samplebench as sb

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
    def forward(self, x, sigma, labels=None):
        return torch.tanh(self.conv(x / (1 + sigma.square()).sqrt().reshape(-1, 1, 1, 1)))

def make_model():
    torch.manual_seed(SEED)
    levels = {"sigma_min": 0.002, "sigma_max": 80.0}
    return sb.wrap(Net(), family="edm", config=levels, shape=(1, 8, 8))

def fails():
    raise ValueError("no weights here")

def other():
    return 3

there = make_model()
"""


def test_a_function_that_returns_a_model(words, tmp_path, monkeypatch, refused):
    place = tmp_path / "nets.py"
    place.write_text(MODULE.replace("SEED", "0"))
    (first,) = cells(f"{place}:make_model", words)
    # The file is read anew, and equal weights are the same cell.
    assert cells(f"{place}:make_model", words) == [first]
    place.write_text(MODULE.replace("SEED", "1"))
    assert cells(f"{place}:make_model", words) != [first]
    (tmp_path / "own_nets.py").write_text(MODULE.replace("SEED", "0"))
    monkeypatch.syspath_prepend(tmp_path)
    assert len(cells("own_nets:make_model", words)) == 1
    run = lambda name: sb.run(model=f"{place}:{name}", **words)  # noqa: E731
    refused(lambda: run("fails"), UsageError, "failed (ValueError: no weights here)")
    refused(lambda: run("other"), UsageError, "is not a model")
    refused(lambda: run("there"), UsageError, "is a model already")
    refused(lambda: sb.run(model="samplebench:load", **words), UsageError, "failed (TypeError")
    refused(lambda: run("make_modl"), UsageError, "did you mean 'make_model'")
    refused(lambda: sb.run(model=str(place), **words), UsageError, f"{place}:make_model")
    assert sb.load(f"{place}:make_model").shape == SHAPE


def test_a_file_without_a_catalogue(words, tmp_path, refused):
    """What the file and its config say is all that a sweep needs."""
    entry = catalog()["digits-adm"]
    file, config = tmp_path / "mine.pt", tmp_path / "flags.json"
    file.write_bytes(packaged("digits-adm.pt").read_bytes())
    config.write_text(json.dumps(dict(entry.config)))
    own = {"format": "openai", "model_config": str(config)}
    (known,) = planned(str(file), {**words, **own}).models
    assert (known.id, known.shape) == ("mine.pt", entry.shape)
    both = {**words, "sampler": ["respaced", "heun"]}
    rows = swept(str(file), {**both, **own})
    assert [(row["model"], row["sampler"]) for row in rows] == [
        ("mine.pt", "respaced"),
        ("mine.pt", "heun"),
    ]
    # The same weights under their id: the same images.
    same = swept("digits-adm", {**both, "protocol": "edm"})
    assert [row["fd-pixels"] for row in same] == [row["fd-pixels"] for row in rows]
    plain = {k: v for k, v in words.items() if k != "quiet"}
    refused(lambda: make(Request.of(model=str(file), **plain)), UsageError, "name its format")
    bare = {"format": "openai", "model_config": {}}
    refused(lambda: make(Request.of(model=str(file), **bare, **plain)), InputError, "family")
    gone = str(tmp_path / "gone.pt")
    refused(lambda: make(Request.of(model=gone, **own, **plain)), InputError, "does not exist")
    refused(
        lambda: make(Request.of(model=[str(file), "digits-exact"], **own, **plain)),
        UsageError, "name the one model",
    )  # fmt: skip
    refused(
        lambda: make(Request.of(model="digits-exact", format="openai", **plain)),
        UsageError, "has format exact, not openai",
    )  # fmt: skip


def test_no_name_of_the_catalogue(tmp_path, words, refused):
    """Published values of a released model are never set beside another file."""
    file = tmp_path / "digits-edm"
    file.write_bytes(packaged("digits-edm.pkl").read_bytes())
    run = lambda: sb.run(model=str(file), format="edm", **words)  # noqa: E731
    refused(run, UsageError, "has the name of a catalogue model")


def test_the_folder_of_results():
    assert make(Request.of(model="digits-exact,digits-edm")).folder == Path(
        "reports/digits-exact+digits-edm"
    )
    assert make(Request.of(model="digits-exact", out="here")).folder == Path("here")


@pytest.mark.parametrize("role", ["model", "guide"])
def test_a_file_that_changes_after_it_was_planned(role, words, tmp_path, monkeypatch, refused):
    """Its cells would be told as those of the file before."""
    file = tmp_path / "mine.pkl"
    file.write_bytes(packaged("digits-edm.pkl").read_bytes())
    if role == "model":
        words["model"] = str(file)
    else:
        words |= {"model": "digits-exact-uncond", "guidance": "auto", "guidance_scale": 2}
        words["guiding_model"] = str(file)
    noted = Store.add_request

    def meanwhile(*args):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1  # of a weight
        file.write_bytes(content)
        noted(*args)

    monkeypatch.setattr(Store, "add_request", meanwhile)
    refused(lambda: sb.run(**words), InputError, "mine.pkl: its file has changed since")
    monkeypatch.undo()
    assert not list(Path(words["out"], "cells").glob("*.json"))

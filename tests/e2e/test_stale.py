"""No number answers for other code: runs into one folder while the user's code changes."""

from __future__ import annotations

import functools
import json
import sys
import threading
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.results.store import Store
from samplebench.results.view import caveats

WORDS = {"nfe": 3, "num_samples": 70, "quiet": True}
FACTOR = 1.0
EXTRA = 0
LOCK = threading.Lock()


def euler(model, x, grid):
    for sigma, sigma_next in pairwise(grid.tolist()):
        denoised = model(x, sigma)
        x = denoised + sigma_next / sigma * (x - denoised)
    return FACTOR * x


def plain(model, x, grid, *, noise=None, callback=None):
    return euler(model, x, grid)


def scaled(model, x, grid, *, noise=None, callback=None, by=1.0, table=None):
    return by * euler(model, x, grid)


def locked(model, x, grid, *, noise=None, callback=None):
    with LOCK:
        return euler(model, x, grid)


def longer(model, x, grid, *, noise=None, callback=None):
    for _ in range(EXTRA):
        model(x, 1.0)
    return euler(model, x, grid)


@dataclass
class Tool:
    """Has no hash, as its equality is that of its fields."""

    by: float = 1.0

    def __call__(self, model, x, grid, *, noise=None, callback=None):
        return self.by * euler(model, x, grid)

    def step(self, model, x, grid, *, noise=None, callback=None):
        return self(model, x, grid)


class Slim(torch.nn.Module):
    """In k-diffusion's form, with a parameter and a weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, model, x, sigmas, by=1.0):
        return by * self.weight * euler(model, x, sigmas)


@pytest.fixture(autouse=True)
def own_registries(monkeypatch):
    """What is registered here is forgotten afterwards."""
    for kind in ("samplers", "discretizations", "metrics", "extractors", "adapters"):
        each = getattr(registry, kind)
        each.names()
        monkeypatch.setattr(each, "_entries", dict(each._entries))
        monkeypatch.setattr(each, "_added", set(each._added))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run(sampler)`: value and cell of each row, always into the same folder, without a page."""
    monkeypatch.setattr("samplebench.report.write_report", lambda view, out: None)

    def run(sampler, **words):
        frame = sb.run(sampler=sampler, out=str(tmp_path / "out"), **{**WORDS, **words})
        return list(zip(frame["fd-digits"], frame["cell"], strict=True))

    return run


def plan(**words):
    return planning.make(Request.of(**{"nfe": 3, "num_samples": 70, **words}))


def cells(**words):
    return list(plan(**words).cells.values())


def scores(**words):
    return [score for row in plan(**words).rows for each in row.scores.values() for score in each]


def test_a_changed_global_gets_a_new_value(run, monkeypatch, tmp_path):
    (before,) = run(plain)
    assert run(plain) == [before]
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells").glob("*.json")}
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 1.5)
    (after,) = run(plain)
    assert after[0] != pytest.approx(before[0], rel=0.1) and after[1] != before[1]
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 1.0)
    assert run(plain) == [before]
    assert {p: p.stat().st_mtime_ns for p in written} == written


def test_state_behind_a_method_gets_a_new_value(run):
    tool = Tool()
    (before,) = run(tool.step)
    tool.by = 1.5
    (after,) = run(tool.step)
    assert after[0] != pytest.approx(before[0], rel=0.1) and after[1] != before[1]


def test_every_kind_of_callable_is_a_sampler(run):
    found = run(
        [
            plain,
            lambda model, x, grid, noise=None, callback=None: euler(model, x, grid),
            functools.partial(scaled, by=1.0),
            functools.partial(scaled, table=torch.ones(2)),
            Tool(),
            Tool().step,
            Slim(),
        ]
    )
    assert len({cell for _, cell in found}) == 7
    assert {value for value, _ in found} == {found[0][0]}


@pytest.mark.parametrize(
    ("sampler", "name"),
    [
        (functools.partial(scaled, by=1.5), "scaled(by=1.5)"),
        (functools.partial(scaled, table=torch.ones(2)), "scaled(table=Tensor)"),
        (Tool(1.5), "Tool"),
        (Tool(1.5).step, "Tool.step"),
        (Slim(), "Slim"),
    ],
    ids=["partial", "tensor", "object", "method", "network"],
)
def test_its_name_and_its_samples(sampler, name):
    planned = planning.make(Request.of(sampler=[sampler, sampler], nfe=3))
    assert [row.columns["sampler"] for row in planned.rows] == [f"{__name__}:{name}"]
    assert planned.request.words()["sampler"] == [f"{__name__}:{name}"]
    model = sb.load("digits-exact")
    expected = sb.sample(model, plain, steps=3, seeds=[1, 2])
    factor = 1.5 if "table" not in name and name != "Slim" else 1.0
    assert torch.equal(sb.sample(model, sampler, steps=3, seeds=[1, 2]), factor * expected)


def test_parameters_of_a_network_are_swept_over():
    planned = planning.make(
        Request.of(sampler=Slim(), nfe=3, param={f"{__name__}:Slim.by": [1, 2]})
    )
    assert [row.columns["params"] for row in planned.rows] == ["", "by=2"]


def test_callables_of_one_name_are_told_apart_once_named():
    one, other = Tool(1.0), Tool(2.0)
    with pytest.raises(UsageError, match="rename one"):
        cells(sampler=[one, other])
    other.__qualname__ = "Tool-2"
    assert len(cells(sampler=[one, other])) == 2


def test_what_cannot_be_told_apart_is_computed_anew(run, tmp_path, capsys):
    (before,) = run(locked)
    (after,) = run(locked)
    assert after[0] == before[0] and after[1] != before[1]
    view = Store(tmp_path / "out").view()
    (record,) = view.cells.values()
    assert record["reusable"] is False
    said = f"sampler {__name__}:locked, global 'LOCK' of {__name__}: a _thread.lock has no"
    assert record["not_reusable"].startswith(said)
    assert any(text.startswith("computed again in every run: sampler") for text in caveats(record))
    path = f"{__name__}:locked"
    words = ["--sampler", path, "--nfe", "3", "--num-samples", "70", "--out", str(tmp_path / "out")]
    assert main(["run", "--dry-run", "--json", *words]) == 0
    assert [row["cells"] for row in json.loads(capsys.readouterr().out)] == ["0/1 done"]
    assert main(["run", *words]) == 0
    assert f"note: computed again in every run: {said}" in capsys.readouterr().err


def test_a_patched_attribute_is_seen_behind_its_path(monkeypatch):
    path = f"{__name__}:plain"
    before = [cell.hash for cell in cells(sampler=path)]
    assert [cell.hash for cell in cells(sampler=path)] == before
    monkeypatch.setattr(sys.modules[__name__], "plain", scaled)
    assert [cell.hash for cell in cells(sampler=path)] != before
    monkeypatch.undo()
    other = functools.partial(scaled, by=2.0)
    other.__qualname__, other.__module__ = "plain", __name__  # a bare callable of that name
    assert [cell.hash for cell in cells(sampler=other)] != before
    assert [cell.hash for cell in cells(sampler=path)] == before


def test_evaluations_are_counted_anew(monkeypatch):
    assert [cell.nfe for cell in cells(sampler=longer, nfe=6)] == [6]
    monkeypatch.setattr(sys.modules[__name__], "EXTRA", 2)
    (cell,) = cells(sampler=longer, nfe=6)
    assert (cell.nfe, cell.conditions["steps"]) == (6, 4)


def test_a_wrapper_in_the_name_of_ours_is_the_users_code():
    heun = registry.samplers.get("heun")

    @registry.samplers.register("own")
    @functools.wraps(heun)
    def wrapped(*args, **words):
        return FACTOR * heun(*args, **words)

    assert not registry.samplers.entry("own").builtin
    (cell,) = cells(sampler="own")
    assert "sampler_code" in cell.conditions


LIMIT = 0.1


def levels(steps, *, sigma_min=0.02, sigma_max=80.0, low=1.0):
    import numpy as np

    return np.geomspace(sigma_max, sigma_min, steps) * FACTOR


def lowest(low=1.0):
    return LIMIT * low


def adapted(path, config, *, device, dtype):
    model = registry.adapters.get("exact")(path, config, device=device, dtype=dtype)
    model.bandwidth *= FACTOR
    return model


def own_metric(moments, reference):
    return {"value": FACTOR * float(moments.mean[0])}


class OwnExtractor(registry.extractors.get("digits")):
    def __call__(self, images):
        return FACTOR * super().__call__(images)


def of_discretization(tmp_path):
    registry.discretizations.register("own", lowest=lowest)(levels)
    return {"discretization": "own"}


def of_adapter(tmp_path):
    registry.adapters.register("own")(adapted)
    table = (
        '[own]\nformat = "own"\nlocation = "own.npz"\nprotocol = "digits"\nshape = [1, 8, 8]\n'
        'reference = "digits-kde"\nnum_classes = 10\ndtype = "float64"\n'
        "config = { bandwidth = 0.2 }\n"
    )
    (tmp_path / "own.toml").write_text(table)
    (tmp_path / "own.npz").write_bytes(b"not looked at before it is loaded")
    return {"model": "own", "checkpoints": str(tmp_path / "own.toml")}


def of_metric(tmp_path):
    registry.metrics.register("own", extractor="digits")(own_metric)
    return {"metric": "own"}


def of_extractor(tmp_path):
    entry = registry.extractors.entry("digits")
    registry.extractors._entries["digits"] = replace(entry, obj=OwnExtractor, builtin=False)
    return {}


@pytest.mark.parametrize("kind", [of_discretization, of_adapter, of_metric, of_extractor])
@pytest.mark.parametrize("change", ["FACTOR", "LIMIT"])
def test_other_code_than_a_samplers_counts(kind, change, tmp_path, monkeypatch):
    """Of images or of scores: these do not sample anything again."""
    words = {"sampler": "euler", **kind(tmp_path)}

    def names():
        return [[one.hash for one in found(**words)] for found in (cells, scores)]

    images, values = names()
    assert names() == [images, values]
    monkeypatch.setattr(sys.modules[__name__], change, 0.5)
    reached = change == "FACTOR" or kind is of_discretization
    of_images = kind in (of_discretization, of_adapter)
    after = names()
    assert (after[0] != images) == (reached and of_images)
    assert (after[1] != values) == reached

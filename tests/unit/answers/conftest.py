"""A sweep of one or two cells in which a network, sampler, extractor and metric are of others."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import samplebench.cli
import samplebench.report
from samplebench.cli import main
from samplebench.metrics.moments import Moments
from samplebench.models.model import Model
from samplebench.references import reference as references
from samplebench.registry import adapters, extractors, metrics, samplers

N, BLOCK, DIM = 12, 8, 64
# Made once: it takes longer than one of the sweeps.
PARSER = cache(samplebench.cli.parser)


class Net(Model):
    """The exact denoiser of unit normal pixels, its answer changed by `fault(net, x, answer)`."""

    shape = (1, 8, 8)
    sigma_min, sigma_max = 0.002, 80.0
    device, state_dtype = torch.device("cpu"), torch.float64

    def __init__(self, fault):
        self.fault, self.calls, self.memory = fault, 0, None
        self.network = None

    def __call__(self, x, sigma, labels=None):
        self.calls += 1
        self.sigma = float(sigma)
        return self.fault(self, x, x / (1 + sigma**2))


def euler(model, x, grid, *, noise=None, callback=None):
    for sigma, after in pairwise(grid.tolist()):
        denoised = model(x, sigma)
        x = denoised + after / sigma * (x - denoised)
    return x


def pixels(images):
    return images.flatten(1).double() / 255


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Of the extractor called faulty: unit normal pixels."""
    path = tmp_path_factory.mktemp("reference") / "mine.reference.npz"
    rows = np.random.Generator(np.random.Philox(0)).standard_normal((200, DIM))
    made = SimpleNamespace(name="faulty", weights_sha256="0" * 64)
    return references.save(path, Moments.of(rows), made, "200 draws")


def read(folder):
    texts = [path.read_text() for path in sorted(folder.glob("*.json"))]
    assert not any(word in text for text in texts for word in ("NaN", "Infinity"))
    return [json.loads(text) for text in texts]


@pytest.fixture
def sweep(reference, tmp_path, monkeypatch, capsys):
    """`sweep(network=..., sampler=...)`: exit code, stderr, by sampler the cell's record and score.

    All four are entries of the registries for as long as the test runs.
    """
    (tmp_path / "net.bin").write_bytes(b"weights")
    (tmp_path / "own.toml").write_text(
        '[own]\nformat = "faulty"\nlocation = "net.bin"\nshape = [1, 8, 8]\nprotocol = "digits"\n'
    )
    monkeypatch.setattr(samplebench.cli, "parser", PARSER)
    monkeypatch.setattr(samplebench.report, "write_report", lambda *given, **words: {})

    def file(registry, function, **facts):
        registry._load()
        entry = registry.made("faulty", function, **facts)
        monkeypatch.setitem(registry._entries, "faulty", entry)

    def run(
        network=lambda net, x, a: a,
        sampler=lambda x: x,
        extractor=lambda images, found: found,
        metric=float,
        names="euler",
        words=(),
    ):
        class Extractor:
            name, feature_dim, weights_sha256 = "faulty", DIM, "0" * 64

            def __init__(self, device):
                pass

            def __call__(self, images):
                return extractor(images, pixels(images))

        def faulty(model, x, grid, *, noise=None, callback=None):
            return sampler(euler(model, x, grid))

        file(adapters, lambda path, config, *, device, dtype: Net(network))
        file(samplers, faulty)
        file(extractors, Extractor)
        file(metrics, lambda moments, reference: metric(float(moments.mean.sum())),
             extractor="faulty")  # fmt: skip
        code = main([
            "run", "--checkpoints", str(tmp_path / "own.toml"), "--model", "own",
            "--sampler", names, "--nfe", "3", "--metric", "faulty", "--reference",
            str(reference.path), "--num-samples", str(N), "--batch-size", str(BLOCK),
            "--device", "cpu", "--out", str(tmp_path / "out"), *words,
        ])  # fmt: skip
        records, scores = (read(tmp_path / "out" / name) for name in ("cells", "scores"))
        of = {score["conditions"]["cell"]: score for score in scores}
        assert of.keys() == {record["cell"] for record in records}
        said = capsys.readouterr()
        assert "Traceback" not in said.err and "defect" not in said.err
        return code, said.err, {r["conditions"]["sampler"]: (r, of[r["cell"]]) for r in records}

    run.out = tmp_path / "out"
    return run

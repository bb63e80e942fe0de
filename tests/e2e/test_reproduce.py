"""A published value of a released checkpoint, measured again from a local server to both pages.

The files are made here: genuine containers around small networks of random weights, so that the
value is far off, and is said to be.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from samplebench.checkpoints import catalog
from samplebench.checkpoints.local import artefact
from samplebench.cli import main
from samplebench.download.address import address
from samplebench.features import inception_weights
from samplebench.features.inception import InceptionExtractor
from samplebench.references import reference as references
from tests.e2e.pages import NEEDS_CHROMIUM, head, shown_rows

ROOT = Path(__file__).parents[2]
PRESET = "baseline-cifar10-32x32-uncond-vp/heun/35"
MODEL = "vp-cifar10"
SMALL = {
    "model_type": "SongUNet", "img_resolution": 32, "img_channels": 3, "model_channels": 16,
    "channel_mult": [1, 1], "num_blocks": 1,
}  # fmt: skip
FEW = ("--num-samples", "2", "--batch-size", "2")


def script(*place):
    path = ROOT.joinpath(*place)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """A folder to run in, a cache without a file, and a server that has all of them."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("reproduce")
    script("tests", "unit", "checkpoints", "genuine.py").main(
        "VPPrecond", json.dumps(SMALL), str(folder / "net.pkl")
    )
    made = script("benchmarks", "containers", "inception.py")
    torch.save(made.random_inception(), folder / "inception.pth")
    draw = np.random.default_rng(0)
    np.savez(folder / "statistics.npz", mu=draw.random(2048), sigma=np.diag(draw.random(2048)))
    weights = (folder / "inception.pth").read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    entry = replace(catalog._shipped()[MODEL], structure="", parameters=None)
    patch.setitem(catalog._shipped(), MODEL, entry)
    table = dict(references._released()[entry.reference])
    table.pop("sha256", None)
    patch.setitem(references._released(), entry.reference, table)
    own = replace(inception_weights.WEIGHTS, sha256=digest, size=len(weights))
    patch.setattr(inception_weights, "WEIGHTS", own)
    patch.setattr(InceptionExtractor, "weights_sha256", digest)
    with script("tests", "unit", "download", "server.py").serving() as server:
        patch.setenv("SAMPLEBENCH_MIRROR", server.address)
        patch.setenv("SAMPLEBENCH_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        for one, name in (
            (own, "inception.pth"),
            (artefact(entry), "net.pkl"),
            (references.load(entry.reference).artefact, "statistics.npz"),
        ):
            content = (folder / name).read_bytes()
            server.put(address(one).removeprefix(server.address), content)
        yield folder
    patch.undo()


@pytest.fixture(scope="module")
def done(mirror):
    """The folder of results, and what reproduction.json says."""
    assert main(["reproduce", PRESET, *FEW, "--quiet"]) == 0
    folder = mirror / "reports" / "reproduce" / PRESET
    return folder, json.loads((folder / "reproduction.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_before_it_needs_a_download_and_after_it_is_ready(mirror, capsys):
    """Nothing is fetched for a dry run."""
    state = ["reproduce", PRESET, "--dry-run", "--json"]
    assert main(state) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "needs download" and len(found["downloads"]) == 3
    assert not (mirror / "cache").exists()
    assert (found["nfe_planned"], found["seeds"]) == (35, [0, 50_000, 100_000])


@pytest.mark.slow
def test_a_released_checkpoint_from_the_server_to_the_comparison(done, capsys):
    folder, found = done
    assert found["published"] == 3.01 and found["checkpoint"] == MODEL
    assert [each["seed"] for each in found["values"]] == [0, 2, 4]
    assert found["value"] == min(each["value"] for each in found["values"]) > 3.01
    assert found["difference"] == pytest.approx(found["value"] - 3.01)
    differ = {each["name"] for each in found["conditions"] if each["verdict"] == "differs"}
    assert differ == {"N", "seeds", "noise"} and found["comparable"] is False
    assert main(["reproduce", PRESET, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "ready"
    record = json.loads(next((folder / "cells").glob("*.json")).read_text())
    assert record["nfe"] == 35 and record["conditions"]["noise"] == "nvlabs"


@pytest.mark.slow
@NEEDS_CHROMIUM
def test_its_page_opens_in_a_browser(done, opened):
    folder, found = done
    with opened(folder / "reproduction.html") as page:
        assert shown_rows(page) == len(found["conditions"])
        assert page.locator("h2", has_text="Conditions").count() == 1
        assert "lowest of 3" in page.locator("header").inner_text()
        head(page, "verdict")
        first = page.locator("table.sortable tbody tr:not([hidden]) td:nth-child(2)").first
        assert first.inner_text() == "differs"

"""The catalogue: its schema, its files, tables of one's own, and files that are other ones."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from samplebench.bench.known import Known
from samplebench.checkpoints.announce import announce
from samplebench.checkpoints.catalog import (
    DEFAULT_MODEL,
    Preset,
    aliases,
    catalog,
    checkpoint,
    resolved,
)
from samplebench.checkpoints.local import artefact, digest, local_file
from samplebench.citations import uses_of_names
from samplebench.errors import InputError, UsageError
from samplebench.files.atomic import sha256
from samplebench.loading.source import source_of
from samplebench.protocols import PROTOCOLS
from samplebench.published import load as published
from samplebench.references import reference as references
from samplebench.registry import adapters
from samplebench.sampling.solver import Solver

RELEASED = [name for name, entry in catalog().items() if entry.remote]


@pytest.fixture
def written(tmp_path):
    """`written(text)`: the catalogue with another file's tables."""

    def read(text):
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return catalog(path)

    return read


@pytest.mark.parametrize("name", catalog())
def test_every_table_is_complete_and_refers_to_what_exists(name):
    entry = catalog()[name]
    assert entry.id == name and entry.summary and entry.source and entry.licence and entry.cite
    assert entry.sha256 == "" or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.format in adapters
    assert entry.protocol in PROTOCOLS
    assert entry.samplers and (entry.reference or entry.remote)
    for sampler, params in entry.params.items():
        assert sampler in entry.samplers
        assert Solver.on(Known(entry), sampler, name).effective(params)
    for preset in entry.presets.values():
        assert Solver.of(preset.sampler).stochastic(preset.params)
        assert preset.nfe > 0 and preset.source


@pytest.mark.parametrize("name", [n for n, entry in catalog().items() if entry.embedded])
def test_an_embedded_file_is_what_the_catalogue_says(name):
    entry = catalog()[name]
    assert sha256(local_file(entry)) == entry.sha256 == digest(entry)
    assert references.load(entry.reference).extractor == PROTOCOLS[entry.protocol].extractor


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_file_can_be_asked_for_and_recognised(name):
    entry = catalog()[name]
    asked = artefact(entry)
    assert asked.url == entry.location and asked.file_name == entry.file_name != ""
    assert re.fullmatch("([0-9a-f]{64})?", entry.structure)
    assert (entry.structure == "") == (entry.parameters is None)
    # Its published values are there, so that they can lie over its curve.
    known = {row.model for row in published()}
    assert set(entry.published) <= known
    # Of a network that guides there is none, nor where FD-DINOv2 alone was measured.
    assert bool(entry.published) != name.endswith(("-guide", "-dino"))
    assert set(entry.same_weights) <= known


def test_the_ids_a_user_would_type():
    for name in (
        "vp-cifar10",
        "adm-imagenet64-nvlabs",
        "adm-imagenet64",
        "iddpm-cifar10",
        "edm2-img64-s-fid",
    ):
        assert name in RELEASED
    assert catalog()["vp-cifar10"].presets["tuned"].params["S_churn"] == 30
    assert len(RELEASED) == 46
    assert sum(not catalog()[name].structure for name in RELEASED) == 6


def test_the_default_model_needs_no_download():
    assert checkpoint(DEFAULT_MODEL).embedded


def test_an_unknown_id():
    with pytest.raises(UsageError, match="unknown model 'digit-exact'; did you mean 'digits-exact"):
        checkpoint("digit-exact")


SPELLINGS = [(name, entry.id) for entry in catalog().values() for name in entry.published]


@pytest.mark.parametrize(("spelt", "own"), SPELLINGS)
def test_another_spelling_is_the_checkpoint(spelt, own):
    """Wherever an id is taken; results have the catalogue's."""
    assert resolved(spelt) == resolved(own) == own
    assert checkpoint(spelt).id == source_of(spelt).id == own
    assert uses_of_names([spelt]) == uses_of_names([own])


def test_no_spelling_means_two_checkpoints_or_hides_an_id():
    assert len(dict(SPELLINGS)) == len(SPELLINGS) == len(aliases())
    assert all(spelt == own for spelt, own in SPELLINGS if spelt in catalog())


def test_spellings_are_those_of_the_catalogue_at_hand(tmp_path):
    extra = tmp_path / "mine.toml"
    table = 'format = "exact"\nlocation = "x.npz"\nshape = [1, 8, 8]\npublished = ["mine-32x32"]\n'
    extra.write_text(f"[mine]\n{table}")
    known = catalog(extra)
    assert checkpoint("mine-32x32", known).id == source_of("mine-32x32", known).id == "mine"
    with pytest.raises(UsageError, match="unknown model 'mine-32x32'"):
        checkpoint("mine-32x32")


def test_a_file_or_folder_of_that_name_is_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / SPELLINGS[0][0]).write_bytes(b"")
    with pytest.raises(UsageError, match=r"name its format"):
        source_of(SPELLINGS[0][0])


@pytest.mark.parametrize("how", ["guidance", "cfg", "autoguidance", "guidance+upsampler"])
@pytest.mark.parametrize("name", ["adm-imagenet64", "baseline-imagenet-64x64-cond-adm"])
def test_a_guided_network_of_a_table_is_told_apart(name, how):
    own = resolved(name)
    said = re.escape(f"'{name}+{how}' is the network '{own}' with {how}")
    for ask in (checkpoint, source_of):
        with pytest.raises(UsageError, match=said):
            ask(f"{name}+{how}")
    with pytest.raises(UsageError, match="unknown model"):
        checkpoint(f"no-such-thing-at-all+{how}")


def test_a_changed_file_is_refused():
    entry = replace(checkpoint(DEFAULT_MODEL), sha256="0" * 64)
    with pytest.raises(InputError, match=r"digits\.npz has sha256 [0-9a-f]{12}\.\.\., the catal"):
        local_file(entry)


def test_a_missing_file_is_named(tmp_path):
    entry = replace(checkpoint(DEFAULT_MODEL), location="package://nothing.npz")
    with pytest.raises(InputError, match=r"nothing\.npz is missing from the installation"):
        local_file(entry)
    with pytest.raises(InputError, match=r"gone\.npz does not exist; give the file's path"):
        local_file(entry.at(tmp_path / "gone.npz"))


def test_a_download_is_announced_with_size_and_licence(tmp_path, monkeypatch):
    import io

    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("SAMPLEBENCH_MIRROR", raising=False)
    said = io.StringIO()
    announce(checkpoint("edm-cifar10-cond-vp"), said)
    first, source, target = said.getvalue().splitlines()
    assert "223.2 MB" in first and "CC-BY-NC-SA-4.0" in first
    assert source.endswith("/edm/pretrained/edm-cifar10-32x32-cond-vp.pkl")
    assert str(tmp_path / "edm-cifar10-cond-vp" / "edm-cifar10-32x32-cond-vp.pkl") in target
    announce(checkpoint(DEFAULT_MODEL), said := io.StringIO())
    assert said.getvalue() == ""


TABLE = """
[toy]
summary = "a toy"
format = "exact"
location = "toy.npz"
shape = [1, 8, 8]
"""


def test_a_file_of_ones_own_adds_to_the_catalogue(written, tmp_path):
    found = written(TABLE)
    entry = found["toy"]
    assert set(found) == {*catalog(), "toy"}
    assert (entry.id, entry.shape, entry.samplers) == ("toy", (1, 8, 8), ("euler", "heun"))
    assert entry.location == str(tmp_path / "toy.npz")
    assert entry.published == entry.same_weights == () and entry.presets == {}
    assert "toy" not in catalog()


def test_a_table_of_ones_own_in_full(written):
    text = (
        TABLE
        + 'published = ["toy-net"]\nsame_weights = ["toy-net-a", "toy-net-b"]\n'
        + '[toy.presets.mine]\nsampler = "edm"\nparams = {S_churn = 3}\nnfe = 35\nsource = "us"\n'
    )
    entry = written(text)["toy"]
    assert (entry.published, entry.same_weights) == (("toy-net",), ("toy-net-a", "toy-net-b"))
    assert entry.presets == {"mine": Preset("edm", {"S_churn": 3}, 35, "us")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TABLE.replace('format = "exact"\n', ""), r"table \[toy\]: format missing"),
        (TABLE + 'license = "CC0"\n', "unknown field 'license'; did you mean 'licence'"),
        (TABLE.replace("[1, 8, 8]", "8"), "shape = 8 is not a list"),
        (TABLE.replace("[1, 8, 8]", "[1, 8]"), r"shape is \[channels, height, width\]"),
        (TABLE + 'num_classes = "ten"\n', "num_classes = 'ten' is not a whole number"),
        (TABLE + "num_classes = true\n", "num_classes = True is not a whole number"),
        (TABLE + 'samplers = "heun"\n', "samplers = 'heun' is not a list"),
        (TABLE + "presets = {tuned = {nfe = 3}}\n", "a preset has sampler, params, nfe"),
        (
            TABLE + 'presets = {t = {sampler = "edm", params = 3, nfe = 3, source = ""}}\n',
            "a preset",
        ),
        (TABLE + "params = {edm = 3}\n", "params.edm = 3 is not a table of parameters"),
        (TABLE + "samplers = [1]\n", r"samplers = \[1\] is not a list of texts"),
        (TABLE + "num_classes = -1\n", "num_classes = -1 is below 0"),
        (TABLE + 'dtype = "float23"\n', "unknown dtype 'float23'; did you mean 'float32'"),
        (TABLE + 'path = "/elsewhere"\n', "unknown field 'path'"),
        (TABLE.replace("[toy]", '["../toy"]'), r"\[\.\./toy\]: a model's id names its folders"),
        (TABLE + f"size = {'9' * 5000}\n", "is not TOML"),
        (TABLE + f"cite = {'[' * 5000}\n", "is not TOML"),
        ("toy = 3\n", "it is not a table"),
        (TABLE + "[toy\n", r"is not TOML: .*line 7"),
    ],
)
def test_a_wrong_table_is_named(written, text, reason):
    with pytest.raises(InputError, match=reason):
        written(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"--checkpoints .*none\.toml cannot be read"):
        catalog(tmp_path / "none.toml")

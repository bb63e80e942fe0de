"""The catalogue: its schema, its files, and a file that is not the catalogue's."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from samplebench import references
from samplebench.checkpoints import catalog as room
from samplebench.checkpoints.catalog import DEFAULT_MODEL, catalog, checkpoint, sha256
from samplebench.errors import InputError, UsageError
from samplebench.protocols import PROTOCOLS
from samplebench.registry import adapters
from samplebench.solver import Solver


@pytest.fixture
def written(tmp_path, monkeypatch):
    """`written(text)`: the catalogue of another checkpoints.toml."""

    def read(text):
        path = tmp_path / "checkpoints.toml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setattr(room, "_file", lambda: path)
        return catalog.__wrapped__()

    return read


@pytest.mark.parametrize("name", catalog())
def test_every_table_is_complete_and_refers_to_what_exists(name):
    entry = catalog()[name]
    assert entry.id == name and entry.summary and entry.source and entry.licence
    assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.format in adapters
    assert entry.protocol in PROTOCOLS
    assert len(entry.shape) == 3 and all(isinstance(n, int) for n in entry.shape)
    assert references.load(entry.reference).extractor == PROTOCOLS[entry.protocol].extractor
    assert entry.samplers
    for sampler, params in entry.params.items():
        assert sampler in entry.samplers
        assert Solver.of(sampler).effective(params)


@pytest.mark.parametrize("name", catalog())
def test_an_embedded_file_is_what_the_catalogue_says(name):
    entry = catalog()[name]
    if entry.location.startswith("package://"):
        assert sha256(entry.path()) == entry.sha256


def test_the_default_model_needs_no_download():
    assert checkpoint(DEFAULT_MODEL).location.startswith("package://")


def test_an_unknown_id():
    with pytest.raises(UsageError, match="unknown model 'digit-exact'; did you mean 'digits-exact"):
        checkpoint("digit-exact")


def test_a_changed_file_is_refused():
    entry = replace(checkpoint(DEFAULT_MODEL), sha256="0" * 64)
    with pytest.raises(InputError, match=r"digits\.npz has sha256 [0-9a-f]{12}\.\.\., the catal"):
        entry.path()


def test_a_missing_file_is_named():
    entry = replace(checkpoint(DEFAULT_MODEL), location="package://nothing.npz")
    with pytest.raises(InputError, match=r"nothing\.npz is missing from the installation"):
        entry.path()


TABLE = """
[toy]
summary = "a toy"
format = "exact"
location = "package://digits.npz"
sha256 = "00"
source = "https://example.org"
licence = "CC0"
dtype = "float64"
protocol = "digits"
reference = "digits"
shape = [1, 8, 8]
num_classes = 0
samplers = ["euler"]
"""


def test_a_table_is_an_object(written):
    entry = written(TABLE)["toy"]
    assert (entry.id, entry.shape, entry.samplers) == ("toy", (1, 8, 8), ("euler",))
    assert entry.params == {} and entry.config == {}
    assert entry.published == entry.same_weights == ()


def test_a_table_names_the_published_ids_of_its_weights(written):
    text = TABLE + 'published = ["toy-net"]\nsame_weights = ["toy-net-a", "toy-net-b"]\n'
    entry = written(text)["toy"]
    assert (entry.published, entry.same_weights) == (("toy-net",), ("toy-net-a", "toy-net-b"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TABLE.replace('licence = "CC0"\n', ""), "licence"),
        (TABLE + 'license = "CC0"\n', "license"),
    ],
    ids=["missing field", "unknown field"],
)
def test_a_wrong_table_is_named(written, text, reason):
    with pytest.raises(InputError, match=rf"checkpoints\.toml, table \[toy\]: .*'{reason}'"):
        written(text)

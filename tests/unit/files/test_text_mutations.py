"""Text files of others, damaged at random: the right result or one line, and nothing runs."""

from __future__ import annotations

import json
import shutil
import time
import tomllib
from collections import Counter

import numpy as np
import pytest
import torch

from samplebench.adapters.exact import density
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import catalog
from samplebench.citations import cited, uses_of_view, versions_of_view
from samplebench.cli import main
from samplebench.cli.run import _from_file
from samplebench.doctor.memory import peak_bytes
from samplebench.download import trust
from samplebench.download.fetch import Artefact, path_of
from samplebench.download.partial import PartialFile
from samplebench.download.verify import verify
from samplebench.errors import SamplebenchError
from samplebench.loading.source import config_of
from samplebench.regression.rows import load_rows
from samplebench.report.html import render_html
from samplebench.report.terminal import view_text
from samplebench.results import requests
from samplebench.results.cell import hash_of
from samplebench.results.older_folder import opened
from samplebench.results.store import Store
from samplebench.results.tables import to_json, write_csv
from tests.unit.files.text_mutations import (
    EVIL,
    as_json,
    as_toml,
    checksum,
    folder_of_one_cell,
    mutants,
    nothing_runs,
    older_folder_of_one_cell,
    one_cell,
    put_cell,
    scrambled,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A results folder of one cell."""
    out = tmp_path_factory.mktemp("texts") / "out"
    folder_of_one_cell(out)
    write_csv(Store(out).view().rows, out / "results.csv")
    return out


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a module that says when it is imported."""
    (tmp_path / f"{EVIL}.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def judged(documents, read):
    """Reads every document; counts how it ended."""
    ended, start, before, longest = Counter(), time.process_time(), peak_bytes(), 0.0
    for data in documents:
        began = time.process_time()
        try:
            with nothing_runs():
                read(data)
        except SamplebenchError as error:
            assert str(error) and "\n" not in str(error) and len(str(error)) < 4000
            ended["refused"] += 1
        except BaseException as error:
            raise AssertionError(f"{error!r} of {data[:3000]!r}") from error
        else:
            ended["read"] += 1
        longest = max(longest, time.process_time() - began)
    print(f"{dict(ended)} in {time.process_time() - start:.1f} s, longest {longest:.2f} s")
    assert longest < 20 and peak_bytes() - before < 1 << 30
    assert ended["refused"] > sum(ended.values()) / 10


def put(path, data):
    path.write_bytes(data)
    return path


def test_configurations(place, mutations):
    words = {
        "model": ["digits-exact"], "sampler": ["heun", "edm"], "nfe": [5, 10], "rho": [7.0],
        "param": {"edm": {"S_churn": [3, 10.5]}}, "num_samples": 70, "seed": 3, "out": "x",
        "metric": ["fd-digits"], "offline": True, "protocol": "digits", "discretization": ["edm"],
    }  # fmt: skip
    judged(
        mutants(1, mutations, words, as_toml),
        lambda data: Request.merged(_from_file(str(put(place / "c.toml", data))), {}),
    )


def test_catalogues(place, mutations):
    table = {
        "format": "exact", "location": "mine.npz", "shape": [1, 8, 8], "num_classes": 10,
        "samplers": ["euler"], "params": {"edm": {"S_churn": 10}}, "config": {"bandwidth": 0.2},
        "presets": {"t": {"sampler": "edm", "params": {"S_noise": 1.0}, "nfe": 5, "source": "me"}},
        "protocol": "digits", "reference": "digits-kde", "size": 100, "cite": ["x"],
        "classifier": {"location": "c.pt", "config": {"depth": 2}},
    }  # fmt: skip

    def read(data):
        for entry in catalog(put(place / "m.toml", data)).values():
            json.dumps(dict(entry.config), allow_nan=False)

    judged(mutants(2, mutations, {"mine": table}, as_toml), read)


def test_model_configurations(place, mutations):
    words = {"image_size": 64, "beta": [0.1, 20.0], "network": {"depth": 2, "name": "x"}}
    judged(
        mutants(3, mutations, words, as_json), lambda data: config_of(put(place / "c.json", data))
    )


def shown(out, page):
    """What report, check and cite say of a folder, the page too where there is time."""
    view = opened(out).view()
    view_text(view), to_json(view.rows)
    if page:
        render_html(view)
    cited(uses_of_view(view), versions_of_view(view))
    return load_rows(out)


def test_cells(folder, place, mutations):
    """Also where name and checksum are right."""
    record, score, request = one_cell()
    out = place / "out"

    def read(data):
        shutil.rmtree(out, ignore_errors=True)
        put_cell(out, *loaded(data, record), score, request)
        shown(out, page=mutations > 100)

    judged(mutants(4, mutations, record, as_json), read)


def test_scores(place, mutations):
    record, score, request = one_cell()
    out = place / "out"

    def read(data):
        shutil.rmtree(out, ignore_errors=True)
        put_cell(out, record, *loaded(data, score), request)
        shown(out, page=mutations > 100)

    judged(mutants(12, mutations, score, as_json), read)


def loaded(data, content):
    """An object of a document; one that is none has lost a value instead."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    return [found if isinstance(found, dict) else dict([*content.items()][:-4])]


def test_cells_of_older_versions(place, mutations):
    out = place / "out"
    record, request = older_folder_of_one_cell(out)
    (row,) = shown(out, page=False).rows
    assert (row["fd-digits"], row["reference"]) == (23.5, "digits-kde@57575757")

    def read(data):
        try:
            found = json.loads(data)
            found["cell"] = name = hash_of(found["conditions"])
        except (ValueError, KeyError, TypeError, RecursionError):
            name = record["cell"]
        else:
            data = json.dumps(found).encode()
        row = {**request["rows"][0], "cells": [name]}
        put(out / "requests" / f"{'a5' * 8}.json", json.dumps({**request, "rows": [row]}).encode())
        written = put(out / "cells" / f"{name}.json", data)
        try:
            shown(out, page=mutations > 100)
        finally:
            written.unlink()

    judged(mutants(4, mutations, record, as_json), read)


@pytest.mark.parametrize("sealed", [True, False])
def test_requests(folder, place, mutations, sealed):
    (asked,) = (folder / "requests").glob("*.json")
    out = place / "out"
    shutil.copytree(folder, out)

    def read(data):
        if sealed:
            (content,) = loaded(data, request)
            data = json.dumps({**content, "checksum": checksum(content)}).encode()
        put(out / "requests" / asked.name, data)
        requests.read_all(out, 2)
        shown(out, page=mutations > 100)

    request = one_cell()[-1]
    judged(mutants(5, mutations, request, as_json), read)


@pytest.mark.parametrize("kind", ["cells", "scores", "requests"])
def test_a_change_is_seen_by_the_checksum(place, mutations, kind):
    """Whatever it is; another layout of the same is none."""
    out = place / "out"
    folder_of_one_cell(out)
    (file,) = (out / kind).glob("*.json")
    whole, seen = file.read_bytes(), 0
    for data in mutants(13, mutations, json.loads(whole), as_json):
        put(file, data)
        try:
            shown(out, page=False)
        except SamplebenchError:
            seen += 1
        else:
            assert content_of(data) == content_of(whole)
    assert seen > 0.9 * mutations


def content_of(data):
    return json.dumps(json.loads(data), sort_keys=True)


def test_tables(folder, place, mutations):
    draw, data = np.random.Generator(np.random.Philox(6)), (folder / "results.csv").read_bytes()
    documents = (scrambled(draw, data) for _ in range(mutations))
    judged(documents, lambda data: load_rows(put(place / "r.csv", data)))


def test_sidecars(folder, place, mutations):
    assert main(["check", str(folder), "--baseline", str(place / "b.csv"), "--update"]) == 0
    sidecar = place / "b.provenance.json"
    content = json.loads(sidecar.read_text())

    def read(data):
        put(sidecar, data)
        load_rows(place / "b.csv")

    judged(mutants(7, mutations, content, as_json), read)


def test_cache_notes(place, monkeypatch, mutations):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(place))
    artefact = Artefact("demo", "https://example.com/x.pkl", "x.pkl")
    path = path_of(artefact)
    path.parent.mkdir()
    put(path, b"one")
    verify(artefact, path)
    line = tomllib.loads(trust.file().read_text())

    def read(data):
        put(trust.file(), data)
        if trust.record(artefact.key):
            verify(artefact, path)

    judged(mutants(8, mutations, line, as_toml), read)
    digest = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    known = Artefact("demo", "https://example.com/x.pkl", "x.pkl", sha256=digest)
    for data in mutants(8, 20, line, as_toml):
        put(trust.file(), data)
        assert verify(known, path) == digest


def test_notes_of_partial_downloads(place, mutations):
    """Bytes are continued, or fetched anew; the notes stop nobody."""
    notes = {"url": "u", "etag": '"e"', "modified": "", "size": 8}
    kept = Counter()
    for data in mutants(9, mutations, notes, as_json):
        put(place / "x.part.json", data)
        put(place / "x.part", b"1234")
        partial = PartialFile(place / "x", "u", checked=False)
        kept[partial.resumable, partial.complete] += 1
        partial.discard()
    assert kept[False, False] > mutations / 4 and not kept[True, True]


def test_archives_of_exact_models(place, mutations):
    draw = np.random.Generator(np.random.Philox(10))
    images = draw.integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
    np.savez(place / "m.npz", images=images, labels=np.arange(6) % 3)
    data = (place / "m.npz").read_bytes()
    words = {"bandwidth": 0.2}

    def read(data):
        density(put(place / "x.npz", data), words, torch.device("cpu"), None)

    judged((scrambled(draw, data) for _ in range(mutations)), read)


def test_partials_of_cells(folder, place, mutations):
    draw, out = np.random.Generator(np.random.Philox(11)), place / "out"
    shutil.copytree(folder, out)
    store, state = Store(out), {"count": np.arange(3), "total": np.ones((3, 4))}
    store.save_partial("0" * 64, state)
    path = out / "cells" / f"{'0' * 64}.partial.npz"
    data = path.read_bytes()
    for _ in range(mutations):
        put(path, scrambled(draw, data))
        with nothing_runs():
            found = store.load_partial("0" * 64)
        # A checksum is over all of it.
        assert found is None or all(np.array_equal(found[key], state[key]) for key in state)

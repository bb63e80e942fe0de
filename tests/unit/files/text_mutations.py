"""Damaged and hostile forms of a text file: bytes changed, values replaced by what nobody means."""

from __future__ import annotations

import copy
import datetime
import json
import sys
from contextlib import contextmanager

import numpy as np
import tomlkit

from samplebench.files.sealed import json_checksum
from samplebench.results.cell import hash_of

# A module in the working folder, whose import would be an execution.
EVIL = "evil_marker"
ODD = [
    None, True, False, 0, -1, 3, 10**30, 10**400, 1e308, float("nan"), float("inf"), "", "x",
    "x" * 10_000, "\x00", "\x1b[31m", "\ud7ff\n=1+1", f"{EVIL}:run", "../../etc/passwd",
    "package://../x", "file:///etc/passwd", [], [[]], [None], ["x"], {}, {"": {}}, {"x": [1]},
    [1, 2, 3], {"a": {"b": {"c": 1}}}, datetime.date(2020, 1, 2),
]  # fmt: skip
INSERTS = [
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\0",
    b"[" * 3000,
    b"9" * 5000,
    b"\xc3",
    b'"',
    b"{",
    b"\r",
]
_EVENTS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess",
    "socket",
    "pickle.find",
)
_deeds: list[str] | None = None


def _hook(event, arguments):
    if _deeds is not None and (
        event.startswith(_EVENTS) or (event == "import" and arguments[0].startswith(EVIL))
    ):
        _deeds.append(f"{event} {arguments!r}"[:200])


_EXTRACTOR = {"feature_dim": 64, "name": "digits", "weights_sha256": "de" * 32}
_REFERENCE = {"id": "digits-kde", "sha256": "57" * 32}
_PROVENANCE = {
    "created": "2026-01-29T00:15:28+00:00", "git_commit": None, "hardware": "a cpu",
    "platform": "here", "versions": {"samplebench": "0.1.0", "torch": None},
    "checkpoint": {"id": "digits-exact", "config": {"bandwidth": 0.2}},
}  # fmt: skip


def one_cell():
    """The records of a cell and of its score, and the request."""
    conditions = {
        "model": "digits-exact", "sampler": "heun", "steps": 2, "seed": 0, "num_samples": 70,
        "block": 64, "numerics": 2, "dtype": "float64", "checkpoint_sha256": "a1" * 32,
        "config": {"bandwidth": 0.2}, "discretization": {"name": "edm", "rho": 7.0},
        "params": {"S_churn": 0.0, "S_max": "inf", "scaling": "none"}, "noise": "portable",
        "state_dtype": "float64", "quantization": "edm",
    }  # fmt: skip
    cell = hash_of(conditions)
    record = {
        "schema": 2, "cell": cell, "conditions": conditions, "nfe": 3, "nfe_planned": 3,
        "gflop_per_evaluation": 0.5, "gflop_per_image": 1.5, "nonfinite": 0,
        "seed_reproducible": True, "unsteady": ["sampler x"], "failed": "", "not_reusable": "",
        "seconds": {"features": 0.03, "sampling": 0.041}, "provenance": _PROVENANCE,
    }  # fmt: skip
    of_score = {
        "cell": cell, "metric": "fd-digits", "statistic": "moments", "numerics": 1,
        "extractor": _EXTRACTOR, "reference": _REFERENCE,
    }  # fmt: skip
    score = {
        "schema": 2, "score": hash_of(of_score), "conditions": of_score, "seconds": 0.017,
        "value": {"value": 23.5, "stderr": 0.9, "deleted": [23.4, 23.6], "mean_term": 20.0},
        "unsteady": [], "failed": "", "not_reusable": "", "provenance": _PROVENANCE,
    }  # fmt: skip
    columns = {
        "model": "digits-exact", "sampler": "heun", "params": "", "discretization": "edm",
        "rho": 7.0, "steps": 2, "nfe": 3, "nfe_requested": 3, "depth": 3, "guidance": "",
        "guide_nfe": 0, "seed": 0, "repeats": 1, "num_samples": 70, "protocol": "digits",
        "dtype": "float64", "reference": "digits-kde@57575757",
    }  # fmt: skip
    row = {"cells": [cell], "columns": columns, "scores": {"fd-digits": [score["score"]]}}
    words = {"model": ["digits-exact"], "nfe": [3], "sampler": ["heun"]}
    return record, score, {"schema": 2, "number": 1, "request": words, "rows": [row]}


def put_cell(out, record, score, request):
    """Writes them as `run` does, under right names and checksums: who writes such files knows how.

    Records may be of any content.
    """
    row = request["rows"][0]
    if isinstance(record.get("conditions"), dict):
        record = {**record, "cell": hash_of(record["conditions"])}
    cell = str(record.get("cell"))
    if isinstance(score.get("conditions"), dict):
        conditions = {**score["conditions"], "cell": cell}
        score = {**score, "conditions": conditions, "score": hash_of(conditions)}
    row = {**row, "cells": [cell], "scores": {m: [str(score.get("score"))] for m in row["scores"]}}
    put = (("cells", cell, record), ("scores", str(score.get("score")), score))
    for folder, name, content in (*put, ("requests", "a5" * 8, {**request, "rows": [row]})):
        path = out / folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**content, "checksum": checksum(content)})
        path.write_text(text)
    (out / "samplebench.json").write_text('{"schema": 2}')


def checksum(content):
    """Also of what JSON does not have, which no checksum fits."""
    try:
        return json_checksum(content)
    except ValueError:
        return "0" * 64


def folder_of_one_cell(out):
    """A results folder as `run` leaves it -> what `one_cell` returns."""
    found = one_cell()
    put_cell(out, *found)
    return found


def older_folder_of_one_cell(out):
    """The same of schema 1 -> the cell's record and the request."""
    record, score, request = one_cell()
    conditions = record["conditions"]
    for name in ("noise", "state_dtype", "quantization"):
        del conditions[name]
    conditions |= {
        "metrics": ["fd-digits"], "numerics": 1, "extractor": _EXTRACTOR, "reference": _REFERENCE,
        "protocol": {"clip_x0": False, "name": "digits", "noise": "portable", "num_samples": 70},
    }  # fmt: skip
    cell, values = hash_of(conditions), {"fd-digits": score["value"]}
    record |= {"schema": 1, "cell": cell, "values": values}
    (row,) = request["rows"]
    later = ("depth", "guidance", "guide_nfe", "reference")
    columns = {key: value for key, value in row["columns"].items() if key not in later}
    row = {"cells": [cell], "columns": columns, "metrics": ["fd-digits"]}
    request = {"number": 1, "request": request["request"], "rows": [row]}
    for name, content in {
        "samplebench.json": {"schema": 1},
        f"cells/{cell}.json": record,
        f"requests/{'a5' * 8}.json": request,
    }.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(json.dumps(content))
    return record, request


@contextmanager
def nothing_runs():
    """Fails where the block starts a process, opens a connection or imports what a file names."""
    global _deeds
    if not getattr(sys, "_texts_hooked", False):
        sys.addaudithook(_hook)
        sys._texts_hooked = True
    _deeds = found = []
    try:
        yield
    finally:
        _deeds = None
    assert not found, found


def _paths(content, path=()):
    yield path
    items = content.items() if isinstance(content, dict) else ()
    items = enumerate(content) if isinstance(content, list) else items
    for key, value in items:
        yield from _paths(value, (*path, key))


def replaced(draw, content):
    """A copy with one value replaced, removed or renamed."""
    content = copy.deepcopy(content)
    paths = [path for path in _paths(content) if path]
    path = paths[draw.integers(len(paths))]
    inside = content
    for key in path[:-1]:
        inside = inside[key]
    deed = draw.integers(8)
    if deed == 0:
        del inside[path[-1]]
    elif deed == 1 and isinstance(inside, dict):
        inside[ODD[17] if draw.integers(2) else "x"] = inside.pop(path[-1])
    else:
        inside[path[-1]] = ODD[draw.integers(len(ODD))]
    return content


def scrambled(draw, data: bytes) -> bytes:
    """Bytes with some changed, cut out, repeated or put in."""
    data = bytearray(data)
    for _ in range(1 + draw.integers(3)):
        at, deed = int(draw.integers(len(data) + 1)), draw.integers(5)
        if deed == 0 and at < len(data):
            data[at] = draw.integers(256)
        elif deed == 1:
            del data[at : at + 1 + int(draw.integers(40))]
        elif deed == 2:
            data[at:at] = data[at : at + int(draw.integers(200))]
        elif deed == 3:
            data[at:at] = INSERTS[draw.integers(len(INSERTS))]
        else:
            del data[max(1, at) :]
    return bytes(data)


def as_json(content) -> bytes:
    return json.dumps(content, default=str).encode()


def as_toml(content) -> bytes:
    """None, which TOML lacks, is left out."""
    return tomlkit.dumps(_without_none(content)).encode("utf-8", "replace")


def _without_none(content):
    if isinstance(content, dict):
        return {k: _without_none(v) for k, v in content.items() if v is not None}
    if isinstance(content, list):
        return [_without_none(v) for v in content if v is not None]
    return content


def mutants(seed: int, count: int, content, dump):
    """`count` forms of a document: half of them well-formed."""
    draw, whole = np.random.Generator(np.random.Philox(seed)), dump(content)
    for number in range(count):
        if number % 2:
            yield scrambled(draw, whole)
            continue
        found = replaced(draw, content)
        while draw.integers(3) == 0 and len(list(_paths(found))) > 1:
            found = replaced(draw, found)
        yield dump(found)

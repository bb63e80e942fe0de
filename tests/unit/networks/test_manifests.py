"""Every released EDM checkpoint: the network built from its arguments has the file's tensors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from samplebench.checkpoints.structure import structure
from samplebench.networks.preconditioning import preconditioner

RECORDS = json.loads(
    (Path(__file__).parents[2] / "goldens/edm/structures.json").read_text(encoding="utf-8")
)
FOLDER = os.environ.get("SAMPLEBENCH_MANIFESTS")
if FOLDER is None and "SAMPLEBENCH_GOLDENS" in os.environ:
    FOLDER = str(Path(os.environ["SAMPLEBENCH_GOLDENS"]).parent / "manifests")


def on_meta(class_name: str, init_kwargs: dict) -> torch.nn.Module:
    with torch.device("meta"):
        network = preconditioner(class_name, init_kwargs)
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    return network


def shapes(named) -> list:
    return [[name, list(tensor.shape)] for name, tensor in named]


def test_there_is_a_record_of_each_release():
    assert len(RECORDS) == 12


@pytest.mark.parametrize("checkpoint", RECORDS)
def test_structure_and_size(checkpoint):
    record = RECORDS[checkpoint]
    network = on_meta(record["class_name"], record["init_kwargs"])
    found = structure((name, tensor.shape) for name, tensor in network.state_dict().items())
    assert found == record["structure"]
    assert sum(p.numel() for p in network.parameters()) == record["num_parameters"]


@pytest.mark.parametrize("checkpoint", RECORDS)
def test_names_shapes_and_order(checkpoint):
    path = Path(FOLDER or "absent") / f"{checkpoint}.json"
    if not path.is_file():
        pytest.skip("no complete name lists: set SAMPLEBENCH_MANIFESTS to a folder that has them")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    network = on_meta(manifest["class_name"], manifest["init_kwargs"])
    assert shapes(network.named_parameters()) == manifest["parameters"]
    assert shapes(network.named_buffers()) == manifest["buffers"]
    assert sum(p.numel() for p in network.parameters()) == manifest["num_parameters"]

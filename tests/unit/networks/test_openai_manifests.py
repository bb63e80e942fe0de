"""Every released OpenAI and ADM-IP checkpoint: the network of its flags has the file's tensors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from samplebench.adapters.openai.flags import classifier, unet
from samplebench.checkpoints.structure import structure

RECORDS = json.loads(
    (Path(__file__).parents[2] / "goldens/adm/structures.json").read_text(encoding="utf-8")
)
FOLDER = os.environ.get("SAMPLEBENCH_MANIFESTS")
if FOLDER is None and "SAMPLEBENCH_GOLDENS" in os.environ:
    FOLDER = str(Path(os.environ["SAMPLEBENCH_GOLDENS"]).parent / "manifests")


def on_meta(record: dict) -> torch.nn.Module:
    family, flags = record["family"], record["flags"]
    with torch.device("meta"):
        network = classifier(flags) if family == "classifier" else unet(family, flags)
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    return network


def test_there_is_a_record_of_each_release():
    families = [record["family"] for record in RECORDS.values()]
    wanted = {"improved-diffusion": 7, "guided-diffusion": 6, "ddpm-ip": 5, "classifier": 4}
    assert {family: families.count(family) for family in families} == wanted


@pytest.mark.parametrize("checkpoint", RECORDS)
def test_structure_and_size(checkpoint):
    record = RECORDS[checkpoint]
    network = on_meta(record)
    found = structure((name, tensor.shape) for name, tensor in network.state_dict().items())
    assert found == record["structure"]
    assert sum(p.numel() for p in network.parameters()) == record["num_parameters"]


@pytest.mark.parametrize("checkpoint", RECORDS)
def test_names_shapes_and_order(checkpoint):
    path = Path(FOLDER or "absent") / f"{checkpoint}.json"
    if not path.is_file():
        pytest.skip("no complete name lists: set SAMPLEBENCH_MANIFESTS to a folder that has them")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    network = on_meta(RECORDS[checkpoint])
    found = [[name, list(tensor.shape)] for name, tensor in network.state_dict().items()]
    assert found == manifest["parameters"]
    assert sum(p.numel() for p in network.parameters()) == manifest["num_parameters"]

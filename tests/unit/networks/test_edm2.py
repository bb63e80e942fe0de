"""EDM2's networks: every release's names and shapes, arguments that make none, precisions."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch

from samplebench.checkpoints.catalog import catalog
from samplebench.checkpoints.structure import structure
from samplebench.errors import InputError
from samplebench.networks.edm2_denoiser import Edm2Precond, edm2_denoiser
from samplebench.networks.edm2_layers import MPConv, unit_magnitude
from samplebench.networks.edm2_unet import Edm2UNet
from samplebench.networks.edm_arguments import RULES, defaults

RECORDS = json.loads(
    (Path(__file__).parents[2] / "goldens/edm2/structures.json").read_text(encoding="utf-8")
)
FOLDER = os.environ.get("SAMPLEBENCH_MANIFESTS")
if FOLDER is None and "SAMPLEBENCH_GOLDENS" in os.environ:
    FOLDER = str(Path(os.environ["SAMPLEBENCH_GOLDENS"]).parent / "manifests")

TINY = {"img_resolution": 8, "img_channels": 3, "label_dim": 4, "model_channels": 8}
TINY |= {"channel_mult": [1, 2], "num_blocks": 1, "attn_resolutions": [4], "channels_per_head": 8}


def on_meta(init_kwargs: dict) -> torch.nn.Module:
    with torch.device("meta"):
        return edm2_denoiser(init_kwargs)


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.fixture
def tiny():
    network = edm2_denoiser(TINY)
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        tensor.normal_(generator=generator)
    return network.requires_grad_(False)


@pytest.mark.parametrize("checkpoint", RECORDS)
def test_structure_and_size(checkpoint):
    record = RECORDS[checkpoint]
    network = on_meta(record["init_kwargs"])
    found = structure((name, tensor.shape) for name, tensor in network.state_dict().items())
    assert (found, count(network)) == (record["structure"], record["num_parameters"])


@pytest.mark.parametrize("checkpoint", RECORDS)
def test_names_shapes_and_order(checkpoint):
    path = Path(FOLDER or "absent") / f"{checkpoint}.json"
    if not path.is_file():
        pytest.skip("no complete name lists: set SAMPLEBENCH_MANIFESTS to a folder that has them")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    network = on_meta(manifest["init_kwargs"])
    for named, key in (
        (network.named_parameters(), "parameters"),
        (network.named_buffers(), "buffers"),
    ):
        assert [[name, list(tensor.shape)] for name, tensor in named] == manifest[key]


def test_the_catalogue_has_them():
    found = {e.structure: e.parameters for e in catalog().values() if e.format == "edm2"}
    sizes = {f"edm2-img64-{size}" for size in ("xs", "s", "m", "l", "xl")}
    assert found == {RECORDS[name]["structure"]: RECORDS[name]["num_parameters"] for name in sizes}


def test_every_argument_has_a_rule():
    assert defaults(Edm2Precond, Edm2UNet).keys() <= RULES.keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "SongUNet"}, "unknown argument 'model_type' of Precond"),
        ({"model_chanels": 8}, "did you mean 'model_channels'"),
        ({"label_dim": None}, "label_dim is None"),
        ({"model_channels": 10**9}, "from 4 to 1024"),
        ({"channel_mult_emb": 0}, "channel_mult_emb is 0"),
        ({"channel_mult_noise": 2.0}, "channel_mult_noise is 2.0"),
        ({"channels_per_head": 0}, "channels_per_head is 0"),
        ({"res_balance": 1.5}, "res_balance is 1.5"),
        ({"label_balance": math.nan}, "label_balance is nan"),
        ({"concat_balance": "0.5"}, "concat_balance is '0.5'"),
        ({"clip_act": 0}, "clip_act is 0"),
        ({"resample_filter": [1, 2, 1]}, "an even number of taps"),
        ({"logvar_channels": 10**6}, "logvar_channels"),
        ({"channel_mult": [1] * 6}, "cannot be halved 5 times"),
        ({"channels_per_head": 3, "model_channels": 10}, "make no network: 20 channels"),
        ({"img_resolution": 128, "channel_mult": [16] * 8, "model_channels": 1024}, "the limit is"),
    ],
)
def test_bad_arguments_are_told_in_one_line(change, words):
    with pytest.raises(InputError, match=words) as caught:
        edm2_denoiser({**TINY, **change})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_missing_argument_is_named():
    with pytest.raises(InputError, match="Precond lacks its argument 'label_dim'"):
        edm2_denoiser({"img_resolution": 8, "img_channels": 3})


def test_arguments_that_are_none_by_default_may_be_none():
    named = {"channel_mult_noise": None, "channel_mult_emb": None, "clip_act": None}
    assert count(on_meta({**TINY, **named})) == count(on_meta(TINY))


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda"])
@pytest.mark.parametrize("use_fp16", [False, True])
def test_float16_only_where_the_file_asks_for_it_on_cuda(device, use_fp16):
    network = on_meta({**TINY, "use_fp16": use_fp16})
    half = use_fp16 and device == "cuda"
    assert network.run_dtype(torch.device(device)) == (torch.float16 if half else torch.float32)


def test_the_scale_of_the_weights_hardly_matters(tiny):
    x, labels = torch.randn(2, 3, 8, 8), torch.eye(4)[:2]
    expected = tiny(x, 0.7, labels)
    for module in tiny.modules():
        if isinstance(module, MPConv):
            module.weight.mul_(8)
    # All but the 1e-4 beside the root mean square of 1.
    assert 0 < (tiny(x, 0.7, labels) - expected).abs().max() < 1e-2


@pytest.mark.parametrize("stored", [torch.float16, torch.float32])
def test_a_call_leaves_the_weights_as_they_are(tiny, stored):
    tiny.to(stored)
    before = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    assert tiny(torch.randn(2, 3, 8, 8), 0.7).dtype == torch.float32
    for name, tensor in tiny.state_dict().items():
        assert tensor.dtype == stored and torch.equal(tensor, before[name])


def test_no_label_is_the_zero_vector_and_ignored_without_classes(tiny):
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(tiny(x, 0.7), tiny(x, 0.7, torch.zeros(1, 4)))
    unconditional = edm2_denoiser({**TINY, "label_dim": 0})
    for tensor in unconditional.state_dict().values():
        tensor.normal_()
    assert torch.equal(unconditional(x, 0.7), unconditional(x, 0.7, torch.eye(4)[:2]))


@pytest.mark.slow
def test_everything_compiles_as_one_graph(tiny):
    torch._dynamo.reset()
    compiled = torch.compile(tiny, backend="eager", fullgraph=True)
    x, labels, sigma = torch.randn(2, 3, 8, 8), torch.eye(4)[:2], torch.tensor(0.7)
    assert torch.equal(compiled(x, sigma, labels), tiny(x, sigma, labels))


def test_magnitudes_are_formed_in_float32():
    """Squares of 300 overflow float16."""
    x = torch.full((2, 8), 300.0, dtype=torch.float16)
    assert torch.equal(unit_magnitude(x, (1,)), torch.ones_like(x))

"""gDDIM's NCSN++ as SongUNet: every released name and shape, and the reference's numbers."""

from __future__ import annotations

import json
import lzma
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from samplebench.adapters.gddim.names import names_and_shapes, songunet_state
from samplebench.checkpoints.catalog import checkpoint
from samplebench.checkpoints.flax_msgpack import read
from samplebench.checkpoints.structure import structure
from samplebench.errors import InputError
from samplebench.networks.ncsnpp import ncsnpp, noise_label, songunet_arguments

RELEASES = ("cld-cifar10", "bdm-cifar10")
FOLDER = os.environ.get("SAMPLEBENCH_MANIFESTS")
if FOLDER is None and "SAMPLEBENCH_GOLDENS" in os.environ:
    FOLDER = str(Path(os.environ["SAMPLEBENCH_GOLDENS"]).parent / "manifests")
TINY = {
    "image_size": 32,
    "nf": 8,
    "ch_mult": [1, 2, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [16],
    "fourier_size": 8,
    "temb_dim": 32,
}
CLD, BDM = {**TINY, "in_channels": 6}, {**TINY, "in_channels": 3}
TOLERANCE = 2e-5  # of the goldens


def released(name: str) -> dict:
    return songunet_arguments(checkpoint(name).config["model_config"])


def network(params: dict, config: dict) -> torch.nn.Module:
    arguments = songunet_arguments(config)
    with torch.device("meta"):
        made = ncsnpp(arguments)
    made.load_state_dict(songunet_state(params, arguments), assign=True)
    return made.eval().requires_grad_(False)


def random_params(config: dict, dtype: torch.dtype = torch.float32) -> dict:
    draw = torch.Generator().manual_seed(0)
    named = names_and_shapes(songunet_arguments(config))
    return {n: (0.1 * torch.randn(s, generator=draw)).to(dtype) for n, s in named}


@pytest.mark.parametrize("name", RELEASES)
def test_structure_and_size_are_the_releases(name):
    entry, arguments = checkpoint(name), released(name)
    named = names_and_shapes(arguments)
    assert structure(named) == entry.structure and len(named) == 963
    with torch.device("meta"):
        made = ncsnpp(arguments)
        state = songunet_state({n: torch.empty(s) for n, s in named}, arguments)
    wanted = made.state_dict()
    assert list(state) == list(wanted)
    assert all(state[n].shape == wanted[n].shape for n in wanted)
    assert sum(p.numel() for p in made.parameters()) == entry.parameters


@pytest.mark.parametrize("name", RELEASES)
def test_names_and_shapes_are_the_releases(name):
    path = Path(FOLDER or "absent") / f"gddim-{name}.json"
    if not path.is_file():
        pytest.skip("no complete name list: set SAMPLEBENCH_MANIFESTS to a folder that has it")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    found = [[n, list(shape)] for n, shape in names_and_shapes(released(name))]
    assert found == manifest["parameters"]
    # The manifest counts the frozen frequencies too.
    sizes = sum(math.prod(shape) for _, shape in manifest["parameters"])
    assert sizes == manifest["num_parameters"] == checkpoint(name).parameters + 128


def test_the_references_output_from_the_repositorys_weights(goldens, agrees):
    """The BDM network's averages, whose bytes are sorted by significance to be compressed."""
    folder = Path(__file__).parents[2] / "goldens/gddim/nets"
    planes = np.frombuffer(lzma.decompress((folder / "tiny_bdm_weights.xz").read_bytes()), "u1")
    numbers = torch.from_numpy(planes.reshape(4, -1).T.copy().view("<f4")[:, 0])
    named = names_and_shapes(songunet_arguments(BDM))
    parts = numbers.split([math.prod(shape) for _, shape in named])
    params = {n: part.reshape(shape) for (n, shape), part in zip(named, parts, strict=True)}
    with np.load(folder / "tiny_bdm_raw.npz") as io:
        x, label = (torch.tensor(io[key]) for key in ("raw_x", "raw_label"))
        found = network(params, BDM)(x.permute(0, 3, 1, 2), label.log())
        agrees("gddim networks", found.permute(0, 2, 3, 1), io["raw_out"], TOLERANCE)


@pytest.fixture(params=[("cld", CLD), ("bdm", BDM)], ids=["cld", "bdm"])
def golden_net(request, goldens):
    """(network, its numbers) of a file in the released container."""
    name, config = request.param
    path = goldens / f"gddim/nets/tiny_{name}_ckpt.msgpack"
    if not path.is_file():
        pytest.skip("no files of the networks: set SAMPLEBENCH_GOLDENS to a folder that has them")
    file = read(path)
    assert file.step == 750_000 and file.ema_rate == pytest.approx(0.9999)
    with np.load(path.with_name(f"tiny_{name}_io.npz")) as io:
        return network(file.params, config), dict(io)


def test_the_references_output(golden_net, agrees):
    net, io = golden_net
    for i in (0, 1):
        u = torch.tensor(io[f"u{i}"])
        # x and v lie side by side in the channels: x0 x1 x2 v0 v1 v2.
        channels = u.permute(0, 4, 3, 1, 2).flatten(1, 2) if u.ndim == 5 else u.permute(0, 3, 1, 2)
        label = torch.cat([noise_label(float(t)) for t in io[f"t{i}"]])
        eps = net(channels, label)
        if u.ndim == 5:
            eps = eps.unflatten(1, (2, 3)).permute(0, 3, 4, 2, 1)
        else:
            eps = eps.permute(0, 2, 3, 1)
        agrees("gddim networks", eps, io[f"eps{i}"], TOLERANCE)
    # The weights as last trained give another answer.
    assert np.abs(io["eps0"] - io["eps0_from_optimizer_target"]).max() > 1e4 * TOLERANCE
    label = torch.tensor(io["raw_label"]).log()
    raw = net(torch.tensor(io["raw_x"]).permute(0, 3, 1, 2), label)
    agrees("gddim networks", raw.permute(0, 2, 3, 1), io["raw_out"], TOLERANCE)


def test_the_weights_are_in_memory_once_and_in_float32():
    params = random_params(BDM, torch.float16)
    wanted = params["Conv_0/kernel"].float().permute(3, 2, 0, 1)
    state = songunet_state(params, songunet_arguments(BDM))
    assert params == {}
    assert all(tensor.dtype == torch.float32 for tensor in state.values())
    found = state["enc.32x32_conv.weight"]
    assert torch.equal(found, wanted) and found.is_contiguous()


def test_group_norms_may_come_without_leading_ones():
    params, arguments = random_params(BDM), songunet_arguments(BDM)
    flat = {n: t.flatten() if "GroupNorm" in n else t for n, t in params.items()}
    assert any(flat[n].shape != params[n].shape for n in flat)
    found, wanted = songunet_state(flat, arguments), songunet_state(params, arguments)
    assert all(torch.equal(found[n], wanted[n]) for n in wanted)


def rename(params: dict) -> None:
    params["Conv_9\n/kernel"] = params.pop("Conv_1/kernel")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("Conv_1/kernel"), r"Conv_1/kernel is missing; does the model_config"),
        (rename, "Conv_1/kernel is missing"),
        (lambda p: p.update({"x\ny": torch.zeros(1)}), r"'x\\ny' has no place in the network"),
        (
            lambda p: p.update({"Conv_0/kernel": torch.zeros(8, 3, 3, 3)}),
            r"Conv_0/kernel has shape \[8, 3, 3, 3\], the model_config asks for \[3, 3, 3, 8\]",
        ),
        (
            lambda p: p.update({"Conv_0/bias": torch.zeros(1, 1, 1, 8)}),
            r"Conv_0/bias has shape \[1, 1, 1, 8\]",
        ),
        (
            lambda p: p.update({"GroupNorm_0/scale": torch.zeros(4)}),
            r"GroupNorm_0/scale has shape \[4\]",
        ),
    ],
)
def test_another_networks_arrays_are_refused(change, message):
    params = random_params(BDM)
    change(params)
    with pytest.raises(InputError, match=message):
        songunet_state(params, songunet_arguments(BDM))


def test_noise_label_is_the_logarithm_of_999_t():
    for t in (1e-5, 1e-3, 0.3, 1.0):
        label = noise_label(t)
        assert (label.shape, label.dtype) == ((1,), torch.float32)
        assert label.item() == pytest.approx(math.log(999 * t), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nf": "8"}, "nf is '8'; it must be a whole number"),
        ({"nf": 2**40}, "nf is 1099511627776"),
        ({"ch_mult": []}, "ch_mult is \\[\\]; it must be a list of 1 to 8"),
        ({"num_res_blocks": 0}, "num_res_blocks is 0"),
        ({"in_channels": True}, "in_channels is True"),
        ({"attn_resolutions": 16}, "attn_resolutions is 16; it must be a list"),
        ({"image_size": 30}, "image_size 30 cannot be halved 2 times"),
        ({"temb_dim": 64}, "temb_dim is 64; with nf 8 it must be 32"),
        ({"fourier_size": 16}, "fourier_size is 16; with nf 8 it must be 8"),
    ],
)
def test_an_impossible_config_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        songunet_arguments({**CLD, **changes})


@pytest.mark.parametrize("key", CLD)
def test_a_missing_key_is_named(key):
    with pytest.raises(InputError, match=f"lacks '{key}'"):
        songunet_arguments({name: value for name, value in CLD.items() if name != key})


def test_widths_that_make_no_groups_are_refused():
    widths = {"nf": 201, "fourier_size": 201, "temb_dim": 804}
    with pytest.raises(InputError, match="the model_config makes no network: 201 channels do not"):
        ncsnpp(songunet_arguments({**CLD, **widths}))

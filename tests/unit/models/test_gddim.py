"""gDDIM's checkpoints as models: eps(u, t) in the state's own channels, and refused configs."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

import samplebench as sb
from samplebench.adapters.gddim import load
from samplebench.adapters.gddim.names import names_and_shapes
from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import checkpoint
from samplebench.checkpoints.structure import structure
from samplebench.errors import InputError, UsageError
from samplebench.networks.ncsnpp import noise_label, songunet_arguments

_spec = importlib.util.spec_from_file_location(
    "flax_writer", Path(__file__).parents[1] / "checkpoints" / "flax_writer.py"
)
flax_writer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(flax_writer)

CPU = torch.device("cpu")
TINY = {
    "image_size": 8,
    "nf": 8,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [4],
    "fourier_size": 8,
    "temb_dim": 32,
}
CLD = {"process": "cld", "model_config": {**TINY, "in_channels": 6}}
BDM = {"process": "bdm", "model_config": {**TINY, "in_channels": 3}, "sigma_blur_max": 7}


def written(folder, config) -> Path:
    path = folder / f"checkpoint_{config['process']}"
    state = flax_writer.random_state(config["model_config"])
    # Averages that are not the last weights.
    last = {name: 2 * tensor for name, tensor in state.items()}
    settings = {"step": 750_000, "decay": 0.9999}
    flax_writer.writer.write(path, config["model_config"], last, state, **settings)
    return path


@pytest.fixture(scope="module", params=[CLD, BDM], ids=["cld", "bdm"])
def case(request, tmp_path_factory):
    """(config, model) of a small network with random weights."""
    config = request.param
    path = written(tmp_path_factory.mktemp("gddim"), config)
    return config, load(path, config, device=CPU, dtype=None)


@pytest.fixture
def u(case):
    channels = 2 if case[0] is CLD else 1
    return torch.randn(
        3, channels, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


def test_the_model_is_that_of_the_averages(case):
    config, model = case
    assert (model.shape, model.num_classes, model.process.name) == ((3, 8, 8), 0, config["process"])
    wanted = flax_writer.random_state(config["model_config"])
    found = model.network.state_dict()
    assert list(found) == list(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    named = names_and_shapes(songunet_arguments(config["model_config"]))
    assert model.provenance["structure"] == structure(named)
    assert model.provenance["step"] == 750_000


def test_eps_is_the_networks_in_the_states_own_channels(case, u):
    config, model = case
    label = noise_label(0.3)
    found = model.eps(u, 0.3)
    if config is CLD:
        seen = torch.stack([u[:, d, c] for d in (0, 1) for c in (0, 1, 2)], 1)
        noise = model.network(seen.float(), label).double()
        wanted = torch.stack([noise[:, :3], noise[:, 3:]], 1)
    else:
        pixels = torch.from_numpy(idctn(u[:, 0].numpy(), axes=(2, 3), norm="ortho"))
        noise = model.network(pixels.float(), label).double()
        wanted = torch.from_numpy(dctn(noise.numpy(), axes=(2, 3), norm="ortho"))[:, None]
    assert found.shape == u.shape and found.dtype == u.dtype
    assert torch.allclose(found, wanted, atol=1e-5)
    assert model.eps(u.float(), 0.3).dtype == torch.float32


def test_time_matters_and_samples_do_not_mix(case, u):
    _, model = case
    assert not torch.equal(model.eps(u, 0.3), model.eps(u, 0.9))
    assert torch.allclose(model.eps(u[1:], 0.3), model.eps(u, 0.3)[1:], atol=1e-5)


def test_constants_of_the_process(case):
    config, model = case
    if config is BDM:
        assert (model.process.image_size, model.process.sigma_blur_max) == (8, 7)
    else:
        assert model.process.numerical_eps == 1e-6


@pytest.mark.parametrize("name", ["cld", "bdm"])
def test_the_references_eps(goldens, agrees, name):
    path = goldens / f"gddim/nets/tiny_{name}_ckpt.msgpack"
    if not path.is_file():
        pytest.skip("no files of the networks: set SAMPLEBENCH_GOLDENS to a folder that has them")
    words = {**TINY, "image_size": 32, "ch_mult": [1, 2, 2], "attn_resolutions": [16]}
    config = {"process": name, "model_config": {**words, "in_channels": 6 if name == "cld" else 3}}
    model = load(path, config, device=CPU, dtype=None)
    wrapped = sb.wrap(
        as_users_network(model), predicts="eps", process=model.process, shape=model.shape
    )
    with np.load(path.with_name(f"tiny_{name}_io.npz")) as io:
        for i in (0, 1):
            given, expected = io[f"u{i}"], io[f"{'' if name == 'cld' else 'y'}eps{i}"]
            if name == "bdm":
                given, expected = given[..., None], expected[..., None]
            state = torch.from_numpy(given.transpose(0, 4, 3, 1, 2).copy())
            for row, t in enumerate(io[f"t{i}"]):
                for each in (model, wrapped):
                    found = each.eps(state[row : row + 1], float(t)).permute(0, 3, 4, 2, 1)
                    agrees("gddim models", found, expected[row : row + 1], 2e-5)


def as_users_network(model):
    """A gDDIM network as a user has it: states of the process in, their noise out."""
    images, network = model.process.channels == 1, model.network

    def noise(u, t):
        state = model.process.decode(u) if images else u.flatten(1, 2)
        answer = network(state.float(), (999 * t.float()).log())
        return model.process.encode(answer) if images else answer.reshape(u.shape)

    return noise


def test_one_in_memory_is_the_same_model(case, u):
    config, model = case
    constants = {"sigma_blur_max": 7} if config is BDM else {}
    words = {"predicts": "eps", "process": config["process"], "shape": model.shape}
    wrapped = sb.wrap(as_users_network(model), **words, **constants)
    assert wrapped.process == model.process and wrapped.kind == model.kind
    for t in (0.03, 0.3, 0.9):
        assert (wrapped.eps(u, t) - model.eps(u, t)).abs().max() < 1e-5
    first, second = (sb.sample(m, "gddim", steps=4, seeds=range(3)) for m in (wrapped, model))
    # Random weights send the samples far away.
    assert (first - second).abs().max() < 1e-6 * second.abs().max()


def without(config, key):
    return {name: value for name, value in config.items() if name != key}


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        (without(CLD, "process"), InputError, "config lacks process"),
        (without(CLD, "model_config"), InputError, "config lacks model_config"),
        ({**CLD, "model_config": 3}, InputError, "model_config is not a table"),
        ({**CLD, "process": "cdl"}, UsageError, "unknown process 'cdl'; did you mean 'cld'"),
        ({**BDM, "process": "cld"}, InputError, "in_channels is 3; on cld it must be a multiple"),
        ({**BDM, "sigma_blur_max": -1}, UsageError, "sigma_blur_max=-1 must be"),
        ({**BDM, "model_config": CLD["model_config"]}, InputError, "Conv_0/kernel has shape"),
    ],
)
def test_configs_that_describe_another_model(tmp_path, config, kind, message):
    path = written(tmp_path, BDM)
    with pytest.raises(kind, match=message) as refusal:
        load(path, config, device=CPU, dtype=None)
    assert "\n" not in str(refusal.value)


def test_what_no_file_records_is_told(tmp_path, capsys):
    entry = replace(
        checkpoint("bdm-cifar10").at(written(tmp_path, BDM)),
        structure="", config=BDM, shape=(3, 8, 8),
    )  # fmt: skip
    model = sb.load(entry, device="cpu", offline=True)
    assert model.protocol == "gddim" and capsys.readouterr().err == ""
    sb.load(entry, device="cpu", offline=True, quiet=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: bdm-cifar10: ") and "sigma_blur_max" in line
    words = {"model": "bdm-cifar10", "metric": "fid", "nfe": 20}
    (note,) = planning.make(Request.of(**words)).notes
    assert "sigma_blur_max" in note


def test_a_file_of_ones_own(tmp_path):
    model = sb.load(written(tmp_path, CLD), format="gddim", config=CLD, device="cpu")
    images = sb.sample(model, "gddim", nfe=3, seeds=[0, 1])
    assert images.shape == (2, 3, 8, 8) and bool(images.isfinite().all())

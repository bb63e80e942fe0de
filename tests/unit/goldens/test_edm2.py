"""EDM2: layers, networks in their container, whole runs and statistics against the reference."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.checkpoints.edm_families import EDM2
from samplebench.checkpoints.edm_pickle import read
from samplebench.checkpoints.edm_records import Records
from samplebench.discretizations import edm as edm_levels
from samplebench.errors import InputError
from samplebench.images import to_uint8
from samplebench.metrics.frechet import frechet_distance
from samplebench.models.model import Model
from samplebench.networks import edm2_layers
from samplebench.noise.streams import stream
from samplebench.references.pickled import gaussian

ROOT = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parents[2] / "goldens") / "edm2"
NETWORKS = sorted(path.parent.name for path in ROOT.glob("*/network.pkl"))
RUNS = json.loads((ROOT / "trajectories" / "index.json").read_text())["cases"]


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(ROOT / name) as archive:
        return dict(archive)


@cache
def config(name: str) -> dict:
    return json.loads((ROOT / name / "config.json").read_text())


@cache
def loaded(name: str) -> Model:
    return sb.load(ROOT / name / "network.pkl", format="edm2", device="cpu")


def labels_of(name: str) -> torch.Tensor | None:
    io = arrays(f"{name}/io.npz")
    return torch.tensor(io["class_labels"]).argmax(1) if "class_labels" in io else None


# Of noise levels: those of the reference are computed in float32, ours in float64.
FLOAT32 = 2e-6

# Layers.

LAYERS = json.loads((ROOT / "layers" / "index.json").read_text())["cases"]


def layer(case: dict):
    """The operation of a case as a function of its inputs, its parameters in it."""
    kind, args = case["id"].partition(".")[0], dict(case["args"])
    if kind == "normalize":
        axes = (args["dim"],) if args else (1, 2, 3)
        return lambda x: edm2_layers.unit_magnitude(x, axes)
    if kind == "resample":
        return lambda x: edm2_layers.resample(x, args["f"], args["mode"])
    if kind == "mp_silu":
        return edm2_layers.mp_silu
    if kind in ("mp_sum", "mp_cat"):
        return lambda a, b: getattr(edm2_layers, kind)(a, b, args["t"])
    start = f"{case['id']}.sd."
    stored = {
        key.removeprefix(start): torch.tensor(value)
        for key, value in arrays("layers/layers.npz").items()
        if key.startswith(start)
    }
    if kind == "fourier":
        module = edm2_layers.MPFourier(len(stored["freqs"]))
    elif kind == "block":
        module = edm2_layers.Edm2Block(**args)
    else:
        out, ins, *kernel = stored["weight"].shape
        module = edm2_layers.MPConv(ins, out, kernel[0] if kernel else 0)
    assert list(module.state_dict()) == list(stored)
    module.load_state_dict(stored, assign=True)
    return module


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case["id"])
def test_layers(case, agrees):
    found = arrays("layers/layers.npz")
    names = [f"{case['id']}.in{i}" for i in range(3)]
    inputs = [torch.tensor(found[name]) for name in names if name in found]
    with torch.no_grad():
        out = layer(case)(*inputs)
    expected = found[f"{case['id']}.out0"]
    agrees("edm2 layers", out, expected, 2e-6 * (1 + np.abs(expected).max()))


# Networks.


@pytest.mark.parametrize("name", NETWORKS)
def test_the_container_holds_the_network_its_arguments_describe(name):
    said, found = config(name), read(ROOT / name / "network.pkl", EDM2)
    assert (found.class_name, found.init_kwargs) == (said["class_name"], said["init_kwargs"])
    assert list(found.keys) == said["top_level_keys"]
    assert {str(t.dtype)[6:] for t in found.tensors.values()} == {said["storage_dtype"]}
    allowed = {".".join(key) for key in Records(0, EDM2).table()}
    assert set(said["globals"]) <= allowed
    network = loaded(name).network
    assert sum(p.numel() for p in network.parameters()) == said["num_parameters"]
    assert list(network.state_dict()) == list(found.tensors)


@pytest.mark.parametrize("name", NETWORKS)
def test_denoised_images(name, agrees):
    io, model, labels = arrays(f"{name}/io.npz"), loaded(name), labels_of(name)
    assert model.shape == io["x"].shape[2:] and model.state_dtype == torch.float32
    for i, sigma in enumerate(io["sigma"].tolist()):
        x, tolerance = torch.tensor(io["x"][i]), config(name)["suggested_tolerance_per_sigma"][i]
        agrees("edm2 networks", model(x, sigma, labels), io["D"][i], tolerance)
        if "D_nolabel" in io:
            agrees("edm2 networks", model(x, sigma), io["D_nolabel"][i], tolerance)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_noise_level_for_each_image(name, agrees):
    io, stated = arrays(f"{name}/io.npz"), config(name)["suggested_tolerance_per_sigma"]
    sigmas = io["sigma_vec"]
    found = loaded(name)(torch.tensor(io["x_vec"]), torch.tensor(sigmas), labels_of(name))
    for i, sigma in enumerate(sigmas):
        tolerance = stated[int(np.abs(io["sigma"] - sigma).argmin())]
        agrees("edm2 networks", found[i], io["D_vec"][i], tolerance)


@pytest.mark.parametrize("name", NETWORKS)
def test_uncertainties(name, agrees):
    io, network = arrays(f"{name}/io.npz"), loaded(name).network
    for levels, key in (("sigma", "logvar"), ("sigma_vec", "logvar_vec")):
        agrees("edm2 networks", network.logvar(torch.tensor(io[levels])), io[key], 1e-5)


def test_gains_rounded_late_would_be_seen():
    """What an upcast of the whole file does: the goldens tell."""
    name = "edm2-pixel-cond"
    io, model = arrays(f"{name}/io.npz"), sb.load(ROOT / name / "network.pkl", format="edm2")
    model.network.float()
    misses = [
        np.abs(model(torch.tensor(io["x"][i]), sigma, labels_of(name)).numpy() - io["D"][i]).max()
        / config(name)["suggested_tolerance_per_sigma"][i]
        for i, sigma in enumerate(io["sigma"].tolist())
    ]
    assert max(misses) > 4


def test_the_trunk_in_float16(monkeypatch):
    """What CUDA runs, here on the CPU: as far from float32 as the reference's own is, not more."""
    name = "edm2-pixel-cond"
    io, model, labels = arrays(f"{name}/io.npz"), loaded(name), labels_of(name)
    monkeypatch.setattr(model.network, "run_dtype", lambda device, force_fp32: torch.float16)
    seen = []
    hook = model.network.unet.emb_noise.register_forward_hook(
        lambda _, inputs, out: seen.append(out.dtype)
    )
    for i, sigma in enumerate(io["sigma"].tolist()):
        c_out = 0.5 * sigma / np.hypot(sigma, 0.5)
        found = model(torch.tensor(io["x"][i]), sigma, labels).numpy()
        for other in ("D_half", "D"):
            difference = np.abs(found - io[other][i]).max()
            # 1.4 % is what the spec has measured between the two precisions.
            assert 1e-4 * c_out < difference < 0.014 * c_out
    hook.remove()
    assert set(seen) == {torch.float32}  # the embedding


def test_a_network_of_the_other_family_is_named():
    path = ROOT / "edm2-pixel-cond" / "network.pkl"
    with pytest.raises(InputError, match=r"a network pickle of EDM2; its format is edm2$"):
        sb.load(path, format="edm", device="cpu")
    other = ROOT.parent / "edm" / "edm-adm-cond-fp16flag" / "network.pkl"
    with pytest.raises(InputError, match=r"a network pickle of EDM; its format is edm$"):
        sb.load(other, format="edm2", device="cpu")


# Whole runs.


class Seen(Model):
    """Another model that notes the noise levels it is asked for."""

    def __init__(self, model: Model, state_dtype: torch.dtype) -> None:
        self.model, self.levels, self.state_dtype = model, [], state_dtype
        self.shape, self.num_classes, self.device = model.shape, model.num_classes, model.device

    def __call__(self, x, sigma, labels=None):
        self.levels.append(float(torch.as_tensor(sigma).max()))
        return self.model(x, sigma, labels)


def here(case: dict) -> bool:
    """Whether the arrays and the networks of a run are in this folder."""
    stored = f"{case['id']}.x" in arrays("trajectories/trajectories.npz")
    return stored and {case["net"], case["gnet"] or case["net"]} <= set(NETWORKS)


@pytest.mark.parametrize("case", [case for case in RUNS if here(case)], ids=lambda case: case["id"])
def test_runs(case, agrees):
    """EDM2 draws noise only where it adds some; our `edm` draws in every step, and ignores it."""
    stored = {
        key: arrays("trajectories/trajectories.npz").get(f"{case['id']}.{key}")
        for key in case["keys"]
    }
    params, dtype = dict(case["params"]), getattr(torch, case["dtype"])
    steps, scale = params.pop("num_steps", 32), params.pop("guidance", None)
    model, words, taken = Seen(loaded(case["net"]), dtype), dict[str, object](), []
    if case["gnet"]:
        guide = loaded(case["gnet"])
        name = "auto" if guide.num_classes else "cfg"
        words = {"guidance": name, "guidance_scale": scale, "guiding_model": guide}

    streams = stream("nvlabs", case["seeds"], "cpu", dtype)
    latents, labels = streams.start(model.shape, model.num_classes)
    assert np.array_equal(latents, stored["latents"])
    if case["class_idx_forced"] is not None:
        labels = torch.full_like(labels, case["class_idx_forced"])
    if labels is not None:
        assert labels.tolist() == stored["class_idx"].tolist()
    levels, drawn = iter(stored["t_steps"]), []

    def noise(x):
        if not params["S_min"] <= next(levels) <= params["S_max"]:
            return torch.zeros_like(x)
        drawn.append(streams(x))
        return drawn[-1]

    x = sb.sample(
        model,
        "edm" if "S_churn" in params else "heun",
        steps=steps,
        latents=latents,
        labels=labels,
        noise=noise,
        callback=taken.append,
        **words,
        **params,
    )
    assert x.dtype == dtype and len(model.levels) == case["nfe"]
    assert (taken[-1].nfe, taken[-1].guide_nfe) == (case["nfe"], case["nfe_guiding"])
    assert model.levels == pytest.approx(stored["eval_sigmas"], rel=FLOAT32)
    assert len(drawn) == case["noise_rows"]
    if drawn:
        assert np.array_equal(torch.stack(drawn), stored["noise"])
    agrees("edm2 runs", x, stored["x"], case["suggested_atol"])
    if "uint8" in stored:
        # A grey level is a step: what lies on its edge may fall on either side.
        off = to_uint8(x, "edm").int() - torch.tensor(stored["uint8"]).int()
        assert off.abs().max() <= 1 and (off != 0).sum() <= 1


def test_seeds_alone_make_a_run(agrees):
    case = next(case for case in RUNS if case["id"] == "forced_class")
    words = {"seeds": case["seeds"], "labels": case["class_idx_forced"], "noise": "nvlabs"}
    x = sb.sample(loaded(case["net"]), "heun", nfe=case["nfe"], **words)
    assert x.dtype == torch.float32
    expected = arrays("trajectories/trajectories.npz")["forced_class.x"]
    agrees("edm2 runs", x, expected, case["suggested_atol"])


def test_grids():
    found = arrays("trajectories/trajectories.npz")
    grids = {int(key.removeprefix("grid.n")): found[key] for key in found if key.startswith("grid")}
    assert 32 in grids
    for steps, expected in grids.items():
        assert [*edm_levels(steps), 0.0] == pytest.approx(expected, rel=FLOAT32)


# Statistics.


@pytest.mark.parametrize("metric", ["fid", "fd_dinov2"])
def test_distances_of_the_statistics(metric):
    folder = ROOT / "refstats"
    said = json.loads((folder / "index.json").read_text())
    found = {name: gaussian(folder / f"{name}.pkl", metric) for name in ("ref", "gen")}
    assert {name: count for name, (count, *_) in found.items()} == said["num_images"]
    distance = frechet_distance(*found["gen"][1:], *found["ref"][1:])
    assert distance == pytest.approx(said["values"][metric], rel=1e-8)

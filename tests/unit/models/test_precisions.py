"""A network in another precision: declared, refused before anything is loaded, close to float32."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import catalog, checkpoint
from samplebench.cli import main
from samplebench.errors import EnvironmentError_, UsageError
from samplebench.loading.precision import running
from samplebench.networks import trunk
from samplebench.networks.ddim_unet import ddim_unet
from samplebench.networks.trunk import Trunk

GOLDENS = Path(__file__).parents[2] / "goldens"
# Distance from 1 to the next number.
EPSILON = {"bfloat16": 2**-7, "float16": 2**-10}
EMBEDDED = (
    "digits-vp", "digits-ve", "digits-edm", "digits-adm", "digits-iddpm", "digits-cld",
    "digits-bdm",
)  # fmt: skip
FILES = {
    **{name: name for name in EMBEDDED},
    "edm-adm": GOLDENS / "edm" / "edm-adm-cond-fp16flag" / "network.pkl",
    "edm2": GOLDENS / "edm2" / "edm2-pixel-cond" / "network.pkl",
}
FAMILIES = (*FILES, "ddim", "diffusers")
HALVES = ("bfloat16", "float16")


def ddim(folder: Path):
    """A small network of the DDIM code base in its container."""
    config = {
        "image_size": 8, "ch": 32, "num_res_blocks": 1, "ch_mult": [1, 1], "attn_resolutions": [4]
    }  # fmt: skip
    torch.manual_seed(0)
    network = ddim_unet(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    state = OrderedDict((name, p.detach()) for name, p in network.named_parameters())
    path = folder / "ckpt.pth"
    torch.save([state, {}, 1, 2, dict(state)], path)
    entry = checkpoint("ddim-ip-cifar10")
    return replace(entry.at(path), structure="", shape=(3, 8, 8), config={**entry.config, **config})


def diffusers_folder(folder: Path) -> Path:
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(32, 64), norm_num_groups=8, layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    unet.save_pretrained(folder / "unet")
    diffusers.DDPMScheduler().save_pretrained(folder / "scheduler")
    return folder


MADE = {"ddim": ddim, "diffusers": diffusers_folder}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    """The name of each family, whose file is there."""
    if request.param in MADE and request.param not in FILES:
        FILES[request.param] = MADE[request.param](tmp_path_factory.mktemp("family"))
    return request.param


@cache
def loaded(family, dtype):
    return sb.load(FILES[family], device="cpu", dtype=dtype)


def asked(model, images: int = 2):
    """What a model answers to noise at a level in the middle, and the noise that is in it."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(images) % model.num_classes if model.num_classes else None
    if model.kind == "linear":
        shape = model.process.channels, *model.shape
        return model.eps(torch.randn((images, *shape), generator=draw), 0.5)
    return model(torch.randn((images, *model.shape), generator=draw), 1.0, labels)


def depth_of(model) -> int:
    """Its layers that multiply features of images."""
    return sum(getattr(m, "weight", None) is not None and m.weight.ndim > 2
               for m in model.network.modules() if not list(m.children()))  # fmt: skip


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_as_far_from_float32_as_its_epsilon_says(family, dtype):
    """Every layer rounds once: so many epsilons at most, and some."""
    single, half = (loaded(family, d) for d in ("float32", dtype))
    expected, found = asked(single), asked(half)
    assert found.dtype == expected.dtype
    apart = (found - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert 0 < float(apart) < depth_of(single) * EPSILON[dtype]
    assert half.precision == dtype and half.provenance["memory_format"] == "channels_last"


@pytest.mark.parametrize("dtype", HALVES)
def test_what_is_cast_and_what_stays(family, dtype):
    """Convolutions are in half precision and channels last, once and for all; embeddings and the
    head of OpenAI's networks are not."""
    model = loaded(family, dtype)
    network, narrow = getattr(model.network, "trunk", model.network), getattr(torch, dtype)
    assert isinstance(network, Trunk) and network.precision == narrow
    stored = {n: p.dtype for n, p in loaded(family, None).network.named_parameters()}
    whole = type(network).__module__.endswith("diffusers.unet")
    for name, weight in model.network.named_parameters():
        if weight.ndim == 4 and not name.startswith("out."):
            assert weight.dtype == narrow
            assert weight.is_contiguous(memory_format=torch.channels_last)
        elif weight.ndim in (2, 4) and not whole:
            assert weight.dtype in (torch.float32, stored[name])


def test_float32_that_is_asked_for_is_what_comes_unasked(family):
    plain, named = (loaded(family, d) for d in (None, "float32"))
    assert torch.equal(asked(plain), asked(named))
    assert "memory_format" not in named.provenance and "compiled" not in named.provenance


def test_samples_keep_their_state_in_more(family):
    model = loaded(family, "bfloat16")
    kept = []
    x = sb.sample(
        model, _sampler(model), steps=2, seeds=[0, 1],
        callback=lambda step: kept.append(step.x.dtype),
    )  # fmt: skip
    assert {x.dtype, *kept} == {model.state_dtype}
    assert x.isfinite().all()


def _sampler(model) -> str:
    return {"linear": "gddim", "discrete": "ddim"}.get(model.kind, "heun")


def test_edm2_normalises_its_weights_once(monkeypatch):
    model = sb.load(FILES["edm2"], device="cpu", dtype="bfloat16")
    layer = type(model.network.unet.out_conv)
    monkeypatch.setattr(layer, "_filters", lambda *_: pytest.fail("normalised again"))
    assert asked(model).isfinite().all()


def test_edm2_in_float16_is_what_a_cast_at_every_use_is(monkeypatch):
    """Fixed filters are those of every call: channels last changes the order of sums at most."""
    once = sb.load(FILES["edm2"], device="cpu", dtype="float16")
    each = sb.load(FILES["edm2"], device="cpu")
    monkeypatch.setattr(each.network, "run_dtype", lambda device, force_fp32: torch.float16)
    expected = asked(each)
    apart = (asked(once) - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert float(apart) < depth_of(once) * EPSILON["float16"]


# Before anything is loaded.

NETWORKS = ("float32", "tf32", "bfloat16", "float16")
ALL = ("float64", *NETWORKS)
BY_FORMAT = {entry.format: entry for entry in reversed(catalog().values())}  # the first of each


def conditions(**words):
    plan = planning.make(Request.of(**{"nfe": 5, "num_samples": 8, **words}))
    return [cell.conditions for cell in plan.cells.values()]


@pytest.mark.parametrize("name", sorted(BY_FORMAT))
@pytest.mark.parametrize("dtype", ALL)
def test_a_plan_takes_what_is_declared_and_nothing_else(name, dtype, refused):
    entry = BY_FORMAT[name]
    declared = registry.adapters.entry(name).precisions
    assert declared == (("float64", "float32") if name.startswith("exact") else NETWORKS)
    words = {"model": entry.id, "dtype": dtype, "device": "cuda"}
    if dtype not in declared:
        refused(lambda: conditions(**words), UsageError, f"dtype {dtype}", entry.id, declared[0])
        refused(lambda: sb.load(entry.id, dtype=dtype, offline=True), UsageError, f"dtype {dtype}")
        return
    for found in conditions(**words):
        assert found["dtype"] == dtype
        last = found.get("memory_format")
        assert last == ("channels_last" if dtype in HALVES else None)
        assert "compiled" not in found


@pytest.mark.parametrize("name", sorted(BY_FORMAT))
def test_a_plan_compiles_what_can_be(name, refused):
    words = {"model": BY_FORMAT[name].id, "compile": True, "device": "cpu"}
    if name.startswith("exact"):
        refused(lambda: conditions(**words), UsageError, words["model"], "leave --compile out")
        return
    assert all(found["compiled"] is True for found in conditions(**words))


@pytest.mark.parametrize("device", ["cpu", None, "mps"])
def test_tf32_is_for_cuda(device, refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = {"model": "digits-vp", "dtype": "tf32", "device": device}
    refused(lambda: conditions(**words), UsageError, "dtype tf32 is for CUDA", "use float32")
    refused(lambda: sb.load(words["model"], device=device, dtype="tf32"), UsageError, "tf32")


def test_an_unknown_precision(refused):
    for model in ("digits-vp", "digits-exact"):
        refused(lambda m=model: conditions(model=m, dtype="tf23"), UsageError, "'tf23'", "tf32")
        refused(lambda m=model: sb.load(m, dtype="int8"), UsageError, "unknown dtype 'int8'")


def test_a_guiding_model_runs_so_too(refused):
    words = {"model": "digits-adm", "guidance": "auto", "guidance_scale": 2, "nfe": 9}
    (found,) = conditions(**words, guiding_model="digits-adm", dtype="bfloat16", sampler="heun")
    guide = found["guidance"]["model"]
    assert (guide["dtype"], guide["memory_format"]) == ("bfloat16", "channels_last")


def test_an_adapter_of_others_takes_what_it_takes(registry_of_one):
    """Undeclared: nothing is refused but tf32, and no memory format is claimed."""
    entry = registry_of_one
    for dtype in ("float64", "float32", *HALVES):
        assert running(entry, dtype, "cpu") == {"dtype": dtype}
    with pytest.raises(UsageError, match="dtype tf32"):
        running(entry, "tf32", "cuda")
    with pytest.raises(UsageError, match="nothing to compile"):
        running(entry, None, "cpu", compile=True)


@pytest.fixture
def registry_of_one(monkeypatch):
    """An entry of a format that somebody else has registered."""

    def load(path, config, *, device, dtype):
        raise AssertionError

    adapters = registry.adapters
    monkeypatch.setattr(adapters, "_entries", dict(adapters._entries))
    monkeypatch.setattr(adapters, "_added", set(adapters._added))
    adapters.register("someones")(load)
    return replace(checkpoint("digits-vp"), format="someones")


def test_a_loaded_model_in_memory_says_what_it_runs_in():
    model = sb.load("digits-iddpm", device="cpu", dtype="bfloat16")
    (found, *_) = conditions(model=model, sampler="ddim")
    assert (found["dtype"], found["memory_format"]) == ("bfloat16", "channels_last")
    with pytest.raises(UsageError, match="computes in bfloat16, not in float32"):
        conditions(model=model, dtype="float32")
    with pytest.raises(UsageError, match="is in memory and used as it is; compile its network"):
        conditions(model=model, compile=True)


# Compiled.


class Double(Trunk):
    """The smallest network with a body."""

    def forward(self, x):
        return self.answer(x)

    def body(self, x):
        return 2 * x


def test_a_compiled_cell_is_another_and_says_so(monkeypatch, tmp_path):
    asked_for = []

    def traced(function, backend):
        asked_for.append(backend)
        return function

    monkeypatch.setattr(trunk, "compiled", traced)
    words = {"model": "digits-edm", "sampler": "euler", "nfe": 2, "num_samples": 24,
             "batch_size": 16, "device": "cpu", "quiet": True}  # fmt: skip
    plain = sb.run(**words, out=str(tmp_path / "a"))
    assert asked_for == []
    compiled = sb.run(**words, compile=True, out=str(tmp_path / "b"))
    assert asked_for == ["inductor"]
    assert list(plain["fd-digits"]) == list(compiled["fd-digits"])
    assert list(plain["cell"]) != list(compiled["cell"])
    (name,) = compiled["cell"]
    record = json.loads((tmp_path / "b" / "cells" / f"{name}.json").read_text())
    assert record["conditions"]["compiled"] is True
    assert record["provenance"]["checkpoint"]["compiled"] is True


def test_a_half_precision_run_says_so(tmp_path):
    frame = sb.run(
        model="digits-edm", sampler="euler", nfe=2, num_samples=24, device="cpu", quiet=True,
        dtype="bfloat16", out=str(tmp_path),
    )  # fmt: skip
    assert list(frame["dtype"]) == ["bfloat16"]
    (name,) = frame["cell"]
    record = json.loads((tmp_path / "cells" / f"{name}.json").read_text())
    assert record["conditions"]["memory_format"] == "channels_last"


@pytest.mark.slow
def test_every_family_is_one_graph(family, monkeypatch):
    monkeypatch.setattr(Trunk.compile_body, "__defaults__", ("eager",))
    plain, traced = loaded(family, None), sb.load(FILES[family], device="cpu", compile=True)
    assert traced.compiled and torch.equal(asked(plain), asked(traced))


@pytest.mark.slow
def test_compiled_on_the_host():
    plain, compiled = loaded("digits-vp", None), sb.load("digits-vp", device="cpu", compile=True)
    expected, found = asked(plain), asked(compiled)
    # The rounding of float32, at every layer in another order.
    bound = depth_of(plain) * 2**-23 * float(expected.abs().max())
    assert float((found - expected).abs().max()) < bound
    assert compiled.provenance["compiled"] is True


def test_a_compiler_that_fails_is_a_line(refused):
    def failing(graph, inputs):
        raise ValueError("no such\nkernel")

    network = Double()
    network.compile_body(failing)
    line = refused(
        lambda: network(torch.ones(2)), EnvironmentError_, "cannot be compiled", "no such kernel"
    )
    assert line.endswith("leave --compile out")


def test_memory_that_runs_out_as_it_compiles_is_that():
    def failing(graph, inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    network = Double()
    network.compile_body(failing)
    with pytest.raises(torch.OutOfMemoryError):
        network(torch.ones(2))


def test_every_shape_is_one_graph_however_many():
    graphs = []

    def counting(graph, inputs):
        graphs.append(inputs)
        return graph.forward

    network = Double()
    network.compile_body(counting)
    for _ in range(3):
        assert torch.equal(network(torch.ones(4)), 2 * torch.ones(4))
    assert len(graphs) == 1
    # Of batches of a program's own; torch by itself gives up at the ninth.
    for n in range(2, 24):
        assert torch.equal(network(torch.ones(n)), 2 * torch.ones(n))
    assert len(graphs) == 22


def test_without_a_compiler(monkeypatch, refused):
    monkeypatch.setenv("CXX", "no-such-compiler")
    load = lambda: sb.load("digits-edm", device="cpu", compile=True)  # noqa: E731
    refused(load, EnvironmentError_, "needs a C++ compiler", "no-such-compiler was not found")


def test_a_sweep_without_a_compiler_writes_nothing(monkeypatch, tmp_path, capsys, refused):
    monkeypatch.setenv("CXX", "no-such-compiler")
    words = {"model": "digits-edm", "nfe": 2, "device": "cpu", "compile": True}
    out = tmp_path / "out"
    refused(lambda: sb.run(**words, out=str(out)), EnvironmentError_, "needs a C++ compiler")
    flags = ["run", "--model", "digits-edm", "--nfe", "2", "--device", "cpu", "--compile"]
    assert main([*flags, "--out", str(out)]) == 3
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and not (said.out or out.exists())

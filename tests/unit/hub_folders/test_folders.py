"""What a folder's files say of its model: process, labels, shape, precision, names."""

from __future__ import annotations

import inspect
import json
import sys
import types

import diffusers
import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file

import samplebench as sb
from samplebench.adapters.diffusers.unet import UNet
from samplebench.bench.known import Known
from samplebench.checkpoints.diffusers_folder import folder_entry, hub_entry, refuse_latents
from samplebench.checkpoints.local import digest, local_file
from samplebench.doctor import examine
from samplebench.errors import EnvironmentError_, InputError, UsageError
from samplebench.files.atomic import sha256
from samplebench.processes.diffusers import TABLES
from tests.unit.hub_folders.folders import saved, scheduler, unet

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
NCSN = {
    "time_embedding_type": "fourier",
    "center_input_sample": True,
    "down_block_types": ("SkipDownBlock2D", "AttnSkipDownBlock2D"),
    "up_block_types": ("AttnSkipUpBlock2D", "SkipUpBlock2D"),
    "mid_block_scale_factor": 1.41421356237,
    # Its layers fix the number of groups by the channels.
    "block_out_channels": (64, 64),
    "norm_num_groups": 32,
}


def noisy(n=2, shape=(3, 8, 8), seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


@torch.no_grad()
def asked(network, x, t, labels=None):
    return network(x.float(), t, class_labels=labels).sample.double()


@pytest.mark.slow
def test_betas_that_a_file_leaves_out_are_those_of_its_class():
    for name, (start, end, schedule) in TABLES.items():
        found = getattr(diffusers, f"{name}Scheduler")
        if getattr(found, "_backends", None):
            continue  # it needs more than diffusers
        known = inspect.signature(found.__init__).parameters
        assert (known["beta_start"].default, known["beta_end"].default) == (start, end), name
        assert known["beta_schedule"].default == schedule, name


@pytest.mark.parametrize("root", [False, True])
def test_a_table_is_that_of_the_scheduler(tmp_path, root):
    own = scheduler("DDIM", beta_schedule="squaredcos_cap_v2", num_train_timesteps=100)
    entry = folder_entry(saved(tmp_path / "my net", unet(), own, root=root))
    planned = Known(entry)
    assert (entry.id, planned.kind, entry.shape) == ("my net", "discrete", (3, 8, 8))
    torch.testing.assert_close(
        torch.from_numpy(planned.process.alpha_bar), own.alphas_cumprod.double(), rtol=1e-12, atol=0
    )
    assert digest(entry) == sha256(local_file(entry))
    model = sb.load(entry)
    assert model.provenance["config"]["scheduler"]["beta_schedule"] == "squaredcos_cap_v2"


@pytest.mark.parametrize("predicts", ["epsilon", "sample", "v_prediction"])
def test_d_of_a_table(tmp_path, predicts):
    own, network, x = scheduler("DDPM", prediction_type=predicts), unet(), noisy()
    model = sb.load(saved(tmp_path, network, own))
    for j in (0, 500, 999):
        kept = own.alphas_cumprod[j].double()
        root, rest = kept.sqrt(), (1 - kept).sqrt()
        answer = asked(network, x * root, torch.tensor([j]))
        wanted = {
            "epsilon": (x * root - rest * answer) / root,
            "sample": answer,
            "v_prediction": root * (x * root) - rest * answer,
        }[predicts]
        found = model(x, float(rest / root))
        assert (found - wanted).abs().max() <= 1e-6 * wanted.abs().max().clamp(min=1)


def test_no_level_is_infinite_where_the_last_step_has_no_image(tmp_path):
    own = scheduler("DDIM", prediction_type="v_prediction", rescale_betas_zero_snr=True)
    model = sb.load(saved(tmp_path, unet(), own))
    assert model.process.sigmas[-1] == float("inf")
    assert model.sigma_max == model.process.sigmas[-2]
    assert sb.sample(model, "heun", steps=4, seeds=[0]).isfinite().all()
    found = sb.sample(model, "respaced", respacing="10,15", seeds=[0], clip_x0=False)
    assert found.isfinite().all()


def test_a_score_of_images_between_0_and_1(tmp_path):
    network, x = unet(**NCSN), noisy()
    own = scheduler("ScoreSdeVe", sigma_min=0.02, sigma_max=50.0)
    model = sb.load(saved(tmp_path, network, own))
    assert (model.kind, model.sigma_min, model.sigma_max) == ("sigma", 0.04, 100.0)
    for sigma in (0.04, 1.0, 100.0):
        half = torch.full((2,), sigma / 2)
        score = asked(network, (x + 1) / 2, half)
        wanted = 2 * ((x + 1) / 2 + (sigma / 2) ** 2 * score) - 1
        found = model(x, sigma)
        assert (found - wanted).abs().max() <= 1e-6 * wanted.abs().max().clamp(min=1)
    assert torch.equal(model(x, 0.0), x)


@pytest.mark.parametrize(
    "name",
    ["FlowMatchEulerDiscrete", pytest.param("FlowMatchHeunDiscrete", marks=pytest.mark.slow)],
)
def test_a_flow_s_slope(tmp_path, name):
    network, x = unet(), noisy()
    model = sb.load(saved(tmp_path, network, scheduler(name, shift=3.0)))
    for s in (0.01, 0.5, 0.99):
        sigma = s / (1 - s)
        slope = asked(network, (1 - s) * x, torch.full((2,), 1000 * s))
        wanted = (1 - s) * x - s * slope
        torch.testing.assert_close(model(x, sigma), wanted, rtol=1e-6, atol=1e-6)


def test_labels_are_the_network_s(tmp_path):
    network = unet(num_class_embeds=5)
    model = sb.load(saved(tmp_path, network, scheduler("DDPM")))
    x, labels, t = noisy(), torch.tensor([1, 4]), torch.tensor([999])
    assert model.num_classes == 5
    kept = model.process.alpha_bar[999]
    answer = asked(network, x * kept**0.5, t, labels)
    wanted = x - model.sigma_max * answer
    torch.testing.assert_close(model(x, model.sigma_max, labels), wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(UsageError, match="labels are missing"):
        model(x, 1.0)


@pytest.mark.parametrize(("size", "channels"), [([8, 16], 1), (16, 3)])
def test_any_shape(tmp_path, size, channels):
    network = unet(sample_size=size, in_channels=channels, out_channels=channels)
    model = sb.load(saved(tmp_path, network, scheduler("DDPM")))
    height, width = size if isinstance(size, list) else (size, size)
    assert model.shape == (channels, height, width)
    assert sb.sample(model, "euler", steps=2, seeds=[0]).shape == (1, channels, height, width)


def test_latents_load_and_are_no_images(tmp_path):
    network = unet(in_channels=4, out_channels=4)
    entry = folder_entry(saved(tmp_path, network, scheduler("DDPM")))
    assert sb.load(entry).shape == (4, 8, 8)
    with pytest.raises(InputError, match="4 channels: latents"):
        refuse_latents(entry)


def test_learned_variances_are_read(tmp_path):
    network = unet(out_channels=6)
    folder = saved(tmp_path, network, scheduler("DDPM", variance_type="learned_range"))
    model = sb.load(folder)
    _, v = model.predict(noisy(), 500)
    wanted = asked(network, noisy(), torch.tensor([500]))[:, 3:]
    torch.testing.assert_close(v, wanted, rtol=1e-6, atol=1e-6)
    with pytest.raises(InputError, match="6 channels for images with 3"):
        folder_entry(saved(tmp_path, network, scheduler("DDPM")))


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16])
def test_whatever_floats_are_stored_it_runs_in_float32(tmp_path, kind):
    folder = saved(tmp_path, unet().to(kind), scheduler("DDPM"))
    stored = load_file(folder / WEIGHTS)
    entry = folder_entry(folder)
    assert entry.dtype == ("float16" if kind == torch.float16 else "float32")
    found = sb.load(entry, device="cpu").network.unet.state_dict()
    for name, tensor in stored.items():
        assert tensor.dtype == kind
        assert torch.equal(found[name], tensor.float())


def test_its_file_of_weights_alone_says_nothing_of_it(tmp_path):
    folder = saved(tmp_path, unet(), scheduler("DDPM"))
    with pytest.raises(UsageError, match="give the folder that holds them, not its file"):
        sb.load(folder / WEIGHTS)


def test_in_half_precision_the_time_keeps_its_digits():
    seen = []

    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float16))

        def forward(self, x, t, class_labels):
            seen.append((x.dtype, t.dtype))
            return types.SimpleNamespace(sample=x)

    x, t = torch.ones(1, 3, 8, 8, dtype=torch.float64), torch.tensor([999.6], dtype=torch.float64)
    assert UNet(Half())(x, t).dtype == torch.float64
    assert UNet(Half())(x, t.long()).dtype == torch.float64
    assert seen == [(torch.float16, torch.float32), (torch.float16, torch.int64)]


def test_float64_is_not_among_its_precisions(tmp_path):
    folder = saved(tmp_path, unet(), scheduler("DDPM"))
    with pytest.raises(UsageError, match=r"dtype float64: .* runs in float32, tf32, bfloat16 or"):
        sb.load(folder, dtype="float64", device="cpu")


def test_the_only_variant_is_taken_and_the_plain_file_before_it(tmp_path):
    folder = saved(tmp_path, unet(0), scheduler("DDPM"), variant="fp16")
    assert folder_entry(folder).location.endswith("diffusion_pytorch_model.fp16.safetensors")
    saved(folder, unet(1), scheduler("DDPM"))
    assert folder_entry(folder).location.endswith("diffusion_pytorch_model.safetensors")


def test_names_of_old_files_are_read(tmp_path):
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    folder, network = saved(tmp_path, unet(), scheduler("DDPM")), unet()
    tensors = load_file(folder / WEIGHTS)
    renamed = {}
    for name, tensor in tensors.items():
        for today, before in old.items():
            name = name.replace(f".{today}.", f".{before}.")
        renamed[name] = tensor
    assert renamed.keys() != tensors.keys()
    save_file(renamed, folder / WEIGHTS)
    found = sb.load(folder).network.unet.state_dict()
    assert all(torch.equal(found[name], t) for name, t in network.state_dict().items())


def test_what_training_adds_and_what_is_null_decides_nothing(tmp_path):
    folder = saved(tmp_path, unet(), scheduler("DDPM"))
    path = folder / "unet/config.json"
    before = folder_entry(folder).config
    content = json.loads(path.read_text())
    content |= {"decay": 0.9999, "optimization_step": 5, "_name_or_path": "x", "newer": None}
    path.write_text(json.dumps(content))
    assert folder_entry(folder).config == before


def test_what_the_network_saw_is_in_the_conditions_and_how_it_is_sampled_is_not(tmp_path):
    def config(name, **words):
        return folder_entry(saved(tmp_path, unet(), scheduler(name, **words))).config

    same = config("DDPM")
    assert config("DDIM", timestep_spacing="trailing", clip_sample=False) == same
    assert config("PNDM", skip_prk_steps=True) == same
    assert config("DDPM", beta_end=0.03) != same
    assert config("DDPM", prediction_type="sample") != same


def test_memory_is_the_model_s_own(tmp_path):
    """A file that is written anew under a loaded model does not change it."""
    folder = saved(tmp_path, unet(0), scheduler("DDPM"))
    model = sb.load(folder)
    before = model(noisy(), 1.0)
    with (folder / WEIGHTS).open("r+b") as file:
        file.seek(1 << 16)
        file.write(bytes(1 << 16))
    assert torch.equal(model(noisy(), 1.0), before)


def test_random_weights_are_no_denoiser(tmp_path):
    verdict = examine(sb.load(saved(tmp_path, unet(), scheduler("DDPM")))).verdict
    assert "it does not behave like a denoiser" in verdict


def test_a_sweep_refuses_latents_before_it_samples(tmp_path):
    folder = saved(tmp_path / "net", unet(in_channels=4, out_channels=4), scheduler("DDPM"))
    with pytest.raises(InputError, match="4 channels: latents"):
        sb.run(model=str(folder), sampler="euler", nfe=5, num_samples=4, out=tmp_path / "out")


def test_a_folder_of_a_table_is_planned_and_run(tmp_path):
    folder = saved(tmp_path / "net", unet(), scheduler("DDIM", prediction_type="v_prediction"))
    images = tmp_path / "images.npy"
    numpy.save(images, numpy.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), numpy.uint8))
    frame = sb.run(
        model=str(folder),
        sampler=["ddim", "heun"],
        nfe=5,
        num_samples=8,
        metric="fd-pixels",
        reference=str(images),
        out=tmp_path / "out",
        quiet=True,
    )
    assert sorted(frame["nfe"]) == [5, 5]
    assert set(frame["model"]) == {"net"}


@pytest.mark.parametrize("package", ["diffusers", "huggingface_hub"])
def test_a_missing_package_is_the_environment_s(tmp_path, monkeypatch, package):
    folder = saved(tmp_path, unet(), scheduler("DDPM"))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EnvironmentError_, match=r'need .*pip install "samplebench\[diffusers\]"'):
        sb.load(folder) if package == "diffusers" else hub_entry("hf:org/net")


@pytest.mark.parametrize("name", ["DDPM", "ScoreSdeVe", "FlowMatchEulerDiscrete", "EDMEuler"])
def test_the_process_that_is_planned_is_the_loaded_one_s(tmp_path, name):
    folder = saved(tmp_path, unet(), scheduler(name))
    planned, model = Known(folder_entry(folder)).process, sb.load(folder)
    if name == "DDPM":
        assert (planned.alpha_bar == model.process.alpha_bar).all()
    else:
        assert planned == model.process
    if name in ("ScoreSdeVe", "FlowMatchEulerDiscrete"):
        ends = model.process.sigma(model.process.t_min), model.process.sigma(model.process.T)
        assert ends == pytest.approx((model.sigma_min, model.sigma_max), rel=1e-12)

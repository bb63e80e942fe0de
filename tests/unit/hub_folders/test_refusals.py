"""What no folder may hold: told in one line, without running or unpacking anything, and quickly."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import shutil
import struct
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

import samplebench as sb
from samplebench.errors import InputError, SamplebenchError
from tests.unit.hub_folders.folders import saved, scheduler, unet

UNET, LAW = "unet/config.json", "scheduler/scheduler_config.json"
WEIGHTS, INDEX = "unet/diffusion_pytorch_model.safetensors", "model_index.json"
QUICK = 5.0  # seconds, on a machine that does other work


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    folder = saved(tmp_path_factory.mktemp("genuine"), unet(), scheduler("DDPM"))
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    (folder / INDEX).write_text(json.dumps({"_class_name": "DDPMPipeline", **parts}))
    return folder


@pytest.fixture
def folder(genuine, tmp_path):
    return shutil.copytree(genuine, tmp_path / "folder")


def refused(folder, *said):
    """The line in which a folder is refused."""
    begin = time.monotonic()
    with pytest.raises(SamplebenchError) as caught:
        sb.load(folder, format="diffusers", device="cpu")
    assert time.monotonic() - begin < QUICK
    line = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in line and len(line) < 2000
    for word in said:
        assert word in line
    return line


def changed(folder, name, **words):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **words}))


def framed(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Bomb:
    def __reduce__(self):
        return (builtins.exec, ("raise SystemExit('code of a folder was run')",))


def test_the_genuine_one_loads(folder):
    assert sb.load(folder, format="diffusers").shape == (3, 8, 8)


@pytest.mark.parametrize("name", [UNET, LAW, WEIGHTS])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    refused(folder, name.rpartition("/")[2], "missing")


def test_a_folder_of_nothing(tmp_path):
    refused(tmp_path)
    refused(tmp_path / "not there", "does not exist")


@pytest.mark.parametrize("suffix", ["bin", "pt", "pth", "ckpt"])
def test_weights_that_are_a_pickle(folder, suffix):
    (folder / WEIGHTS).unlink()
    (folder / f"unet/diffusion_pytorch_model.{suffix}").write_bytes(pickle.dumps(Bomb()))
    refused(folder, "pickle", "safe_serialization")


def test_a_pickle_called_safetensors(folder):
    for data in (pickle.dumps(Bomb()), b"PK\x03\x04" + bytes(100)):
        (folder / WEIGHTS).write_bytes(data)
        refused(folder, "not a safetensors file")
    torch.save({"x": torch.ones(2)}, folder / WEIGHTS)
    refused(folder, "not a safetensors file", "zip archive")


def test_weights_in_parts(folder):
    part = folder / "unet/diffusion_pytorch_model-00001-of-00002.safetensors"
    (folder / WEIGHTS).rename(part)
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text("{}")
    refused(folder, "in parts", "max_shard_size")


def test_several_variants_and_no_plain_file(folder):
    for variant in ("fp16", "non_ema"):
        name = f"unet/diffusion_pytorch_model.{variant}.safetensors"
        shutil.copy(folder / WEIGHTS, folder / name)
    (folder / WEIGHTS).unlink()
    refused(folder, "fp16", "non_ema", "keep one")


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        (UNET, {"_class_name": "UNet2DConditionModel"}, "describes UNet2DConditionModel"),
        (UNET, {"_class_name": ["my_module", "MyNet"]}, "only diffusers' UNet2DModel"),
        (UNET, {"_class_name": None}, "names no class"),
        (UNET, {"auto_map": {"AutoModel": "net.Net"}}, "auto_map"),
        (UNET, {"layers_per_blok": 2}, "did you mean 'layers_per_block'"),
        (UNET, {"block_out_channels": [10**9, 10**9]}, "up to 16384"),
        (UNET, {"layers_per_block": 10**9}, "layers_per_block"),
        (UNET, {"down_block_types": ["CrossAttnDownBlock2D"] * 2}, "down_block_types"),
        (UNET, {"down_block_types": ["DownBlock2D"] * 3}, "different lengths"),
        (UNET, {"sample_size": None}, "sample_size=None must be"),
        (UNET, {"sample_size": 9}, "multiple of 2"),
        (UNET, {"sample_size": [8, 8, 8]}, "sample_size"),
        (UNET, {"sample_size": True}, "sample_size"),
        (UNET, {"norm_num_groups": 7}, "no network that runs"),
        (UNET, {"norm_num_groups": "8"}, "norm_num_groups"),
        (UNET, {"attention_head_dim": 1000}, "no network that runs"),
        (UNET, {"num_class_embeds": 10**12}, "num_class_embeds"),
        (UNET, {"class_embed_type": "identity"}, "embeddings in place of labels"),
        (UNET, {"class_embed_type": "timestep"}, "how many classes"),
        (UNET, {"time_embedding_type": "fourier"}, "ScoreSdeVeScheduler"),
        (UNET, {"time_embedding_type": "learned"}, "num_train_timesteps"),
        (UNET, {"out_channels": 4}, "4 channels for images with 3"),
        (UNET, {"act_fn": "os.system"}, "act_fn"),
        (LAW, {"_class_name": "DDPMSchedular"}, "did you mean 'DDPMScheduler'"),
        (LAW, {"_class_name": "CMStochasticIterativeScheduler"}, "all: "),
        (LAW, {"_class_name": ["scheduler", "Mine"]}, "_class_name"),
        (LAW, {"beta_schedule": "exp"}, "beta_schedule"),
        (LAW, {"beta_start": 2.0}, "beta_start"),
        (LAW, {"beta_start": float("nan")}, "beta_start"),
        (LAW, {"beta_end": "0.02"}, "beta_end"),
        (LAW, {"num_train_timesteps": 10**9}, "num_train_timesteps"),
        (LAW, {"num_train_timesteps": 1}, "num_train_timesteps"),
        (LAW, {"prediction_type": "flow"}, "prediction_type"),
        (LAW, {"rescale_betas_zero_snr": True}, "v_prediction or sample"),
        (LAW, {"rescale_betas_zero_snr": "yes"}, "true or false"),
        (LAW, {"trained_betas": [0.1]}, "1000 numbers"),
        (LAW, {"trained_betas": [2.0] * 1000}, "between 0 and 1"),
        (LAW, {"trained_betas": [1e-9] * 1000}, "float32"),
        (LAW, {"variance_type": "learned"}, "variance_type learned"),
        (LAW, {"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}, "discrete"),
        (INDEX, {"_class_name": ["pipeline", "Mine"]}, "code in the folder"),
        (INDEX, {"unet": ["my_net", "UNet2DModel"]}, "its unet is not part of diffusers"),
        (INDEX, {"vqvae": ["diffusers", "VQModel"]}, "a part 'vqvae'"),
        (INDEX, {"unet": "../../etc"}, "its unet is not part of diffusers"),
    ],
)
def test_what_the_files_say(folder, name, words, said):
    changed(folder, name, **words)
    refused(folder, said)


@pytest.mark.parametrize("name", [UNET, LAW, INDEX])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{" * 10_000, "not JSON"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
        (b'{"_class_name": "UNet2DModel", "_class_name": "UNet2DModel"}', "twice"),
        (b"\xff\xfe{\x00}\x00", "UTF-16"),
        (b'{"a": ' + b"9" * 5000 + b"}", ""),
        (b" " * ((1 << 22) + 1), "larger than"),
    ],
)
def test_files_that_are_no_json(folder, name, content, said):
    (folder / name).write_bytes(content)
    refused(folder, said)


@pytest.mark.parametrize("name", [UNET, LAW, WEIGHTS])
def test_what_is_no_file(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder)
    (folder / name).rmdir()
    (folder / name).symlink_to(folder / name)
    refused(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused(folder, "pipe")


def test_a_number_that_is_none(folder):
    text = (folder / UNET).read_text().replace('"norm_eps": 1e-05', '"norm_eps": NaN')
    assert "NaN" in text
    (folder / UNET).write_text(text)
    refused(folder, "NaN is not JSON")


def altered(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def test_other_tensors(folder):
    original = (folder / WEIGHTS).read_bytes()
    changes = {
        "missing": lambda t: t.pop("conv_in.bias"),
        "unexpected": lambda t: t.update(extra=torch.ones(2)),
        "shape": lambda t: t.update({"conv_in.bias": torch.ones(31)}),
        "I64": lambda t: t.update({"conv_in.bias": torch.ones(32, dtype=torch.int64)}),
        "F8_E4M3": lambda t: t.update({"conv_in.bias": torch.ones(32).to(torch.float8_e4m3fn)}),
    }
    for said, change in changes.items():
        (folder / WEIGHTS).write_bytes(original)
        altered(folder, change)
        refused(folder, said)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", (1 << 24) + 1) + b"{" + b" " * (1 << 24),
        framed(b'{"a":' * 1000 + b"1" + b"}" * 1000),
        framed(b'{"a": {"dtype": "F32"}}'),
        framed({"a": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 8]}}, bytes(8)),
        framed({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(4)),
        framed({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, bytes(8)),
        framed({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)),
        framed({k: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for k in "ab"}, bytes(8)),
        framed(b'{"a": 1, "a": 2}'),
        framed({"a": []}),
        b"",
        b"\x00" * 7,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64,
        b"<html>",
    ],
)
def test_damaged_weights(folder, data):
    (folder / WEIGHTS).write_bytes(data)
    refused(folder, "safetensors")


@pytest.mark.slow
def test_no_cut_and_no_flipped_byte_of_any_file_ends_in_a_traceback(folder):
    """Each is refused in a line, or loads: a flipped bit of a weight is a weight."""
    random = torch.Generator().manual_seed(0)
    for name in (UNET, LAW, INDEX, WEIGHTS):
        original = (folder / name).read_bytes()
        # Of the weights those places that say what they are.
        reach = min(len(original), int.from_bytes(original[:8], "little") + 16)
        if name != WEIGHTS:
            reach = len(original)
        for _ in range(150):
            place = int(torch.randint(reach, (), generator=random))
            bit = 1 << int(torch.randint(8, (), generator=random))
            flipped = bytearray(original)
            flipped[place] ^= bit
            for data in (bytes(flipped), original[:place]):
                (folder / name).write_bytes(data)
                try:
                    sb.load(folder, format="diffusers", device="cpu")
                except InputError as error:
                    assert "\n" not in str(error)
        (folder / name).write_bytes(original)

"""The released networks on shapes alone, for their operations."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from samplebench.adapters.openai import flags
from samplebench.adapters.score_sde import config as score_sde
from samplebench.bench.flops import gflop_of
from samplebench.checkpoints.catalog import catalog
from samplebench.networks import ncsnpp
from samplebench.networks.ddim_unet import ddim_unet
from samplebench.networks.edm2_denoiser import edm2_denoiser
from samplebench.networks.preconditioning import preconditioner

GOLDENS = Path(__file__).parents[2] / "goldens"
# Released files without a published list of tensors -> one of the same network.
LIKE = {
    "vp-cifar10-cond": "vp-cifar10",
    "ve-cifar10-cond": "ve-cifar10",
    "vp-ffhq64": "edm-ffhq64-vp",
    "ve-ffhq64": "edm-ffhq64-ve",
    "vp-afhqv2-64": "edm-afhqv2-64-vp",
    "ve-afhqv2-64": "edm-afhqv2-64-ve",
}
WIDTHS = {"xs": 128, "s": 192, "m": 256, "l": 320, "xl": 384}


def gflop(name: str) -> float:
    """Of one evaluation of one image by a released checkpoint of the catalogue."""
    entry = catalog()[LIKE.get(name, name)]
    with torch.device("meta"):
        network, ask = _made(entry)
        if hasattr(network, "use_fp16"):
            network.use_fp16 = False
        network.eval()
        found = gflop_of(lambda: ask(network), 1)
    assert found is not None
    return found


def gflop_of_classifier(name: str) -> float:
    """Of one gradient for one image by the classifier that was released beside a checkpoint."""
    entry = catalog()[name].classifier
    assert entry is not None
    with torch.device("meta"):
        network = flags.classifier(entry.config).eval().requires_grad_(False)
        image = torch.zeros(1, *entry.shape, requires_grad=True)

        def ask():
            with torch.enable_grad():
                logits = network(image, torch.zeros(1)).log_softmax(1)
                torch.autograd.grad(logits[:, 0].sum(), image)

        found = gflop_of(ask, 1)
    assert found is not None
    return found


def _made(entry):
    image = torch.zeros(1, *entry.shape)
    index, level = torch.zeros(1), torch.ones(1, dtype=torch.float64)
    classes = entry.num_classes
    one_hot = torch.zeros(1, classes) if classes else None
    numbers = torch.zeros(1, dtype=torch.int64) if classes else None
    if entry.format == "edm":
        records = json.loads((GOLDENS / "edm/structures.json").read_text(encoding="utf-8"))
        record = records[entry.file_name.removesuffix(".pkl")]
        made = preconditioner(record["class_name"], record["init_kwargs"])
        return made, lambda net: net(image.double(), level, one_hot)
    if entry.format == "edm2":
        size = entry.file_name.split("-")[2]
        made = edm2_denoiser(
            {"img_resolution": 64, "img_channels": 3, "label_dim": classes,
             "model_channels": WIDTHS[size], "dropout": 0.0, "use_fp16": True}
        )  # fmt: skip
        return made, lambda net: net(image.double(), level, one_hot)
    if entry.format == "score-sde":
        made = preconditioner(*score_sde.songunet_arguments(entry.config, 3))
        return made, lambda net: net(image.double(), level, one_hot)
    if entry.format == "openai":
        made = flags.unet(str(entry.config["family"]), entry.config)
        return made, lambda net: net(image, index, numbers)
    if entry.format == "ddim":
        return ddim_unet(entry.config), lambda net: net(image, index)
    arguments = ncsnpp.songunet_arguments(entry.config["model_config"])
    state = torch.zeros(1, arguments["img_channels"], 32, 32)
    return ncsnpp.ncsnpp(arguments), lambda net: net(state, torch.ones(1))

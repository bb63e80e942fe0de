"""Small folders in diffusers' layout, written by diffusers, and its loops over their networks."""

from __future__ import annotations

import inspect

import diffusers
import torch

ATTENTION = {
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}


def unet(seed=0, **arguments):
    """A tiny UNet2DModel with random weights."""
    torch.manual_seed(seed)
    small = {"block_out_channels": (32, 64), "norm_num_groups": 8, "layers_per_block": 1}
    network = diffusers.UNet2DModel(**{"sample_size": 8, **small, **ATTENTION, **arguments})
    return network.eval()


def saved(folder, network, scheduler, *, root=False, **how):
    """The folder of a pipeline, or with `root` of a network and a scheduler beside it."""
    if root:
        network.save_pretrained(folder, **how)
        scheduler.save_pretrained(folder)
    else:
        network.save_pretrained(folder / "unet", **how)
        scheduler.save_pretrained(folder / "scheduler")
    return folder


def scheduler(name, **words):
    return getattr(diffusers, f"{name}Scheduler")(**words)


@torch.no_grad()
def looped(network, scheduler, latents, steps, generators=None):
    """What diffusers' pipelines do: the network is asked at the scheduler's own times."""
    scheduler.set_timesteps(steps)
    x = latents * float(getattr(scheduler, "init_noise_sigma", 1.0))
    takes = "generator" in inspect.signature(scheduler.step).parameters
    told = {"generator": generators} if takes and generators else {}
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(network(scaled, t).sample, t, x, **told).prev_sample
    return x

"""The command line with a planted bug: `planted.py BUG run ...`; see test_planted_bugs.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps

import torch

from samplebench import registry
from samplebench.bench import block
from samplebench.checkpoints import score_sde_file
from samplebench.cli import main
from samplebench.images import to_uint8
from samplebench.models.preconditioned import PreconditionedModel
from samplebench.networks import openai_layers
from samplebench.noise import streams as noise
from samplebench.samplers import respaced


def swap(kind: registry.Registry, name: str, obj: Callable) -> None:
    kind._entries[name] = replace(kind.entry(name), obj=obj)


def rho_off_by_one():
    edm = registry.discretizations.get("edm")

    @wraps(edm)
    def other(*args, rho=7.0, **rest):
        return edm(*args, rho=rho + 1, **rest)

    swap(registry.discretizations, "edm", other)


def missing_last_step():
    heun = registry.samplers.get("heun")

    @wraps(heun)
    def shorter(model, x, grid, **rest):
        return heun(model, x, grid[:-1], **rest)

    swap(registry.samplers, "heun", shorter)


def wrong_uint8_rule():
    block.to_uint8 = lambda x, rule: to_uint8(x, "openai")


def ema_ignored():
    read = score_sde_file.read_torch_file

    def as_last_trained(path, **rest):
        state = read(path, **rest)
        trained = {k: v for k, v in state["model"].items() if k != score_sde_file.BUFFER}
        trained.pop(score_sde_file.FROZEN, None)
        state["ema"]["shadow_params"] = list(trained.values())
        return state

    score_sde_file.read_torch_file = as_last_trained


def attention_order_swapped():
    attend = openai_layers.attend
    openai_layers.attend = lambda qkv, heads, new_order: attend(qkv, heads, not new_order)


def labels_shifted():
    start = noise.PortableNoise.start

    def shifted(self, shape, num_classes):
        x, labels = start(self, shape, num_classes)
        return x, None if labels is None else (labels + 1) % num_classes

    noise.PortableNoise.start = shifted


def sigma_in_float16():
    call = PreconditionedModel.__call__

    def half(self, x, sigma, labels=None):
        return call(self, x, torch.as_tensor(sigma).half().double(), labels)

    PreconditionedModel.__call__ = half


def variance_fraction_not_halved():
    log_variance_of = respaced.log_variance_of
    respaced.log_variance_of = lambda law, kind, j, v, like: log_variance_of(
        law, kind, j, 2 * v + 1, like
    )


def one_seed_reused():
    class Reused(noise.PortableNoise):
        def __init__(self, seeds, device, dtype):
            first, _, *others = seeds
            super().__init__([first, first, *others], device, dtype)

    noise.STREAMS["portable"] = Reused


BUGS = {
    bug.__name__: bug
    for bug in (
        rho_off_by_one,
        missing_last_step,
        wrong_uint8_rule,
        ema_ignored,
        attention_order_swapped,
        labels_shifted,
        sigma_in_float16,
        variance_fraction_not_halved,
        one_seed_reused,
    )
}

if __name__ == "__main__":
    BUGS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))

"""Which network it is: what changes a number changes the identity, and nothing else does."""

from __future__ import annotations

import copy
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import samplebench as sb

SHAPE = (1, 4, 4)
TABLE = np.linspace(0.999, 0.01, 20)
WORDS = {"predicts": "eps", "alpha_bar": TABLE, "shape": SHAPE}

SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)
        self.register_buffer("mean", torch.zeros(1))
        with torch.no_grad():
            for i, weight in enumerate(self.parameters()):
                weight.copy_(torch.linspace(-1, 1, weight.numel()).reshape(weight.shape) + i)

    def forward(self, x, t):
        return self.layer(x) + self.mean
"""


def module(source=SOURCE):
    """The class of a text, as in a notebook."""
    names = {"__name__": "notebook"}
    exec(compile(source, "<notebook>", "exec"), names)
    return names["Net"]


def made(network=None, **words):
    network = module()().eval() if network is None else network
    return sb.wrap(network, **{**WORDS, **words})


def identity(network=None, **words):
    return made(network, **words).provenance["identity"]


def test_the_name_is_the_class_and_the_hash():
    found = made().provenance
    assert re.fullmatch(r"[0-9a-f]{64}", found["identity"]) and "identity_unknown" not in found
    assert found["id"] == f"Net-{found['identity'][:8]}"
    assert made(name="my net").provenance["id"] == "my net"
    assert identity(name="my net") == found["identity"]
    assert (found["config"]["predicts"], found["config"]["time"]) == ("eps", "index")

    def some_function(x, t):
        return x

    assert made(some_function).provenance["id"].startswith("some_function-")
    assert made(lambda x, t: x).provenance["id"].startswith("lambda-")
    assert made(module()().eval().forward).provenance["id"].startswith("Net-")


def test_a_copy_is_the_same():
    network = module()().eval()
    known = identity(network)
    assert identity(copy.deepcopy(network)) == known == identity()
    again = module()().eval()
    again.load_state_dict(network.state_dict())
    assert identity(again) == known
    changed = SOURCE.replace("class Net", "# a comment\n\n\nclass Net")
    assert identity(module(changed)().eval()) == known


@pytest.mark.slow
def test_another_process_finds_the_same():
    code = f"""
import numpy as np
import samplebench as sb
names = {{"__name__": "notebook"}}
exec(compile({SOURCE!r}, "<notebook>", "exec"), names)
model = sb.wrap(names["Net"]().eval(), predicts="eps", alpha_bar=np.linspace(0.999, 0.01, 20),
                shape=(1, 4, 4))
print(model.provenance["identity"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=sb.__path__[0] + "/..",
    )  # fmt: skip
    assert done.stdout.strip() == identity()


def test_what_changes_no_number_changes_nothing():
    network = module()().eval()
    known = identity(network)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    assert identity(network) == known
    network.requires_grad_(True)
    network(torch.ones(1, *SHAPE), 0).sum().backward()
    assert network.layer.weight.grad is not None and identity(network) == known
    model = made(network)
    network.train()
    model.renew()
    assert model.provenance["identity"] == known and network.training
    hook = network.register_forward_hook(lambda *given: None)
    hook.remove()
    assert identity(network.eval()) == known
    network.to(memory_format=torch.channels_last)
    assert identity(network) == known


def trained(network):
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.ones(1, *SHAPE), 0).square().sum().backward()
        optimizer.step()


def buffer(network):
    network.mean += 1


def hooked(network):
    network.register_forward_hook(lambda module, given, answer: answer * 2)


def patched(network):
    network.forward = lambda x, t: 2 * x


def halved(network):
    network.half()


@pytest.mark.parametrize("change", [trained, buffer, hooked, patched, halved])
def test_what_changes_a_number_is_another(change):
    network = module()().eval()
    model = made(network)
    known = model.provenance
    change(network)
    assert identity(network) != known["identity"]
    model.renew()
    assert model.provenance["identity"] == identity(network)
    assert model.provenance["id"] != known["id"]


def test_a_function_is_its_code_and_what_it_reaches():
    def form(network, factor):
        return lambda x, t: factor * network(x, t)

    network = module()().eval()
    known = identity(form(network, 2))
    assert identity(form(copy.deepcopy(network), 2)) == known
    assert identity(form(network, 3)) != known
    buffer(network)
    assert identity(form(network, 2)) != known


def test_other_code_is_another():
    other = SOURCE.replace("+ self.mean", "- self.mean")
    assert identity(module(other)().eval()) != identity()


def test_every_word_counts():
    def twice(j):
        return 2 * j

    process = {"alpha_bar": None}
    forms = [
        {},
        {"predicts": "x0"},
        {"predicts": "v"},
        {"time": "fraction"},
        {"time": lambda j: j + 1},
        {"time": lambda j: j + 2},
        {"time": twice},
        {"data_range": (0, 1)},
        {"alpha_bar": TABLE**1.01},
        {"betas": np.linspace(0.01, 0.02, 20), **process},
        {"process": "discrete", **process},
        {"process": "discrete", "sigma_small": True, **process},
        {"process": "vp", **process},
        {"process": "vp", "beta_min": 0.2, **process},
        {"process": sb.process("vp", T=0.9), **process},
        {"process": "flow", **process},
        {"process": "ve", **process},
        {"predicts": "D", **process},
        {"predicts": "D", "sigma_max": 80, **process},
    ]
    found = [identity(**form) for form in forms]
    assert len(set(found)) == len(found)
    assert identity(process=sb.process("vp", beta_min=0.2), **process) == found[13]
    assert identity(alpha_bar=TABLE.tolist()) == found[0]
    with_classes = nn.Identity().eval()
    with_classes.forward = lambda x, t, y: x
    several = {identity(with_classes, num_classes=n) for n in (2, 3)}
    several |= {identity(with_classes, num_classes=3, null_label=n) for n in (2, 3)}
    assert len(several) == 4


def test_what_cannot_be_told_is_said():
    draw = torch.Generator()

    def network(x, t):
        return x + 0 * draw.initial_seed()

    assert "random generator" in made(network).provenance["identity_unknown"]


def test_the_family_form_has_one_too():
    words = {"family": "guided-diffusion", "shape": SHAPE}
    network = nn.Identity().eval()
    network.forward = lambda x, t, y: x
    first, second, third = (
        sb.wrap(network, config={"diffusion_steps": steps}, **words).provenance
        for steps in (100, 100, 200)
    )
    assert first == second and first["identity"] != third["identity"]
    assert first["id"] == f"Identity-{first['identity'][:8]}"
    assert first["config"]["family"] == "guided-diffusion"


@pytest.mark.slow
def test_a_large_network_is_told_in_a_second():
    import time

    network = nn.Linear(5120, 5120, bias=False).eval()
    network.forward = lambda x, t: x
    model = made(network)
    began = time.perf_counter()
    model.renew()
    assert time.perf_counter() - began < 1

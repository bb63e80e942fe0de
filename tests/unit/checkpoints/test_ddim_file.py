"""The DDIM code base's container, written here as its trainer writes it, and the model in it.

There is no released file and no sample of the reference to compare with.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import pytest
import torch

from samplebench.adapters.ddim import load
from samplebench.checkpoints.ddim_file import read
from samplebench.errors import InputError
from samplebench.networks.ddim_unet import ddim_unet

CONFIG = {
    "image_size": 8,
    "ch": 32,
    "num_res_blocks": 1,
    "ch_mult": [1, 1],
    "attn_resolutions": [4],
}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = ddim_unet(CONFIG)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.fixture(scope="module")
def averages(network):
    return {name: 0.5 * p.detach() for name, p in network.named_parameters()}


@pytest.fixture(scope="module")
def content(network, averages):
    """A training state after one step of the optimizer."""
    wrapped = torch.nn.DataParallel(network)
    optimizer = torch.optim.Adam(wrapped.parameters(), lr=2e-4, amsgrad=True, eps=1e-8)
    # The state dict shares the parameters, which the step changes.
    sum(p.square().sum() for p in wrapped.parameters()).backward()
    optimizer.step()
    return [wrapped.state_dict(), optimizer.state_dict(), 12, 5000, averages]


@pytest.fixture
def written(tmp_path):
    """`written(content)`: its path."""

    def write(content, **options):
        path = tmp_path / "ckpt.pth"
        torch.save(content, path, **options)
        return path

    return write


CPU = torch.device("cpu")


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
def test_the_averages_come_back(written, content, averages, zipped):
    path = written(content, _use_new_zipfile_serialization=zipped)
    found = read(path)
    assert list(found.model) == list(averages)
    assert all(torch.equal(found.model[name], averages[name]) for name in averages)
    assert (found.epoch, found.step) == (12, 5000)


def test_averages_kept_as_parameters_are_tensors(written, content, averages):
    kept = {name: torch.nn.Parameter(tensor) for name, tensor in averages.items()}
    found = read(written([*content[:4], kept]))
    assert all(type(t) is torch.Tensor and not t.requires_grad for t in found.model.values())


def changed(content, place, value):
    return [*content[:place], value, *content[place + 1 :]]


def first_renamed(state):
    (name, tensor), *others = state.items()
    return {f"{name}x": tensor, **dict(others)}


def first_as(state, value):
    (name, _), *others = state.items()
    return {name: value, **dict(others)}


WRONG = {
    "state-dict": (lambda c: c[4], "its content is not a list"),
    "tuple": (tuple, "its content is not a list"),
    "without-averages": (lambda c: c[:4], "its list has 4 entries"),
    "no-model": (lambda c: changed(c, 0, None), "model is not a state dict"),
    "empty": (lambda c: changed(c, 4, {}), "averages is not a state dict"),
    "renamed": (lambda c: changed(c, 4, first_renamed(c[4])), "is not alike"),
    "fewer": (lambda c: changed(c, 4, dict(list(c[4].items())[1:])), "is not alike"),
    "reshaped": (lambda c: changed(c, 4, first_as(c[4], torch.zeros(2))), "is not alike"),
    "number": (lambda c: changed(c, 4, first_as(c[4], 3.5)), "not a tensor of float32"),
    "whole": (
        lambda c: changed(c, 4, first_as(c[4], torch.zeros(128, 32).long())),
        "not a tensor of float32",
    ),
    "number-as-name": (
        lambda c: changed(c, 4, {0: torch.zeros(2)}),
        "'0' of averages is not a name",
    ),
    "epoch": (lambda c: changed(c, 2, "x"), "epoch is x, not a count"),
    "step": (lambda c: changed(c, 3, -1), "step is -1, not a count"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_contents_are_refused(written, content, name):
    change, message = WRONG[name]
    path = written(change(content))
    with pytest.raises(InputError, match=re.escape(message)) as refusal:
        read(path)
    assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)


def test_a_file_that_would_run_something_is_refused(written, content):
    path = written([*content[:4], OrderedDict(w=torch.nn.Linear(1, 1))])
    with pytest.raises(InputError, match="not part of such a checkpoint"):
        read(path)


def test_the_model_is_that_of_the_averages(written, content, averages):
    model = load(written(content), CONFIG, device=CPU, dtype=None)
    reference = ddim_unet(CONFIG)
    reference.load_state_dict(averages)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    eps, v = model.predict(x, 700)
    assert v is None
    assert torch.equal(eps, reference(x, torch.tensor([700, 700])))
    assert (model.shape, model.num_classes, model.kind) == ((3, 8, 8), 0, "discrete")
    assert model.provenance["step"] == 5000


def test_its_process_is_the_linear_one_with_fixed_variance(written, content):
    model = load(written(content), CONFIG, device=CPU, dtype=None)
    law = model.process
    assert (law.steps, law.rescale, law.predict_xstart) == (1000, False, False)
    assert law.variance == "fixed_large"
    assert (law.betas[0], law.betas[-1]) == pytest.approx((1e-4, 0.02))
    assert model.process.t_net(999) == 999
    # D is x - sigma eps at the nearest step, of the state divided by sqrt(1 + sigma^2).
    sigma = float(law.sigmas[300])
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * sigma
    eps, _ = model.predict(x / (1 + sigma**2) ** 0.5, 300)
    assert torch.allclose(model(x, sigma), x - sigma * eps, atol=1e-4)


def test_another_network_is_refused(written, content):
    with pytest.raises(InputError, match="not the file of such a network"):
        load(written(content), {**CONFIG, "num_res_blocks": 2}, device=CPU, dtype=None)


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


DRESSES = {
    "prefixless": lambda c: changed(c, 0, c[4]),
    "prefixed-averages": lambda c: changed(c, 4, c[0]),
    "compiled": lambda c: changed(c, 4, prefixed("_orig_mod.", c[4])),
    "wrapped-list": lambda c: {"checkpoint": c},
    "averages-alone": lambda c: c[4],
    "in-ema": lambda c: {"ema": c[4], "step": 3},
    "in-state-dict": lambda c: {"state_dict": prefixed("module.model.", c[4]), "epoch": 3},
}


@pytest.mark.parametrize("name", DRESSES)
def test_averages_in_another_dress(written, content, averages, name):
    found = read(written(DRESSES[name](content)), averages.keys())
    assert found.model.keys() == averages.keys()
    expected = content[0] if name == "prefixed-averages" else averages
    prefix = "module." if name == "prefixed-averages" else ""
    assert all(torch.equal(found.model[n], expected[prefix + n]) for n in averages)
    assert found.step in (None, 5000)


def test_weights_alone_are_a_model(written, content):
    model = load(written({"model": content[4]}), CONFIG, device=CPU, dtype=None)
    assert "step" not in model.provenance
    assert model.provenance["structure"]


def test_the_optimizer_alone_is_named(written, content):
    with pytest.raises(InputError, match="holds an optimizer's state"):
        load(written(content[1]), CONFIG, device=CPU, dtype=None)

"""What the doctor says of models that denoise, and of those that do not."""

from __future__ import annotations

import json
import math

import pytest
import torch

import samplebench as sb
from samplebench.checkpoints.catalog import catalog
from samplebench.checkpoints.local import local_file
from samplebench.cli import main
from samplebench.doctor import evaluations_for, examine
from samplebench.doctor.data_range import USUAL, DataRange, nearest
from samplebench.models.model import Model

TRAINED = (
    "digits-vp", "digits-ve", "digits-edm", "digits-adm", "digits-iddpm", "digits-adm-ip",
    "digits-adm-base", "digits-cld", "digits-bdm",
)  # fmt: skip
EXACT = ("digits-exact", "digits-exact-uncond", "digits-cld-exact", "digits-bdm-exact")
MIXTURES = ("exact-2d", "exact-modes", "exact-overlap")
WEIGHTS = "the weights are not those of a trained network"


def embedding(model):
    """The layers that the network's time goes through, first to last."""
    ends = ("map_layer0", "map_layer1", "time_embed.0", "time_embed.2")
    return [layer for name, layer in model.network.named_modules() if name.endswith(ends)]


def permute(weight, seed, axis):
    order = torch.randperm(weight.shape[axis], generator=torch.manual_seed(seed))
    weight.copy_(weight.index_select(axis, order))


def noise(model, scale, seed=0):
    draw = torch.manual_seed(seed)
    for weight in model.network.parameters():
        weight.copy_(scale * torch.randn(weight.shape, generator=draw))


def shuffled(model):
    for k, weight in enumerate(model.network.parameters()):
        order = torch.randperm(weight.numel(), generator=torch.manual_seed(k))
        weight.copy_(weight.flatten()[order].reshape(weight.shape))


def layers_swapped(model):
    by_shape = {}
    for weight in model.network.parameters():
        by_shape.setdefault(weight.shape, []).append(weight)
    for weights in by_shape.values():
        turned = [w.clone() for w in (*weights[1:], weights[0])]
        for weight, other in zip(weights, turned, strict=True):
            weight.copy_(other)


def untrained(model):
    for weight in model.network.parameters():
        torch.nn.init.zeros_(weight) if weight.ndim == 1 else torch.nn.init.kaiming_normal_(weight)
    for weight in [w for w in model.network.parameters() if w.ndim == 4][-1:]:
        torch.nn.init.zeros_(weight)


def reversed_rows(model):
    """Of the last layer: the embedding's entries change places."""
    last = embedding(model)[-1]
    last.weight.copy_(last.weight.flip(0))
    last.bias.copy_(last.bias.flip(0))


BROKEN = {
    "noise": lambda m: noise(m, 0.05),
    "noise, faint": lambda m: noise(m, 0.01),
    "noise, loud": lambda m: noise(m, 0.2),
    "zeros": lambda m: noise(m, 0),
    "shuffled": shuffled,
    "layers swapped": layers_swapped,
    "untrained": untrained,
    "time's input permuted": lambda m: permute(embedding(m)[0].weight, 0, 1),
    "time's input reversed": lambda m: embedding(m)[0].weight.copy_(embedding(m)[0].weight.flip(1)),
    "time's output permuted": lambda m: permute(embedding(m)[-1].weight, 1, 0),
    "time's output reversed": reversed_rows,
}


def broken(name, kind):
    model = sb.load(name, device="cpu")
    with torch.no_grad():
        BROKEN[kind](model)
    return model


class Wrapped(Model):
    """A model in other units or with a fault: D'(x, s) = a D((x - b) / a, s / a) + b."""

    def __init__(self, name="digits-exact", a=1.0, b=0.0, answer=None):
        self.model, self.a, self.b, self.answer = sb.load(name, device="cpu"), a, b, answer
        self.shape, self.num_classes = self.model.shape, self.model.num_classes
        self.sigma_min, self.sigma_max = self.model.sigma_min, self.model.sigma_max
        self.device, self.state_dtype = self.model.device, self.model.state_dtype

    def __call__(self, x, sigma, labels=None):
        sigma = torch.as_tensor(sigma, dtype=x.dtype)
        if self.answer:
            return self.answer(self.model, x, sigma, labels)
        return self.a * self.model((x - self.b) / self.a, sigma / self.a, labels) + self.b


@pytest.mark.parametrize("name", [*EXACT, "digits-adm"])
def test_models_that_denoise(name):
    asked, model = [], sb.load(name, device="cpu")
    found = examine(model, asked.append)
    assert found.healthy and found.denoises and "behaves like a denoiser" in found.verdict
    assert (found.parameters is None) == (name in EXACT)
    # With three evaluations of one image for the time.
    assert sum(asked) == evaluations_for(model) + 3 <= 110
    left = [finding.left for finding in found.findings]
    assert left == sorted(left, reverse=True) and len(left) == 5
    assert set(found.seconds) == {1, 4} and all(s > 0 for s in found.seconds.values())


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures_of_few_elements(name):
    """Of which more images are looked at; told a quarter of the level they are none."""
    model, asked = sb.load(name, device="cpu"), []
    found = examine(model, asked.append)
    assert found.healthy and found.data_range == USUAL
    assert sum(asked) == evaluations_for(model) + 3

    class Mistold(Model):
        shape, device, state_dtype = model.shape, model.device, model.state_dtype

        def __call__(self, x, sigma, labels=None):
            return model(x, torch.as_tensor(sigma) / 4)

    assert not examine(Mistold()).healthy


def test_a_kernel_as_wide_as_the_noise_leaves_half_of_it():
    model = sb.load("digits-exact", device="cpu")
    (found,) = [f for f in examine(model).findings if f.sigma == model.bandwidth]
    assert found.left == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("digits-adm", "noise"),
        ("digits-cld", "noise"),
        ("digits-edm", "time's input permuted"),
    ],
)
def test_networks_that_do_not(name, kind):
    found = examine(broken(name, kind))
    assert not found.healthy and not found.denoises and WEIGHTS in found.verdict
    assert "\n" not in found.verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_every_trained_model_is_told_from_its_broken_ones(name, capsys):
    table = {"as it ships": examine(sb.load(name, device="cpu"))}
    table |= {kind: examine(broken(name, kind)) for kind in BROKEN}
    with capsys.disabled():
        for kind, found in table.items():
            shares = [f.left / f.scaling for f in found.findings]
            print(f"\n{name:16} {kind:24} {max(shares):8.3f} {found.extremes}", end="")
    assert [kind for kind, found in table.items() if found.healthy] == ["as it ships"]
    # Room on both sides of the limits.
    first, *others = table.values()
    assert max(f.left / f.scaling / f.limit for f in first.findings) < 0.85
    for found in others:
        shares = [f.left / f.scaling / f.limit for f in found.findings]
        assert max(shares) > 1.15 or found.data_range != USUAL


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (0.5, 0, "[-0.5, 0.5]"),
        (0.5, 0.5, "[0, 1]"),
        (2, 0, "[-2, 2]"),
        (127.5, 127.5, "[0, 255]"),
        (127.5, 0, "[-128, 128]"),
        (0.1, 0, "reach from -0.1"),
        (6, 0, "reach from -"),
    ],
)
def test_another_range_of_the_data_is_named(a, b, words):
    found = examine(Wrapped(a=a, b=b))
    assert not found.healthy and words in found.verdict, found.verdict
    if words[0] == "[":
        assert found.denoises and "wrong range" in found.verdict
    # The formula it gives is the cure.
    if (a, b) == (0.5, 0.5):
        assert "(D(0.5 x + 0.5, 0.5 sigma) - 0.5) / 0.5" in found.verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in TRAINED if n not in ("digits-cld", "digits-bdm")])
def test_another_range_of_a_trained_model_is_named(name):
    for a, b, words in ((0.5, 0, "[-0.5, 0.5]"), (0.5, 0.5, "[0, 1]"), (2, 0, "[-2, 2]")):
        assert f"look like {words}" in examine(Wrapped(name, a, b)).verdict


FAULTS = {
    "identity": (lambda D, x, s, y: x, WEIGHTS),
    "nothing": (lambda D, x, s, y: 0 * x, "same image of different noise"),
    "one image": (lambda D, x, s, y: D(0 * x[:1], 80.0, y[:1]).expand_as(x), "same image"),
    "the noise": (lambda D, x, s, y: (x - D(x, s, y)) / s.clip(min=1e-3), WEIGHTS),
    "away": (lambda D, x, s, y: 2 * x - D(x, s, y), WEIGHTS),
    "half": (lambda D, x, s, y: 0.5 * D(x, s, y), WEIGHTS),
    "nan": (lambda D, x, s, y: x * math.nan, "not finite from sigma"),
    "overflow": (
        lambda D, x, s, y: torch.where(s < 0.5, math.inf, D(x, s, y)),
        "not finite from sigma 0.",
    ),
    "levels eight times too high": (lambda D, x, s, y: D(x, s * 8, y), "better when it is given"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_of_other_kinds_are_named(kind):
    answer, words = FAULTS[kind]
    found = examine(Wrapped(answer=answer))
    assert not found.healthy and words in found.verdict, found.verdict


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1, 1, USUAL), (-1.37, 1.29, USUAL), (-1, 0.1, USUAL), (-0.9, 0.75, USUAL),
        (-0.45, 0.5, DataRange(-0.5, 0.5)), (0, 0.9, DataRange(0, 1)), (-2, 1.9, DataRange(-2, 2)),
        (-8, 53, DataRange(0, 255)), (0, 255, DataRange(0, 255)),
        (-120, 120, DataRange(-127.5, 127.5)),
        (-1.9, 1, None), (0, 0, None), (-200, 210, None), (5, 6, None), (-7, 10, None),
        (math.nan, 1, None), (-math.inf, math.inf, None),
    ],
)  # fmt: skip
def test_conventions(low, high, expected):
    assert nearest(DataRange(low, high)) == expected


def test_a_model_of_few_levels_is_asked_for_those():
    model = sb.load("digits-exact", device="cpu")
    model.sigma_min, model.sigma_max = 0.3, 3.0
    assert [f.sigma for f in examine(model).findings] == [0.3, 0.5, 2.0, 3.0]


def command(*words, capsys):
    code = main(["doctor", *words])
    return code, capsys.readouterr()


def test_the_command_prints_numbers_and_a_verdict(capsys):
    code, said = command("digits-exact", "--device", "cpu", capsys=capsys)
    assert code == 0 and said.out.splitlines()[-1].startswith("It behaves like a denoiser")
    assert "evaluations of an image" in said.err
    code, said = command("digits-exact", "--device", "cpu", "--json", "--quiet", capsys=capsys)
    found = json.loads(said.out)
    assert (code, said.err) == (0, "") and found["healthy"] and found["denoises"]
    assert found["verdict"].startswith("It behaves") and len(found["findings"]) == 5
    assert -1.5 < found["samples"][0] < found["samples"][1] < 1.5


@pytest.mark.parametrize(("scale", "words"), [(0.05, WEIGHTS), (math.nan, "not finite")])
def test_the_command_refuses_noise_for_weights(scale, words, tmp_path, capsys):
    entry = catalog()["digits-adm"]
    state = torch.load(local_file(entry, offline=True, quiet=True), weights_only=True)
    draw = torch.manual_seed(0)
    state = {name: scale * torch.randn(w.shape, generator=draw) for name, w in state.items()}
    torch.save(state, tmp_path / "noise.pt")
    (tmp_path / "adm.json").write_text(json.dumps(dict(entry.config), default=dict))
    given = (str(tmp_path / "noise.pt"), "--format", "openai", "--device", "cpu")
    given += ("--model-config", str(tmp_path / "adm.json"))
    code, said = command(*given, "--json", "--quiet", capsys=capsys)
    found = json.loads(said.out)
    assert (code, said.err) == (1, "") and words in found["verdict"]
    assert found["denoises"] is False and found["healthy"] is False


NETS = """
import torch, warnings
from torch import nn
import samplebench as sb

class Net(nn.Module):
    def forward(self, x, t):
        if LATE and t[0] < 3:
            raise ValueError("too late")
        return x + 1e-3 * torch.randn_like(x)

def make_model():
    return sb.wrap(Net(), predicts="eps", alpha_bar=torch.linspace(0.99, 0.1, 20), shape=(1, 8, 8))
"""


def test_what_a_network_is_warned_of_is_a_note(tmp_path, capsys):
    place = tmp_path / "nets.py"
    place.write_text(NETS.replace("LATE", "False"))
    code, said = command(f"{place}:make_model", "--device", "cpu", capsys=capsys)
    lines = [line for line in said.err.splitlines() if line.startswith("note: ")]
    assert code == 1 and "was in training mode" in lines[0] and "draws from torch's" in lines[1]
    assert "Warning" not in said.err
    code, said = command(f"{place}:make_model", "--quiet", capsys=capsys)
    assert (code, said.err) == (1, "")


def test_one_that_fails_as_it_is_asked_is_named(tmp_path, capsys):
    place = tmp_path / "nets.py"
    place.write_text(NETS.replace("LATE", "True"))
    code, said = command(f"{place}:make_model", "--quiet", capsys=capsys)
    assert code == 2 and "failed (ValueError: too late)" in said.err

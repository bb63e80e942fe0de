"""Products of float32: what a program has set for them comes back, and decides none of ours."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch

from samplebench.ambient import own_settings, products
from samplebench.loading import precision

PROGRAMS = {
    "nothing": lambda: None,
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "no-cudnn": lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
    "matmul": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
}
if hasattr(torch.backends.cudnn, "conv"):
    PROGRAMS["newer"] = lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32")
    PROGRAMS["newer-host"] = lambda: setattr(torch.backends.mkldnn.conv, "fp32_precision", "bf16")


def settings():
    found = []
    for read in (
        torch.get_float32_matmul_precision,
        lambda: torch.backends.cuda.matmul.allow_tf32,
        lambda: torch.backends.cudnn.allow_tf32,
    ):
        try:
            found.append(read())
        except RuntimeError:
            found.append("mixed")
    if hasattr(torch.backends.cudnn, "conv"):
        b = torch.backends
        kinds = (b.cuda.matmul, b.cudnn.conv, b.cudnn.rnn, b.mkldnn.matmul, b.mkldnn.conv)
        found += [kind.fp32_precision for kind in kinds]
    return found


@pytest.fixture
def as_torch_starts():
    before = settings()
    yield before
    if hasattr(torch.backends.cudnn, "conv"):
        torch.backends.cuda.matmul.fp32_precision = "none"
        torch.backends.mkldnn.conv.fp32_precision = "none"
        torch.backends.mkldnn.matmul.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    if hasattr(torch.backends.cudnn, "conv"):
        torch.backends.cuda.matmul.fp32_precision = "none"
        torch.backends.mkldnn.matmul.fp32_precision = "none"
    assert settings() == before


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_programs_products_come_back(program, as_torch_starts):
    PROGRAMS[program]()
    before = settings()
    with own_settings():
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
        exact = settings()
        with products(tf32=True):
            assert torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32
        assert settings() == exact
    assert settings() == before
    with pytest.raises(ZeroDivisionError), products(tf32=True):
        1 / 0  # noqa: B018
    assert settings() == before


class Net(torch.nn.Module):
    """Notes how products are formed as it is called."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append((torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))
        return 1 / x


@pytest.mark.parametrize("tf32", [False, True])
def test_a_network_forms_its_own_products(tf32):
    network, before = Net(), settings()
    precision._keep_products(network, tf32)
    copied = copy.deepcopy(network)
    network(1)
    copied(1)
    assert network.seen == copied.seen == [(tf32, tf32)] and settings() == before
    with pytest.raises(ZeroDivisionError):
        network(0)
    assert settings() == before


@pytest.mark.parametrize("dtype", ["tf32", "float32", "bfloat16"])
def test_a_loaded_network_on_a_gpu_forms_them_as_its_precision_says(dtype):
    model = SimpleNamespace(network=Net(), device=torch.device("cuda"), precision=None)
    precision.see_to(model, {"dtype": dtype}, named=True)
    model.network(1)
    tf32 = dtype == "tf32"
    assert model.network.seen == [(tf32, tf32)] and model.precision == dtype

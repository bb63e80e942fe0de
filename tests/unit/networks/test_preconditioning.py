"""The four preconditioners: their formulas, precisions, noise levels and constructor arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from samplebench.errors import InputError
from samplebench.networks.edm_arguments import RULES, defaults
from samplebench.networks.preconditioning import (
    NETWORKS,
    PRECONDITIONERS,
    Preconditioner,
    noise_levels,
    preconditioner,
)

SMALL = {
    "img_resolution": 4,
    "img_channels": 3,
    "model_channels": 8,
    "channel_mult": [1],
    "num_blocks": 1,
    "attn_resolutions": [],
    "model_type": "SongUNet",
}
SIGMAS = (0.0009, 0.02, 0.5, 3.3, 80.0)


class Recorder(torch.nn.Module):
    """Stands in for the network: remembers its inputs, returns a cosine of the images."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.calls: list[tuple] = []

    def forward(self, x, noise_labels, class_labels=None, **extra):
        self.calls.append((x, noise_labels, class_labels, extra))
        return (
            x.cos().repeat(1, self.channels // 3, 1, 1)
            + torch.arange(self.channels).to(x)[:, None, None]
        )


def recorded(class_name: str, **kwargs):
    net = preconditioner(class_name, {**SMALL, **kwargs})
    net.model = Recorder(6 if class_name == "iDDPMPrecond" else 3)
    return net


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def expected_coefficients(class_name: str, sigma: float) -> tuple[float, float, float, float]:
    """c_skip, c_out, c_in, c_noise from the formulas, in double precision."""
    root = math.sqrt(sigma**2 + 1)
    if class_name == "VPPrecond":
        t = (math.sqrt(0.1**2 + 2 * 19.9 * math.log(1 + sigma**2)) - 0.1) / 19.9
        return 1, -sigma, 1 / root, 999 * t
    if class_name == "VEPrecond":
        return 1, sigma, 1, math.log(sigma / 2)
    if class_name == "iDDPMPrecond":
        levels = noise_levels(0.001, 0.008, 1000).double().numpy()
        return 1, -sigma, 1 / root, 999 - int(np.abs(levels - sigma).argmin())
    total = sigma**2 + 0.25
    return 0.25 / total, sigma * 0.5 / math.sqrt(total), 1 / math.sqrt(total), math.log(sigma) / 4


@pytest.mark.parametrize("class_name", PRECONDITIONERS)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_denoiser_is_its_formula_in_float64(class_name, sigma, x):
    net = recorded(class_name)
    found = net(x, torch.tensor(sigma, dtype=torch.float64))
    c_skip, c_out, c_in, c_noise = expected_coefficients(class_name, sigma)
    scaled, labels, classes, extra = net.model.calls[0]
    assert scaled.dtype == labels.dtype == torch.float32 and labels.shape == (1,)
    assert np.array_equal(scaled, (c_in * x.numpy()).astype(np.float32))
    assert float(labels) == pytest.approx(c_noise, rel=1e-6)
    assert classes is None and extra == {}
    raw = net.model.forward(scaled, labels)[:, :3].double()
    assert found.dtype == torch.float64
    # Nothing around the network was rounded to float32.
    assert (found - (c_skip * x + c_out * raw)).abs().max() <= 1e-13 * (1 + sigma)


@pytest.mark.parametrize("class_name", PRECONDITIONERS)
def test_sigma_may_be_a_number_or_a_tensor_for_one_or_all(class_name, x):
    net = recorded(class_name)
    expected = net(x, 0.7)
    for shape in ((), (1,), (2,), (2, 1, 1, 1)):
        found = net(x, torch.full(shape, 0.7, dtype=torch.float64))
        assert torch.equal(found, expected)
        assert net.model.calls[-1][1].shape == (max(1, math.prod(shape)),)
    both = net(x, torch.tensor([0.7, 3.0], dtype=torch.float64))
    assert torch.equal(both[0], expected[0]) and torch.equal(both[1], net(x, 3.0)[1])


@pytest.mark.parametrize("x_dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("sigma_dtype", [torch.float32, torch.float64])
def test_the_result_has_the_dtype_of_the_images(x_dtype, sigma_dtype, x):
    net = recorded("EDMPrecond")
    assert net(x.to(x_dtype), torch.tensor(2.0, dtype=sigma_dtype)).dtype == x_dtype
    assert net.model.calls[0][0].dtype == torch.float32


def test_a_double_sigma_makes_the_arithmetic_double_even_for_float32_images(x):
    net, sigma = recorded("VPPrecond"), torch.tensor(0.002, dtype=torch.float64)
    # The time of small noise levels is coarse in float32: 4.037e-5 instead of 3.984e-5.
    assert float(net.t(sigma)) == pytest.approx(3.984e-5, rel=1e-3)
    assert float(net.t(sigma.float())) == pytest.approx(4.037e-5, rel=1e-3)
    net(x.float(), sigma)
    net(x.float(), sigma.float())
    (_, exact, *_), (_, coarse, *_) = net.model.calls
    assert float(exact) == pytest.approx(999 * 3.984e-5, rel=1e-3)
    assert float(coarse) == pytest.approx(999 * 4.037e-5, rel=1e-3)


def test_labels_are_one_hot_rows_or_zeros_or_ignored(x):
    net = recorded("EDMPrecond", label_dim=4)
    net(x, 1.0)
    net(x, 1.0, torch.eye(4, dtype=torch.int64)[1:3])
    net(x, 1.0, torch.eye(4, dtype=torch.float64)[1])
    labels = [call[2] for call in net.model.calls]
    assert all(rows.dtype == torch.float32 for rows in labels)
    assert torch.equal(labels[0], torch.zeros(1, 4))
    assert torch.equal(labels[1], torch.eye(4)[1:3])
    assert torch.equal(labels[2], torch.eye(4)[1:2])
    unconditional = recorded("EDMPrecond")
    unconditional(x, 1.0, torch.eye(4)[:2])
    assert unconditional.model.calls[0][2] is None


def test_further_inputs_reach_the_network(x):
    net, labels = recorded("EDMPrecond"), torch.randn(2, 9)
    net(x, 1.0, augment_labels=labels)
    assert net.model.calls[0][3]["augment_labels"] is labels


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda"])
@pytest.mark.parametrize("use_fp16", [False, True])
@pytest.mark.parametrize("force_fp32", [False, True])
def test_float16_only_where_the_file_asks_for_it_on_cuda(device, use_fp16, force_fp32):
    net = preconditioner("EDMPrecond", {**SMALL, "use_fp16": use_fp16})
    half = use_fp16 and device == "cuda" and not force_fp32
    found = net.run_dtype(torch.device(device), force_fp32)
    assert found == (torch.float16 if half else torch.float32)


def test_in_float16_only_the_unet_is(tiny, filled, monkeypatch):
    class_name, kwargs = tiny
    net = filled(preconditioner(class_name, kwargs))
    x = torch.randn(2, 3, 8, 8)
    expected = net(x, 0.5)
    monkeypatch.setattr(net, "run_dtype", lambda device, force_fp32: torch.float16)
    seen = []
    net.model.register_forward_hook(
        lambda _, inputs, out: seen.append((inputs[0].dtype, inputs[1].dtype, out.dtype))
    )
    found = net(x, 0.5)
    assert seen == [(torch.float16, torch.float32, torch.float16)]
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 1e-2


def test_noise_ranges_of_the_releases():
    vp = preconditioner("VPPrecond", SMALL)
    assert (vp.sigma_min, vp.sigma_max) == (0.0009765625, 152.16697692871094)
    ve = preconditioner("VEPrecond", SMALL)
    assert (ve.sigma_min, ve.sigma_max) == (0.02, 100)
    edm = preconditioner("EDMPrecond", SMALL)
    assert (edm.sigma_min, edm.sigma_max) == (0, math.inf)
    iddpm = preconditioner("iDDPMPrecond", SMALL)
    assert (iddpm.sigma_min, iddpm.sigma_max) == pytest.approx((0.0064223371, 20291.171875), LAST)


# The goldens' square roots were MKL's, at 181 of 1,000 levels one unit in the last place off and
# not alike on all processors; ours are IEEE's. Another recipe (float64, another argument of the
# sine) is off by 4.8e-4 and more.
LAST = 2e-6


def test_improved_ddpm_levels(golden):
    levels = noise_levels(0.001, 0.008, 1000)
    assert levels.dtype == torch.float32
    expected = golden("schedules.npz")["iddpm.u_table_float32"]
    np.testing.assert_allclose(levels, expected, rtol=LAST, atol=0)


def test_each_improved_ddpm_level_follows_from_the_golden_one_before(golden):
    expected = golden("schedules.npz")["iddpm.u_table_float32"].astype(np.float64)
    found = noise_levels(0.001, 0.008, 1000).numpy().astype(np.float64)
    # 1 + u[j]^2 = (1 + u[j + 1]^2) / ratio[j]: the ratio is the recipe's, free of what adds up.
    ratio = (found[1:] ** 2 + 1) / (found[:-1] ** 2 + 1)
    step = np.sqrt((expected[1:] ** 2 + 1) / ratio - 1)
    assert (np.abs(step - expected[:-1]) / np.spacing(expected[:-1].astype(np.float32))).max() < 4


def test_improved_ddpm_levels_are_known_ones():
    levels = noise_levels(0.001, 0.008, 1000)
    known = {
        0: 20291.171875,
        1: 641.66241,
        7: 91.662483,
        8: 80.203712,
        9: 71.291214,
        100: 6.3645930,
        500: 1.0123894,
        900: 0.16943571,
        999: 0.0064223371,
        1000: 0,
    }
    for index, value in known.items():
        assert float(levels[index]) == pytest.approx(value, rel=LAST, abs=0)


def test_improved_ddpm_range_and_rounding_follow_the_files_levels():
    net = preconditioner("iDDPMPrecond", SMALL)
    net.u.mul_(2)
    assert (net.sigma_min, net.sigma_max) == (float(net.u[999]), float(net.u[0]))
    assert net.round_sigma(1e9) == net.u[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_improved_ddpm_rounds_to_the_nearest_level(dtype):
    net = preconditioner("iDDPMPrecond", SMALL)
    assert torch.equal(net.round_sigma(net.u.to(dtype)), net.u.to(dtype))
    assert torch.equal(net.index(net.u.to(dtype)), torch.arange(1001))
    # Halfway between neighbours, as exactly as float64 tells.
    levels = net.u.double()
    middle = (levels[:-1] + levels[1:]) / 2
    assert torch.equal(net.index(middle * (1 + 1e-12)), torch.arange(1000))
    assert torch.equal(net.index(middle * (1 - 1e-12)), torch.arange(1, 1001))
    for shape in ((), (1,), (3, 1, 2)):
        sigma = torch.full(shape, 0.3, dtype=dtype)
        found = net.round_sigma(sigma)
        assert found.shape == shape and found.dtype == dtype
        assert float(found.flatten()[0]) == pytest.approx(0.3, rel=2e-2)


def test_improved_ddpm_below_its_range_takes_the_level_zero(x):
    net = recorded("iDDPMPrecond")
    net(x, 0.003)
    assert net.model.calls[0][1].tolist() == [-1.0]
    assert float(net.round_sigma(0.003)) == 0


@pytest.mark.parametrize("class_name", ["VPPrecond", "VEPrecond", "EDMPrecond"])
def test_continuous_models_round_nothing(class_name):
    net = preconditioner(class_name, SMALL)
    assert float(net.round_sigma(0.1)) == 0.1
    sigma = torch.tensor([0.1, 7.0])
    assert torch.equal(net.round_sigma(sigma), sigma)


def test_everything_compiles_as_one_graph(tiny, filled):
    class_name, kwargs = tiny
    net = filled(preconditioner(class_name, kwargs))
    torch._dynamo.reset()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    x = torch.randn(2, 3, 8, 8)
    labels = torch.eye(kwargs["label_dim"])[:2] if "label_dim" in kwargs else None
    extra = {"augment_labels": torch.randn(2, 9)} if "augment_dim" in kwargs else {}
    sigma = torch.tensor(0.7, dtype=torch.float64)
    expected = net(x, sigma, labels, **extra)
    assert expected.isfinite().all()
    assert torch.equal(compiled(x, sigma, labels, **extra), expected)


@pytest.mark.parametrize("class_name", PRECONDITIONERS)
def test_missing_arguments_take_the_class_defaults(class_name):
    with torch.device("meta"):
        net = preconditioner(class_name, {"img_resolution": 32, "img_channels": 3})
    song = class_name in ("VPPrecond", "VEPrecond")
    assert type(net.model).__name__ == ("SongUNet" if song else "DhariwalUNet")
    assert net.model.map_layer0.weight.shape == ((512, 128) if song else (768, 192))
    out = net.model.dec["32x32_aux_conv"] if song else net.model.out_conv
    assert out.out_channels == (6 if class_name == "iDDPMPrecond" else 3)
    assert net.label_dim == 0 and net.use_fp16 is False


def test_a_network_planned_on_meta_takes_its_tensors_from_elsewhere(tiny):
    class_name, kwargs = tiny
    with torch.device("meta"):
        plan = preconditioner(class_name, kwargs)
    net = preconditioner(class_name, kwargs)
    assert [(n, t.shape, t.dtype) for n, t in plan.state_dict().items()] == [
        (n, t.shape, t.dtype) for n, t in net.state_dict().items()
    ]
    plan.load_state_dict(net.state_dict(), assign=True)
    assert plan(torch.randn(1, 3, 8, 8), 1.0).device.type == "cpu"


def test_every_argument_has_a_rule():
    for cls in PRECONDITIONERS.values():
        for network in NETWORKS.values():
            assert defaults(cls, Preconditioner, network).keys() <= RULES.keys()


@pytest.mark.parametrize(
    ("class_name", "change", "words"),
    [
        ("EDMPrecondd", {}, "did you mean 'EDMPrecond'"),
        ("IDDPMPrecond", {}, "did you mean 'iDDPMPrecond'"),
        ("EDMPrecond", {"model_type": "os.system"}, r"model_type is 'os.system'.*SongUNet"),
        ("EDMPrecond", {"model_type": ["SongUNet"]}, "model_type"),
        ("EDMPrecond", {"model_chanels": 8}, "did you mean 'model_channels'"),
        ("EDMPrecond", {"beta_d": 19.9}, "argument 'beta_d' of EDMPrecond"),
        ("EDMPrecond", {"x\n" * 10**5: 3}, "unknown argument 'x"),
        ("x\n" * 10**5, {}, "unknown preconditioner"),
        ("EDMPrecond", {"model_type": "x\n" * 10**5}, "model_type is"),
        ("EDMPrecond", {"in_channels": 3}, "argument 'in_channels' of EDMPrecond"),
        ("EDMPrecond", {"img_channels": None}, "img_channels is None; it must be a whole number"),
        ("EDMPrecond", {"img_channels": True}, "img_channels is True"),
        ("EDMPrecond", {"model_channels": 8.0}, "model_channels is 8.0"),
        ("EDMPrecond", {"model_channels": 10**9}, "from 4 to 1024"),
        ("EDMPrecond", {"model_channels": 13}, "13 channels"),
        ("EDMPrecond", {"channel_mult": []}, "channel_mult is"),
        ("EDMPrecond", {"channel_mult": "12"}, "channel_mult is '12'"),
        ("EDMPrecond", {"channel_mult": [1] * 10**6}, "channel_mult is"),
        ("EDMPrecond", {"channel_mult": [1, 2, 2, 2]}, "cannot be halved 3 times"),
        ("EDMPrecond", {"num_blocks": 10**6}, "num_blocks"),
        ("EDMPrecond", {"label_dim": -1}, "label_dim"),
        ("EDMPrecond", {"use_fp16": 1}, "use_fp16 is 1; it must be true or false"),
        ("EDMPrecond", {"dropout": "0.1"}, "dropout is '0.1'"),
        ("EDMPrecond", {"sigma_data": math.nan}, "sigma_data is nan"),
        ("EDMPrecond", {"sigma_data": 0}, "sigma_data is 0"),
        ("VEPrecond", {"sigma_min": 5, "sigma_max": 2}, "sigma_min 5 is not below sigma_max 2"),
        ("EDMPrecond", {"resample_filter": [1, 2, 1]}, "an even number of taps"),
        ("EDMPrecond", {"resample_filter": [1, -1]}, "whose sum is not 0"),
        ("EDMPrecond", {"resample_filter": [1, math.inf]}, "resample_filter"),
        ("EDMPrecond", {"embedding_type": "Fourier"}, "one of"),
        ("EDMPrecond", {"encoder_type": {}}, "encoder_type is {}"),
        ("iDDPMPrecond", {"M": 10**9}, "from 2 to 10000"),
        ("iDDPMPrecond", {"C_1": 0}, "C_1 is 0"),
        ("VPPrecond", {"epsilon_t": 0}, "epsilon_t is 0"),
    ],
)
def test_bad_arguments_are_told_in_one_line(class_name, change, words):
    with pytest.raises(InputError, match=words) as caught:
        preconditioner(class_name, {**SMALL, **change})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_missing_argument_is_named():
    with pytest.raises(InputError, match="EDMPrecond lacks its argument 'img_resolution'"):
        preconditioner("EDMPrecond", {"img_channels": 3})


def test_a_network_too_large_is_refused_before_it_takes_memory():
    wide = {"img_resolution": 128, "channel_mult": [16] * 8, "model_channels": 1024}
    with pytest.raises(InputError, match=r"parameters; the limit is 1,000,000,000"):
        preconditioner("EDMPrecond", {**SMALL, **wide, "num_blocks": 16})

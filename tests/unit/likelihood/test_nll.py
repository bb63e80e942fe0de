"""`samplebench nll`: numbers, resuming to the bit, records kept apart, what is refused."""

from __future__ import annotations

import csv
import json
import math
import os
import signal

import numpy as np
import pytest
import torch

from samplebench.cli import main
from samplebench.embedded import held_out_digits, load_digits
from samplebench.likelihood import bits_per_dim, block, measure, ode_log_density, score_sde_bits
from samplebench.likelihood.score_sde import score_sde_dequantized
from samplebench.loading import load
from samplebench.noise.streams import PortableNoise, signs, uniforms
from samplebench.scoring.real_images import spread

BOUND = ("--model", "digits-adm", "--steps", "4")
ODE = ("--model", "digits-exact", "--rtol", "1e-2")


@pytest.fixture
def nll(tmp_path, monkeypatch, capsys):
    """`nll(words, ...)` -> (exit code, JSON or text, stderr), in tmp_path on the digits."""
    monkeypatch.chdir(tmp_path)

    def run(*words, data="digits", json_=True):
        given = [*words, *(["--json", "--quiet"] if json_ else [])]
        try:
            code = main(["nll", "--data", str(data), "--device", "cpu", *given])
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        return code, json.loads(out) if json_ and code == 0 else out, err

    return run


def rows(folder):
    (path,) = folder.glob("*/nll.csv")
    return list(csv.DictReader(path.open(newline="")))


def column(folder, name):
    return np.array([float(row[name]) for row in rows(folder)])


def held_out(n):
    """n of the held-out digits, their labels and places."""
    places = np.sort(spread(360)[:n])
    index = held_out_digits()[places]
    pixels, labels = load_digits()
    return pixels[index], torch.from_numpy(labels[index]), places


def test_the_bound_is_that_of_the_function(nll, tmp_path):
    words = ("--num-samples", "5", "--seed", "7", "--repeats", "2", "--batch-size", "2")
    code, found, _ = nll(*BOUND, *words, "--out", "out")
    assert code == 0 and found["metric"] == "bpd-bound"
    pixels, labels, places = held_out(5)
    x0 = torch.from_numpy(pixels / 127.5 - 1)
    model, totals = load("digits-adm", device="cpu"), []
    for repeat in range(2):
        noise = PortableNoise((7 + places).tolist(), torch.device("cpu"), torch.float64)
        noise.draw = 4 * repeat
        totals.append(bits_per_dim(model, x0, respacing=4, labels=labels, noise=noise))
    bits = torch.stack([one.total for one in totals]).numpy()
    written = column(tmp_path / "out", "bpd-bound").reshape(2, 5)
    np.testing.assert_allclose(written, bits, rtol=1e-4)
    assert found["value"] == pytest.approx(bits.mean(), rel=1e-4)
    error = bits.mean(0).std(ddof=1) / math.sqrt(5)
    assert found["stderr"] == pytest.approx(error, rel=1e-3)
    parts = found["parts"]
    assert sum(part["value"] for part in parts.values()) == pytest.approx(found["value"])
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1)
    last = torch.stack([one.vb[:, -1] for one in totals]).mean()
    assert parts["L_0"]["value"] == pytest.approx(float(last), rel=1e-4)
    vb = torch.stack([one.vb for one in totals]).mean((0, 1)).tolist()
    assert [step["vb"] for step in found["steps"]] == pytest.approx(vb, rel=1e-4)
    assert [step["t"] for step in found["steps"]] == [999, 666, 333, 0]
    assert found["evaluations"] == {"forward": 4.0, "backward": 0.0}
    assert column(tmp_path / "out", "image").reshape(2, 5).tolist() == [places.tolist()] * 2
    assert column(tmp_path / "out", "label").reshape(2, 5).tolist() == [labels.tolist()] * 2
    assert "none" in found["dequantization"]


def test_the_ode_is_that_of_the_function(nll, tmp_path):
    words = ("--num-samples", "3", "--seed", "7", "--repeats", "2", "--out", "out")
    code, found, _ = nll(*ODE, *words)
    assert code == 0 and found["metric"] == "bpd-ode"
    pixels, labels, places = held_out(3)
    model, seeds = load("digits-exact", device="cpu"), (7 + places).tolist()
    bits = []
    for repeat in range(2):
        u, e = (draw(seeds, (1, 8, 8), repeat) for draw in (uniforms, signs))
        x = torch.from_numpy(score_sde_dequantized(pixels.astype(float), u))
        words = {"divergence": "hutchinson", "noise": e, "rtol": 1e-2, "labels": labels}
        bits.append(score_sde_bits(ode_log_density(model, x, **words)[0], 64).numpy())
    # The repeats have noise of their own, and nothing else that differs.
    assert not np.allclose(bits[0], bits[1], atol=1e-3)
    written = column(tmp_path / "out", "bpd-ode").reshape(2, 3)
    np.testing.assert_allclose(written, bits, rtol=1e-9)
    counted = column(tmp_path / "out", "evaluations")
    assert found["evaluations"]["forward"] == pytest.approx(counted.mean())
    assert found["evaluations"]["backward"] == found["evaluations"]["forward"] > 20
    assert "uniform" in found["dequantization"]
    assert found["conditions"]["sigma_min"] == 0.002 and found["conditions"]["sigma_max"] == 80


def test_noise_is_that_of_seed_and_repeat(nll, tmp_path):
    """Neither N, nor repeats, nor blocks change an image's value."""
    nll(*ODE, "--num-samples", "6", "--out", "a")
    nll(*ODE, "--num-samples", "3", "--repeats", "2", "--batch-size", "2", "--out", "b")
    images, values = (
        [column(tmp_path / folder, name) for folder in "ab"] for name in ("image", "bpd-ode")
    )
    a = values[0][np.isin(images[0], images[1])]
    np.testing.assert_allclose(values[1][:3], a, rtol=1e-9)
    assert abs(values[1][3:] - a).min() > 1e-6


def test_exact_divergence_counts_every_pass(nll, tmp_path):
    (tmp_path / "nets.py").write_text(
        "import samplebench as sb\n"
        "def D(x, sigma):\n"
        "    return x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2)\n"
        "def make():\n"
        "    return sb.wrap(D, predicts='D', shape=(1, 2, 2))\n"
    )
    np.savez(tmp_path / "data.npz", images=np.array([[[[0, 99], [255, 3]]]] * 3, np.uint8))
    words = ("--model", "./nets.py:make", "--divergence", "exact", "--rtol", "1e-7")
    code, found, err = nll(*words, "--out", "out", data="data.npz")
    assert code == 0, err
    passes = found["evaluations"]
    assert passes["backward"] == pytest.approx(4 * passes["forward"])
    # Of N(0, 1): the images that were drawn are known.
    u = uniforms(range(3), (1, 2, 2), 0)
    x = score_sde_dequantized(np.array([[[[0, 99], [255, 3]]]] * 3, float), u)
    variance = 1 + 0.002**2
    nats = (-(x**2) / (2 * variance) - math.log(2 * math.pi * variance) / 2).sum((1, 2, 3))
    # The prior of 80 lacks the variance of the data.
    bits = score_sde_bits(nats, 4)
    np.testing.assert_allclose(column(tmp_path / "out", "bpd-ode"), bits, atol=2e-4)


@pytest.mark.parametrize(
    ("method", "number"),
    [(BOUND, signal.SIGINT), pytest.param(ODE, signal.SIGTERM, marks=pytest.mark.slow)],
    ids=["bound", "ode"],
)
def test_a_stopped_run_goes_on_to_the_same_bits(method, number, nll, tmp_path, monkeypatch):
    words = (*method, "--num-samples", "5", "--batch-size", "2", "--repeats", "2")
    nll(*words, "--out", "whole")
    values_of, count = block.values_of, []

    def stopped(*given):
        count.append(given)
        if len(count) == 3:
            os.kill(os.getpid(), number)
        return values_of(*given)

    monkeypatch.setattr(measure, "values_of", stopped)
    code, _, err = nll(*words, "--out", "parts")
    assert code == 128 + number and "the same command resumes" in err
    # The block under way was kept, too.
    (folder,) = (tmp_path / "parts").glob("bpd-*")
    before = {path: path.read_bytes() for path in folder.glob("blocks/*.npz")}
    assert len(before) == 3 == len(count) and not (folder / "nll.json").exists()
    code, _, _ = nll(*words, "--out", "parts")
    assert code == 0 and len(count) == 6
    assert {path: path.read_bytes() for path in before} == before
    for name in ("nll.csv", "nll.json", "nll.html"):
        whole, parts = (next((tmp_path / d).glob(f"*/{name}")) for d in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes()
    nll(*words, "--out", "parts")
    assert len(count) == 6


def test_a_failing_block_leaves_the_others(nll, tmp_path, monkeypatch):
    values_of = block.values_of

    def failing(plan, repeat, first, *rest):
        if first == 4:
            raise OSError(28, "No space left on device")
        return values_of(plan, repeat, first, *rest)

    monkeypatch.setattr(measure, "values_of", failing)
    words = (*BOUND, "--num-samples", "6", "--batch-size", "2", "--out", "out")
    code, _, err = nll(*words)
    assert code == 3 and "No space left" in err
    assert len(list((tmp_path / "out").glob("*/blocks/*.npz"))) == 2


def test_more_images_and_repeats_go_on(nll, tmp_path, monkeypatch):
    values_of, count = block.values_of, []
    counting = lambda *given: count.append(given[1:4]) or values_of(*given)  # noqa: E731
    monkeypatch.setattr(measure, "values_of", counting)
    words = (*BOUND, "--batch-size", "2", "--out", "out")
    nll(*words, "--num-samples", "5")
    nll(*words, "--num-samples", "6", "--repeats", "2")
    assert count == [(0, 0, 2), (0, 2, 2), (0, 4, 1), (0, 4, 2), (1, 0, 2), (1, 2, 2), (1, 4, 2)]


OTHERS = [
    ("--steps", "5"), ("--seed", "1"), ("--batch-size", "3"), ("--model", "digits-adm-ip"),
    ("--respacing", "ddim4"),
]  # fmt: skip


def test_other_conditions_are_another_record(nll, tmp_path):
    words = {"--model": "digits-adm", "--steps": "2", "--num-samples": "2", "--out": "out"}
    found = []
    for name, value in (("--steps", "2"), *OTHERS):
        given = {**words, name: value}
        if name == "--respacing":
            del given["--steps"]
        code, one, err = nll(*(word for pair in given.items() for word in pair))
        assert code == 0, err
        found.append(one["conditions"])
    folders = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert len(folders) == len(found) == len(OTHERS) + 1
    np.savez(tmp_path / "data.npz", arr_0=load_digits()[0][:2], arr_1=load_digits()[1][:2])
    nll(*(word for pair in words.items() for word in pair), data="data.npz")
    folders = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert len(folders) == len(OTHERS) + 2
    for folder in folders:
        record = json.loads((folder / "record.json").read_text())
        assert folder.name.endswith(record["hash"][:12])


def test_a_damaged_block_is_computed_anew(nll, tmp_path):
    words = (*BOUND, "--num-samples", "4", "--batch-size", "2", "--out", "out")
    _, before, _ = nll(*words)
    one, other = sorted((tmp_path / "out").glob("*/blocks/*.npz"))
    whole = one.read_bytes()
    for damaged in (b"", other.read_bytes()[:-1]):
        one.write_bytes(damaged)
        code, out, err = nll(*words, json_=False)
        assert code == 0 and "is computed again" in err, out
        assert one.read_bytes() == whole
    assert nll(*words)[1] == before


def test_a_model_of_ones_own(nll, tmp_path):
    (tmp_path / "nets.py").write_text(
        "import torch, samplebench as sb\n"
        "def eps(x, t, labels=None):\n"
        "    return x * 0.5\n"
        "def make():\n"
        "    betas = torch.linspace(1e-3, 0.2, 30)\n"
        "    return sb.wrap(eps, predicts='eps', betas=betas, shape=(1, 8, 8))\n"
    )
    words = ("--model", "./nets.py:make", "--num-samples", "3")
    code, bound, err = nll(*words, "--out", "out")
    assert code == 0 and bound["conditions"]["steps"] == 30, err
    code, ode, err = nll(*words, "--method", "ode", "--rtol", "1e-2", "--out", "out")
    assert code == 0 and ode["metric"] == "bpd-ode", err
    # eps = x_t / 2 is a Gaussian's at one level only: the two differ, and neither is the other's.
    assert bound["conditions"]["checkpoint_sha256"] == ode["conditions"]["checkpoint_sha256"]
    text = (tmp_path / "nets.py").read_text().replace("0.5", "0.25")
    (tmp_path / "nets.py").write_text(text)
    _, other, _ = nll(*words, "--out", "out")
    assert other["value"] != bound["value"]


def test_text_and_page(nll, tmp_path):
    code, out, _ = nll(*BOUND, "--num-samples", "4", "--out", "out", json_=False)
    assert code == 0
    for word in (
        "bpd-bound",
        "bits/dim",
        "digits-adm",
        "L_0",
        "prior",
        "4 forward",
        "none: the bound",
    ):
        assert word in out
    page = (tmp_path / "out").glob("*/nll.html").__next__().read_text()
    assert "Terms of the bound" in page and "Images by bits per dimension" in page
    assert "do not compare it with bpd-ode" in page and "4 of 1000" in page


REFUSED = [
    (("--model", "digits-cld"), "model digits-cld supports neither"),
    (("--model", "digits-bdm-exact"), "model digits-bdm-exact supports neither"),
    (("--model", "digits-vp", "--method", "bound"), "has no discrete steps"),
    (("--model", "digits-vp", "--steps", "5"), "--steps is for --method bound, not for ode"),
    (("--model", "digits-adm", "--rtol", "1e-3"), "leave it out, or use --method ode"),
    (("--model", "digits-adm", "--steps", "5", "--respacing", "5"), "not both"),
    (("--model", "digits-adm", "--respacing", "ddim1"), "no stride keeps 1"),
    (("--model", "digits-adm", "--steps", "1"), "--steps 1 is out of range"),
    (("--model", "digits-adm", "--steps", "2000"), "2000 steps of a section of 1000"),
    (("--method", "bounds"), "did you mean 'bound'"),
    (("--divergence", "exakt"), "did you mean 'exact'"),
    (("--labels", "yes"), "known: data, none"),
    (("--rtol", "0"), "rtol=0.0 must be from"),
    (("--rtol", "x"), "must be a number"),
    (("--num-samples", "1"), "give 2"),
    (("--num-samples", "361"), "digits holds 360 images"),
    (("--repeats", "0"), "--repeats 0 is out of range"),
    (("--batch-size", "auto"), "give a number of images"),
    (("--model", "digits-exact,digits-vp"), "one model at a time"),
    (("--model", "digits-exakt"), "digits-exact"),
    (("--model", "digits-adm", "--labels", "none"), "needs labels"),
    (("--model", "digits-vp", "--labels", "data"), "has no classes"),
    (("--device", "tpu"), "tpu"),
    (("--dtype", "float17"), "float17"),
    (("--dtype", "bfloat16"), "runs in float64 or float32"),
    (("--samples", "5"), "--num-samples"),
]


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=[" ".join(w) for w, _ in REFUSED])
def test_refusals(words, told, nll, tmp_path):
    code, _, err = nll(*words, json_=False)
    assert code == 2 and told in err and "Traceback" not in err
    assert len([line for line in err.splitlines() if not line.startswith("  (see")]) == 1
    assert not list(tmp_path.iterdir())


def test_images_that_do_not_fit(nll, tmp_path):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "large.npz", arr_0=np.zeros((3, 16, 16, 1), np.uint8))
    np.savez(tmp_path / "one.npz", arr_0=np.zeros((1, 8, 8, 1), np.uint8))
    for data, told in (
        ("empty", "holds no images"),
        ("large.npz", "are 1x16x16"),
        ("one.npz", "holds one image"),
        ("nowhere", "nowhere"),
    ):
        code, _, err = nll("--model", "digits-vp", data=data, json_=False)
        assert code == 2 and told in err and len(err.splitlines()) == 1, err

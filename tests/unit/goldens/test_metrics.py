"""Metrics of features: every golden value of ours, the sets made by the recipe that is stated."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from samplebench.metrics.frechet import frechet_distance
from samplebench.metrics.gaussians import Gaussian
from samplebench.metrics.inception_score import inception_score
from samplebench.metrics.infinity import extrapolation, fid_infinity
from samplebench.metrics.kernel import cmmd, gaussian_mmd, kid, kid_subsets
from samplebench.metrics.kernel_sums import sums_between, sums_within
from samplebench.metrics.manifold import authpct, density_coverage, precision_recall
from samplebench.metrics.mind import mind
from samplebench.metrics.moments import Moments
from samplebench.metrics.neighbours import nearest_of
from samplebench.metrics.vendi import vendi

ROOT = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parents[2] / "goldens")
INDEX = json.loads((ROOT / "metrics" / "index.json").read_text())
OTHERS = json.loads((ROOT / "external" / "metrics_expected.json").read_text())["cases"]
OTHERS = {case["id"]: case["values"] for case in OTHERS}


@cache
def stored() -> dict[str, np.ndarray]:
    with np.load(ROOT / "metrics" / "features.npz") as archive:
        return dict(archive)


@cache
def made(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Reference and generated rows of a set, float32."""
    recipe = INDEX["sets"][name]["recipe"]
    draw, dim = np.random.RandomState(recipe["seed"]), recipe["dim"]
    z_ref, e_ref = (draw.standard_normal((recipe["n_ref"], width)) for width in (8, dim))
    z_gen, e_gen = (draw.standard_normal((recipe["n_gen"], width)) for width in (8, dim))
    i, scales = np.arange(dim) % 8, 0.5 + (np.arange(dim) % 5) / 4
    ref = np.maximum(0.8 * z_ref[:, i] + e_ref + 0.25, 0) * scales
    moved = 0.8 * recipe["scale"] * z_gen[:, i] + e_gen + 0.25 + recipe["shift"]
    return ref.astype(np.float32), (np.maximum(moved, 0) * scales).astype(np.float32)


@pytest.fixture(params=["A", "B"])
def golden_set(request):
    """Reference, generated rows, expected values."""
    return *made(request.param), INDEX["sets"][request.param]


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_sets_are_those_of_the_recipe(name):
    ref, gen = made(name)
    corners = [ref[0, 0], ref[-1, -1], gen[0, 0], gen[-1, -1]]
    sums = [rows.sum(dtype=np.float64) for rows in (ref, gen)]
    assert [*corners, *sums] == pytest.approx(stored()[f"{name}.check"], rel=1e-12)
    if f"{name}.ref" in stored():
        assert np.array_equal(ref, stored()[f"{name}.ref"])
        assert np.array_equal(gen, stored()[f"{name}.gen"])


def distance(x, y) -> float:
    of = [Moments.of(rows) for rows in (x, y)]
    return frechet_distance(*(part for each in of for part in (each.mean, each.cov)))


def test_frechet_distance(golden_set, agrees):
    """To 1e-10 where the means are float64, 1e-7 where they are float32."""
    ref, gen, values = golden_set
    found, exact = distance(gen, ref), ("float64 features", "torchmetrics formula")
    for name, expected in values["fid"].items():
        agrees("metrics", found, expected, (1e-10 if name in exact else 1e-7) * expected)


def test_kid(golden_set, agrees):
    ref, gen, values = golden_set
    expected, m = values["kid"], len(gen)
    agrees("metrics", kid(ref, gen), expected["exact_unbiased_all_pairs"], 1e-12)
    agrees("metrics", kid(gen, ref), expected["exact_unbiased_all_pairs"], 1e-12)
    agrees("metrics", kid(ref[:m], gen), expected["equal_size_first_m_torch_fidelity"], 1e-12)
    agrees("metrics", kid(ref[:m], gen), expected["torchmetrics_poly_mmd_first_m"], 1e-12)
    size = expected["blocks_of"]
    blocks = [slice(i, i + size) for i in range(0, len(gen) - size + 1, size)]
    agrees("metrics", [kid(ref[b], gen[b]) for b in blocks], expected["block_values"], 1e-12)
    # The two other estimators, from the same sums: with the diagonals, or without that of crossed.
    cubes = [((rows.astype(np.float64) ** 2).mean(axis=1) + 1) ** 3 for rows in (ref, gen)]
    every = [(rows, [slice(0, len(rows))]) for rows in (ref, gen)]
    x, y = (sums_within(*each).sum() + own.sum() for each, own in zip(every, cubes, strict=True))
    cross = sums_between(gen, [slice(0, m)], ref)[0]
    biased = x / len(ref) ** 2 + y / m**2 - 2 * cross / (len(ref) * m)
    agrees("metrics", biased, expected["biased_all_pairs"], 1e-12)
    product = ((ref[:m].astype(np.float64) * gen).mean(axis=1) + 1) ** 3
    cross = sums_between(gen, [slice(0, m)], ref[:m])[0] - product.sum()
    x, y = (sums_within(rows, [slice(0, m)])[0, 0] for rows in (ref[:m], gen))
    agrees("metrics", (x + y - 2 * cross) / (m * (m - 1)), expected["u_statistic_first_m"], 1e-12)


def test_kid_of_subsets(golden_set, agrees):
    ref, gen, values = golden_set
    expected = values["kid"]
    words = {"subset_size": expected["subset_size"], "seed": expected["rng_seed"]}
    found = kid_subsets(gen, ref, subsets=expected["subsets"], **words)
    agrees("metrics", found, expected["float64"], 1e-12)
    agrees("metrics", found, expected["float32"], 3e-6)
    means = [n * kid_subsets(gen, ref, subsets=n, **words)[0] for n in (1, 2, 3, 4, 5)]
    agrees("metrics", np.diff([0, *means]), expected["first5_subset_values"], 3e-6)


def test_kid_of_subsets_of_dgm_eval(golden_set, agrees):
    """Its generator draws from the reference first."""
    ref, gen, values = golden_set
    expected, draw, found = values["kid"], np.random.RandomState(0), []
    for _ in range(expected["subsets"]):
        rows = [rows[draw.choice(len(rows), expected["subset_size"], replace=False)]
                for rows in (ref, gen)]  # fmt: skip
        found.append(kid(*rows))
    agrees("metrics", [np.mean(found), np.std(found)], expected["dgm_eval_npseed0"], 3e-6)


@pytest.mark.parametrize("k", [3, 5])
def test_precision_recall_density_coverage(golden_set, agrees, k):
    ref, gen, values = golden_set
    expected = values["prc"]
    names = ("precision", "recall", "density", "coverage")
    found = (*precision_recall(ref, gen, k=k), *density_coverage(ref, gen, k=k))
    for source in (f"definition_le_k{k}", f"dgm_eval_prdc_k{k}"):
        agrees("metrics", found, [expected[source][name] for name in names], 1e-14)
    for source in (f"torch_fidelity_k{k}", f"torch_fidelity_k{k}_part"):
        if source in expected:
            # A float32 of the same share.
            agrees("metrics", found[:2], [expected[source][name] for name in names[:2]], 1e-7)
            precision, recall = found[:2]
            both = 2 * precision * recall / (precision + recall)
            agrees("metrics", both, expected[source]["f_score"], 1e-7)


def test_precision_and_recall_elsewhere(golden_set, agrees):
    ref, gen, values = golden_set
    expected = values["prc"]
    swapped = [expected["swapped_arguments_k3"][name] for name in ("precision", "recall")]
    agrees("metrics", precision_recall(gen, ref), swapped, 1e-7)
    theirs, found = expected["guided_diffusion_k3"], precision_recall(ref, gen)
    agrees("metrics", found, theirs["float32_path"], 1e-14)
    # Its distances are float16.
    agrees("metrics", found, [theirs["precision"], theirs["recall"]], 0.01)
    radii, few = nearest_of(ref, 3).balls(3).squared[:5], theirs["radii_squared_ref_first5"]
    agrees("metrics", radii / few, np.ones(5), 0.01)


def test_cmmd(golden_set, agrees):
    ref, gen, values = golden_set
    expected = values["cmmd"]
    agrees("metrics", 1000 * gaussian_mmd(ref, gen, width=10), expected["raw_float64"], 1e-9)
    agrees("metrics", cmmd(ref, gen), expected["normalised_float64"], 1e-9)
    agrees("metrics", cmmd(ref, gen), expected["normalised_float32"], 1e-4)


def test_fid_infinity(golden_set, agrees):
    ref, gen, values = golden_set
    expected, given = values["fd_infinity"], Gaussian.of(Moments.of(ref))
    found = extrapolation(given, gen)
    assert found.sizes.tolist() == expected["subset_sizes"]
    for one, value in zip(found.values, expected["fd_values"], strict=True):
        agrees("metrics", one, value, 1e-8 * value)
    agrees("metrics", found.intercept, expected["intercept"], 1e-8 * expected["intercept"])
    agrees("metrics", found.slope, expected["slope"], 1e-8 * expected["slope"])
    assert fid_infinity(ref, gen) == found.intercept


def test_fid_infinity_of_fewer_samples_than_features():
    """Singular values of the data have no zeros that are rounded.

    B's golden, whose covariance has, is 8e-8 from them in its first size, and so are we.
    """
    ref, gen = (rows.astype(float) for rows in made("B"))
    given = Gaussian.of(Moments.of(ref))
    found, lower = extrapolation(given, gen), np.linalg.cholesky(given.cov)
    for n, value in zip(found.sizes[:2], found.values, strict=False):
        centred = gen[:n] - gen[:n].mean(0)
        root = np.linalg.svd(centred @ lower, compute_uv=False).sum() / np.sqrt(n - 1)
        means = np.square(gen[:n].mean(0) - given.mean).sum()
        exact = means + np.trace(np.cov(gen[:n].T)) + np.trace(given.cov) - 2 * root
        assert value == pytest.approx(exact, rel=2e-7)


def test_authpct_and_vendi(golden_set, agrees):
    ref, gen, values = golden_set
    # A float32 of the same share.
    agrees("metrics", authpct(ref, gen), values["authpct"], 5e-6)
    agrees("metrics", vendi(gen), values["vendi_gen"], 1e-9 * values["vendi_gen"])


def test_inception_score(agrees):
    logits, expected = stored()["IS.logits"], INDEX["sets"]["IS"]
    for name in ("torch_fidelity_10_shuffled", "dgm_eval_10_shuffled"):
        agrees("metrics", inception_score(logits), expected[name], 1e-10)
    for splits in (10, 3):
        found = inception_score(logits, splits=splits, shuffle_seed=None)
        agrees("metrics", found, expected[f"torch_fidelity_{splits}_unshuffled"], 1e-10)
    found = inception_score(logits[:999], splits=3, shuffle_seed=None)
    agrees("metrics", found, expected["dgm_eval_3_unshuffled"], 1e-10)
    for name, size in (("split_5000", 5000), ("split_300", 300)):
        chunks = [logits[i : i + size] for i in range(0, len(logits), size)]
        found = np.mean([inception_score(chunk, splits=1)[0] for chunk in chunks])
        agrees("metrics", found, expected[f"guided_diffusion_{name}"], 1e-10)
    agrees("metrics", inception_score(logits, splits=1), [expected["whole_set"], 0], 1e-10)


def drawn(seed, *shapes):
    draw = np.random.RandomState(seed)
    return [draw.randn(*shape) for shape in shapes]


def tfgan(count):
    """float32 rows of a pair of sets, [512, 256] and [count, 256]."""
    real, gen = drawn(0, (512, 256), (count, 256))
    return real.astype(np.float32), (gen * 1.1 + 0.05).astype(np.float32)


def test_kid_by_other_implementations(agrees):
    expected = OTHERS["kid/tfgan-512x256"]
    for name, value in expected.items():
        agrees("metrics, external", kid(*tfgan(512)), value, 3e-7 if "fidelity" in name
               or "clean" in name else 1e-14)  # fmt: skip
    real, gen = tfgan(768)
    for name, values in OTHERS["kid/tfgan-blocks"].items():
        count = -(-768 // int(name.removeprefix("block ")))
        # As even as possible, the larger ones last.
        parts = [[len(rows) * i // count for i in range(count + 1)] for rows in (real, gen)]
        found = [kid(real[a:b], gen[c:d]) for a, b, c, d in
                 zip(parts[0], parts[0][1:], parts[1], parts[1][1:], strict=False)]  # fmt: skip
        agrees("metrics, external", np.mean(found), values["mean"], 1e-6)
        if count > 1:
            error = np.std(found, ddof=1) / count**0.5
            agrees("metrics, external", error, values["standard error (ddof 1)"], 1e-6)
    expected = OTHERS["kid/torch-fidelity subsets"]
    # Drawn from the real rows first.
    found = kid_subsets(real, gen, subset_size=256)
    agrees("metrics, external", found, list(expected.values()), 3e-6)


def test_precision_and_recall_by_other_implementations(agrees):
    generator = torch.Generator().manual_seed(42)
    gen = torch.randn(200, 16, generator=generator).numpy() * 0.1
    real = torch.randn(200, 16, generator=generator).numpy() * 3
    rows = {"collapse": (3, real, gen)}
    for name, seed, m, n, dim, k in (
        ("1000x1000x64 k=5", 0, 1000, 1000, 64, 5),
        ("500x800x32 k=3", 0, 500, 800, 32, 3),
        ("2000x1500x16 k=3", 7, 2000, 1500, 16, 3),
    ):
        real, gen = drawn(seed, (m, dim), (n, dim))
        rows[name] = (k, real, gen * 0.9 + 0.1)
    names = [name.removeprefix("precision-recall/") for name in OTHERS if "precision" in name]
    assert set(names) == set(rows)
    for name, (k, real, gen) in rows.items():
        found = (*precision_recall(real, gen, k=k), *density_coverage(real, gen, k=k))
        found = dict(zip(("precision", "recall", "density", "coverage"), found, strict=True))
        for source, values in OTHERS[f"precision-recall/{name}"].items():
            tolerance = 1e-12 if source.startswith("prdc") else 1e-7
            ours = [found[key] for key in values]
            agrees("metrics, external", ours, list(values.values()), tolerance)


def test_inception_score_by_other_implementations(agrees):
    logits = np.array([[1, 2] * 500 + [4], [4, 5] * 500 + [6]])
    (expected,) = OTHERS["inception-score/tfgan-two-rows"].values()
    agrees("metrics, external", inception_score(logits, splits=1)[0], expected, 1e-10)
    expected, (logits,) = OTHERS["inception-score/1000x1008"], drawn(0, (1000, 1008))
    for name, value in expected.items():
        found = inception_score(logits * 3, splits=10 if "10 splits" in name else 1)
        value = list(value.values()) if isinstance(value, dict) else [value, 0]
        agrees("metrics, external", found, value, 1e-10)


def test_mind_in_closed_form(agrees):
    x, y = (torch.randn(4000, 64, generator=torch.Generator().manual_seed(seed)).numpy()
            for seed in (11, 22))  # fmt: skip
    for shift, expected in OTHERS["mind/closed form"]["exact for an isotropic shift"].items():
        moved = y + int(shift.removeprefix("mu="))
        found = mind(x, moved, directions=2000)
        agrees("metrics, external", found, expected, 0.1 * expected)
        assert found == mind(moved, x, directions=2000)
    assert mind(x, x) == 0

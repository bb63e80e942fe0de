"""Published points on one's own curves: which, where, filled or hollow, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from samplebench.protocols import PROTOCOLS
from samplebench.published import load
from samplebench.report.curves import plots_of
from samplebench.report.match import Run, compared_by, mismatches
from samplebench.report.overlay import Links, _run, links, overlay
from samplebench.report.sweep import chart_of, figure_key
from samplebench.results.view import View

BASELINE = Links(published=("baseline-cifar10-32x32-uncond-vp",))
CIFAR = Links(published=("edm-cifar10-32x32-uncond-vp",))


def view(*settings: dict[str, Any], model: str = "vp-cifar10") -> View:
    """A run of these settings, each a curve with points at NFE 19 and 35."""
    rows: list[dict[str, Any]] = []
    for number, setting in enumerate(settings):
        for nfe in (19, 35):
            key = f"{number:02}{nfe}" * 16
            reference = setting.get("reference", "edm-cifar10-32x32")
            row = {
                "model": model, "sampler": "heun", "params": "", "discretization": "edm",
                "rho": 7.0, "steps": (nfe + 1) // 2, "nfe": nfe, "nfe_requested": nfe, "seed": 0,
                "repeats": 1, "num_samples": 50_000, "protocol": "edm", "dtype": "float32",
                "fid": 3.0, "fid_stderr": 0.02, **setting, "reference": f"{reference}@{'ab' * 4}",
                "cell": key,
            }  # fmt: skip
            rows.append(row)
    return View("sweep", rows, {}, {})


def points(series):
    return [(s, p) for s in series for p in s.points]


def filled(series):
    return sorted((p.x["nfe"], p.y) for _, p in points(series) if not p.hollow)


def test_where_every_condition_matches_points_are_filled():
    series = overlay(view({}), {"vp-cifar10": BASELINE})
    # Table 2 and 4 of EDM, Table 2 of Restart; EDM's Table 3 chose its NFE from the FID.
    assert filled(series) == [
        (35, 2.93), (35, 2.97), (35, 3.01),
        (63, 2.89), (127, 2.9), (255, 2.9), (511, 2.9), (1023, 2.9),
    ]  # fmt: skip
    (exact,) = [s for s in series if not any(p.hollow for p in s.points)]
    assert exact.name == "published heun"
    assert exact.facets == {
        "model": "vp-cifar10", "sampler": "heun", "rho": "7", "protocol": "edm",
        "published": "published", "metric": "fid",
    }  # fmt: skip
    assert exact.figure == figure_key("vp-cifar10", "fid")
    assert not exact.line
    assert any("lowest of 3 runs" in line for p in exact.points for line in p.hover)


def test_only_samplers_of_the_run_are_shown():
    assert {s.facets["sampler"] for s in overlay(view({}), {"vp-cifar10": BASELINE})} == {"heun"}
    both = view({}, {"sampler": "edm", "params": "S_churn=30 S_max=1 S_min=0.01 S_noise=1.007"})
    series = overlay(both, {"vp-cifar10": BASELINE})
    stochastic = [s for s in series if s.facets["sampler"].startswith("edm")]
    assert (383, 2.27) in filled(stochastic) and (511, 2.37) in filled(stochastic)
    assert len({s.colour for s in series}) == 2
    assert overlay(view({"sampler": "ipndm"}), {"vp-cifar10": BASELINE}) == []


def test_an_alias_is_the_algorithm_that_runs():
    alias = overlay(view({"sampler": "edm", "params": "S_churn=0"}), {"vp-cifar10": BASELINE})
    assert filled(alias) == filled(overlay(view({}), {"vp-cifar10": BASELINE}))
    assert {s.facets["sampler"] for s in alias} == {"edm S_churn=0"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_samples": 5000}, "N 50000 not 5000"),
        ({"reference": "edm-cifar10-mine"}, "reference differs"),
        ({"protocol": "custom:1234"}, "protocol edm not custom:1234"),
        ({"rho": 3.0}, "rho 7 not 3"),
        ({"discretization": "logsnr", "rho": None}, "grid edm rho=7 not logsnr"),
        ({"params": "schedule=ve"}, "schedule linear not ve"),
        ({"params": "S_churn=10"}, "S_churn 0 not 10"),
    ],
    ids=str,
)
def test_one_other_condition_makes_points_hollow_and_is_named(change, said):
    series = overlay(view(change), {"vp-cifar10": BASELINE})
    assert filled(series) == []
    (near,) = [s for s in series if s.name.endswith(f", {said}")]
    assert {p.y for p in near.points} >= {2.93, 2.97, 3.01}
    for point in near.points:
        assert any(line.startswith("not as here: ") for line in point.hover)
    if said == "reference differs":
        text = " ".join(near.points[0].hover)
        assert "reference edm:cifar10-32x32 not edm-cifar10-mine" in text


@pytest.mark.parametrize(
    ("name", "num_samples", "changes"),
    [
        (name, n, changes)
        for name in ("edm", "edm2", "openai", "score-sde", "digits")
        for n in (5000, 50_000)
        for changes in ({}, {"noise": "nvlabs"})
    ],
)
def test_noise_and_n_leave_a_protocol_what_it_is(name, num_samples, changes):
    made = PROTOCOLS[name].override(num_samples=num_samples, **changes)
    assert compared_by(made.name, num_samples) == name
    others = [each for each in ("float32", "float64") if each != PROTOCOLS[name].state_dtype]
    other = made.override(state_dtype=others[0])
    if other.name.startswith("custom:"):  # else it is another that is registered
        assert compared_by(other.name, num_samples) in (other.name, "edm", "edm2")
        assert compared_by(other.name, num_samples) != name


def test_edms_own_noise_is_as_published():
    """A point that follows EDM's script to the letter is filled."""
    protocol = PROTOCOLS["edm"].override(noise="nvlabs").name
    assert protocol.startswith("custom:")
    series = overlay(view({"protocol": protocol}), {"vp-cifar10": BASELINE})
    assert filled(series) == filled(overlay(view({}), {"vp-cifar10": BASELINE})) != []


def test_a_smaller_n_is_one_difference():
    protocol = PROTOCOLS["edm"].override(num_samples=5000, noise="nvlabs").name
    run = view({"protocol": protocol, "num_samples": 5000})
    names = [series.name for series in overlay(run, {"vp-cifar10": BASELINE})]
    assert any(name.endswith(", N 50000 not 5000") for name in names)


def test_another_precision_than_the_releases_makes_points_hollow():
    own = replace(BASELINE, dtype="float16")
    series = overlay(view({}), {"vp-cifar10": own})
    assert filled(series) == []
    assert any(s.name.endswith(", the release's precision not float32") for s in series)
    assert len(filled(overlay(view({"dtype": "float16"}), {"vp-cifar10": own}))) == 8


def test_a_point_goes_to_the_curve_it_has_most_in_common_with():
    series = overlay(view({"rho": 3.0}, {"rho": 7.0}), {"vp-cifar10": BASELINE})
    assert len(filled(series)) == 8
    assert not [s for s in series if "rho 7 not 3" in s.name]


def test_nearly_the_same_sampler_is_hollow():
    run = view({"sampler": "heun"}, {"sampler": "euler"}, model="edm-cifar10")
    series = overlay(run, {"edm-cifar10": CIFAR})
    assert filled(series) == [(35, 1.97)]
    reasons = {s.name for s in series}
    assert "published heun, final sigma_min not zero" in reasons
    assert "published euler, final sigma_min not zero" in reasons
    assert "published heun, NFE deduced; checkpoint deduced" in reasons
    other = [s for s in series if "protocol score-sde not edm" in s.name]
    assert len(other) == 2 and all("reference differs" in s.name for s in other)
    assert {s.facets["protocol"] for s in other} == {"score-sde"}


# Sampler of a run, parameters, grid -> how many values meet it, and one of them.
LIKE_DIFF_SAMPLER = {
    ("euler", "final=sigma_min", "edm"): (9, (10, 15.69)),
    ("heun", "final=sigma_min", "edm"): (4, (10, 15.93)),
    ("heun", "afs=True final=sigma_min", "edm"): (4, (9, 15.76)),
    ("dpm-2", "final=sigma_min", "edm"): (4, (10, 5.01)),
    ("dpm-2", "like=diff-sampler", "edm"): (4, (10, 5.01)),
    ("dpm-2", "afs=True like=diff-sampler", "edm"): (4, (9, 4.98)),
    ("ipndm", "", "edm"): (8, (10, 2.77)),
    ("ipndm-v", "", "edm"): (8, (10, 4.95)),
    ("deis", "", "time_uniform"): (8, (10, 4.09)),
    ("dpmpp-3m", "thresholding=True", "logsnr"): (8, (10, 3.00)),
    ("unipc", "thresholding=True", "logsnr"): (8, (10, 2.89)),
}


@pytest.mark.parametrize("run", LIKE_DIFF_SAMPLER, ids=" ".join)
def test_a_curve_like_diff_samplers_meets_its_tables(run):
    sampler, params, grid = run
    rho = {"edm": 7.0, "time_uniform": 2.0}.get(grid)
    words = {"sampler": sampler, "params": params, "discretization": grid, "rho": rho}
    met = filled(overlay(view(words, model="edm-cifar10"), {"edm-cifar10": CIFAR}))
    count, one = LIKE_DIFF_SAMPLER[run]
    assert len(met) == count and one in met


@pytest.mark.parametrize(
    ("sampler", "params", "grid", "said"),
    [
        ("euler", "", "edm", "final sigma_min not zero"),
        ("heun", "", "edm", "final sigma_min not zero"),
        ("heun", "afs=True", "edm", "final sigma_min not zero"),
        ("heun", "alpha=0.5 final=sigma_min", "edm", "alpha 1 not 0.5"),
        ("heun", "final=sigma_min denoise_to_zero=True", "edm", "denoise_to_zero False not True"),
        ("ipndm", "order=3", "edm", "order 4 not 3"),
        ("ipndm", "final=zero", "edm", "final sigma_min not zero"),
        ("dpm-2", "", "edm", "final sigma_min not zero"),
        ("dpm-2", "like=diff-sampler r=0.6", "edm", "r 0.5 not 0.6"),
        ("deis", "mode=rhoab", "time_uniform", None),
        ("dpmpp-3m", "", "logsnr", "thresholding True not False"),
        ("dpmpp-3m-order3", "thresholding=True", "logsnr", None),
        ("unipc", "thresholding=True variant=bh1", "logsnr", "variant bh2 not bh1"),
        ("unipc", "order=2 thresholding=True", "logsnr", "order 3 not 2"),
    ],
)
def test_what_is_not_the_same_algorithm_does_not_meet(sampler, params, grid, said):
    rho = {"edm": 7.0, "time_uniform": 2.0}.get(grid)
    words = {"sampler": sampler, "params": params, "discretization": grid, "rho": rho}
    series = overlay(view(words, model="edm-cifar10"), {"edm-cifar10": CIFAR})
    met = [p for s, p in points(series) if not p.hollow and "diff-sampler" in " ".join(p.hover)]
    assert not met
    assert said is None or any(s.name.endswith(f", {said}") for s in series)


def test_the_same_weights_elsewhere_meet_hollow_where_the_protocol_differs():
    own = Links(same_weights=("edm-cifar10-32x32-uncond-vp",))
    run = view({"protocol": "openai", "reference": "openai-x"}, model="mine")
    series = overlay(run, {"mine": own})
    assert series and filled(series) == []
    assert all("protocol" in s.name and "reference differs" in s.name for s in series)


def test_uncertain_values_only_when_asked_for():
    own = {"mine": Links(published=("iddpm-lsun-Lsimple-bs64",))}
    run = view({"sampler": "ddim"}, model="mine")
    assert overlay(run, own) == []
    (series,) = overlay(run, own, uncertain=True)
    assert [p.y for p in series.points] == [8.1, 7.1, 7.4, 8.0, 8.4]
    assert all(p.hollow for p in series.points)


def test_nothing_without_links_or_for_another_metric():
    assert overlay(view({}), {}) == []
    assert overlay(view({}), {"other": BASELINE}) == []
    other = view({})
    for row in other.rows:
        row["fd-toy"] = row.pop("fid")
        row["fd-toy_stderr"] = row.pop("fid_stderr")
    assert overlay(other, {"vp-cifar10": BASELINE}) == []


def test_a_marker_of_its_own_and_no_new_colour():
    run = view({})
    (own,) = chart_of(run, "").series
    for series in overlay(run, {"vp-cifar10": BASELINE}):
        assert series.colour == own.colour
        assert series.variant % 5 == own.variant % 5
        assert series.variant % 8 != own.variant % 8


def test_published_values_can_be_switched_off_and_are_explained():
    run = view({})
    chart = chart_of(run, "", overlay(run, {"vp-cifar10": BASELINE}))
    (facet,) = [f for f in chart.facets if f.key == "published"]
    assert facet.start == ("published",)
    assert "hollow if one differs" in chart.figures[0].caption
    alone = chart_of(run, "")
    assert "hollow" not in alone.figures[0].caption
    assert "published" not in [f.key for f in alone.facets]


def test_unstated_parameters_match_nothing():
    """EDM's ablations do not print S_churn: they are no Heun just because its default is 0."""
    ablation = next(r for r in load() if r.sampler_printed == "EDM stochastic, no S_noise")
    run = Run("edm", {"S_churn": 30.0, "S_noise": 1.0}, "edm", 7.0, 50_000, "edm", "")
    texts = [m.text for m in mismatches(ablation, run)]
    assert "S_churn not stated, S_min and S_max not stated" in texts
    series = overlay(view({}), {"vp-cifar10": BASELINE})
    assert 2.52 not in [p.y for _, p in points(series)]


def test_links_come_from_the_catalogue():
    assert links(["digits-exact", "not-in-the-catalogue"]) == {}
    assert links(["vp-cifar10"]) == {
        "vp-cifar10": Links(
            ("baseline-cifar10-32x32-uncond-vp",),
            ("scoresde-vp-cifar10_ddpmpp_continuous",),
            "float32",
        )
    }


def test_the_native_sampler_on_its_own_steps_is_the_published_one():
    link = links(["adm-imagenet64"])["adm-imagenet64"]
    assert link.variance == "learned"
    setting = {
        "sampler": "respaced", "params": "", "discretization": "respacing", "rho": None,
        "protocol": "openai", "dtype": "float16",
        "reference": "openai-VIRTUAL_imagenet64_labeled",
    }  # fmt: skip
    run = view(setting, model="adm-imagenet64")
    drawn = overlay(run, {"adm-imagenet64": link})
    filled = {p.x["nfe"]: p.y for one in drawn for p in one.points if not p.hollow}
    assert filled[250] == 2.07 and filled[20] == 10.96


# guidance

NATIVE = {
    "sampler": "respaced", "params": "", "discretization": "respacing", "rho": None,
    "protocol": "openai", "dtype": "float16",
    "reference": "openai-VIRTUAL_imagenet128_labeled",
}  # fmt: skip


def guided_points(model, *guidances, **setting):
    """(guidance of the published name, FID) of what is beside runs of these guidances."""
    runs = view(*({**NATIVE, **setting, "guidance": each} for each in guidances), model=model)
    drawn = overlay(runs, links([model]), uncertain=True)
    return [(one.name, p) for one in drawn for p in one.points]


def test_guided_values_meet_guided_runs_and_no_others():
    model = "adm-imagenet128"
    free = {(p.x["nfe"], p.y) for _, p in guided_points(model, "")}
    found = guided_points(model, "classifier 0.5")
    full = {(p.x["nfe"], p.y) for name, p in found if not p.hollow}
    # ADM-G at the scale of its README, and as ADM-ES measured it anew.
    assert {(250, 2.97), (100, 3.55), (50, 5.15), (20, 12.48)} <= full
    assert free and not free & {(p.x["nfe"], p.y) for _, p in found}
    assert all("guidance classifier 0.5" in name for name, _ in found)
    # A model that nothing moves is no guided one.
    assert {(p.x["nfe"], p.y) for _, p in guided_points(model, "cfg 1")} == free
    assert guided_points(model, "cfg 2") == guided_points(model, "auto 2 by weak") == []
    # Nor are words that no version of samplebench has written.
    assert guided_points(model, "cfg") == guided_points(model, "3  x") == []


@pytest.mark.parametrize(
    ("guidance", "reason"),
    [
        ("classifier 1", "guidance classifier 0.5 not classifier 1"),
        ("classifier 0.5 on 0.3 to 5", "guidance classifier 0.5 not classifier 0.5 on 0.3 to 5"),
    ],
)
def test_another_scale_or_interval_is_told(guidance, reason):
    found = [p for _, p in guided_points("adm-imagenet128", guidance)]
    assert found and all(p.hollow for p in found)
    (readme,) = [p for p in found if (p.x["nfe"], p.y) == (250, 2.97)]
    assert reason in " ".join(readme.hover)


def test_a_scale_that_nobody_stated_is_told():
    """Of ADM-G with DDIM the paper does not print it."""
    found = guided_points("adm-imagenet128", "classifier 1", sampler="ddim")
    (ddim,) = [p for _, p in found if (p.x["nfe"], p.y) == (25, 5.98)]
    assert ddim.hollow and "guidance scale not stated" in " ".join(ddim.hover)


def test_each_of_several_guided_curves_has_its_own_values():
    reference = "openai-VIRTUAL_imagenet64_labeled"
    model = "adm-imagenet64"
    scales = ("classifier 0.3", "classifier 1", "classifier 3")
    found = guided_points(model, "", *scales, reference=reference)
    full = {name.split("guidance ")[-1]: p.y for name, p in found if not p.hollow and "," in name}
    assert full == {"classifier 0.3": 4.14, "classifier 1": 7.22, "classifier 3": 13.67}


def test_autoguidance_is_the_same_by_the_same_file():
    """Whatever the catalogue calls it."""
    (row,) = [r for r in load() if (r.model, r.nfe, r.fid) == (*CIFAR.published, 35, 1.97)][:1]
    variant = "autoguidance 1.70 by edm-cifar10-32x32-uncond-ve"
    row = replace(row, sampler=replace(row.sampler, variant=variant))
    assert row.guidance == "auto 1.7 by edm-cifar10-32x32-uncond-ve"
    setting = {"guidance": "auto 1.7 by edm-cifar10-uncond-ve"}
    run = overlaid_run(view(setting, model="edm-cifar10"))
    assert run.guidance == row.guidance
    assert not [m for m in mismatches(row, run) if "guidance" in m.text]
    other = replace(run, guidance="auto 1.7 by another")
    assert [m.text for m in mismatches(row, other) if "guidance" in m.text] == [
        f"guidance {row.guidance} not auto 1.7 by another"
    ]


def overlaid_run(run):
    (plot,) = plots_of(run)
    return _run(plot.curves[0], CIFAR)


def test_a_guided_point_says_its_further_passes():
    run = view({"guidance": "cfg 2", "guide_nfe": 35}, {"guidance": "", "guide_nfe": 0})
    found = {p.hover[2] for one in chart_of(run, "").series for p in one.points}
    assert "NFE 35 and 35 of guidance in 18 steps, N = 50000" in found
    assert "NFE 35 in 18 steps, N = 50000" in found


def test_newer_tables_meet_as_well():
    """FFHQ's Heun with the analytical first step is in AdaSDE's table alone."""
    own = {"edm-ffhq64-vp": Links(published=("edm-ffhq-64x64-uncond-vp",))}
    words = {"params": "afs=True final=sigma_min", "reference": "edm-ffhq-64x64"}
    series = overlay(view(words, model="edm-ffhq64-vp"), own)
    assert filled(series) == [(3, 356.5), (5, 116.7), (7, 54.51), (9, 28.86)]


def test_calls_one_after_another_meet_at_their_evaluations():
    run = view({"sampler": "epd-solver"}, model="edm-cifar10")
    (series,) = overlay(run, {"edm-cifar10": CIFAR})
    assert [p.x["nfe"] for p in series.points] == [5, 8, 11, 14]
    assert all(p.hollow for p in series.points)
    assert "printed at 9 calls one after another" in series.points[-1].hover
    assert (
        overlay(view({"sampler": "paradigms"}, model="edm-cifar10"), {"edm-cifar10": CIFAR}) == []
    )

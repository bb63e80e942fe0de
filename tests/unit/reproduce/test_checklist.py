"""The checklist: a wrong condition is seen, whichever; what nobody states is not called equal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from samplebench.cli import main
from samplebench.reproduce import preset
from samplebench.reproduce.checklist import DIFFERS, MATCHES, NOT_STATED, checklist
from samplebench.reproduce.cost import cost_of
from samplebench.reproduce.execute import intended, planned
from samplebench.reproduce.needs import needs
from samplebench.reproduce.told import check_lines, plan_facts, plan_json

HEUN = "edm-cifar10-32x32-uncond-vp/heun/35"
UNIPC = "edm-cifar10-32x32-uncond-vp/unipc/10@diff-sampler"
# On a CPU: another generator than the published images'.
ALWAYS = {"noise"}


@pytest.fixture
def usual(plan_of):
    """`usual(name)`: the checklist of a preset that runs as it is, which is what it intends."""

    def found(name):
        plan = plan_of(name)
        return {check.name: check for check in checklist(preset(name), plan, plan)}

    return found


def checks(name, **words):
    each = preset(name)
    plan = planned(each, **words)
    return {check.name: check for check in checklist(each, plan, intended(each, plan))}


def verdicts(found, verdict):
    return {name for name, check in found.items() if check.verdict == verdict}


def test_a_run_as_published_matches_in_all_that_is_stated():
    found = checks(HEUN)
    assert verdicts(found, DIFFERS) == ALWAYS and not verdicts(found, NOT_STATED)
    assert found["seeds"].theirs == "0, 50,000, 100,000"
    assert verdicts(checks("digits-adm/respaced/10"), MATCHES) == {
        *checks("digits-adm/respaced/10")
    }


@pytest.mark.parametrize(
    ("name", "words", "wrong"),
    [
        (HEUN, {"num_samples": 5000}, {"N", "seeds"}),
        (HEUN, {"seed": 7}, {"seeds"}),
        (HEUN, {"repeats": 1}, {"statistic", "seeds"}),
        (HEUN, {"dtype": "bfloat16"}, {"network precision"}),
        (HEUN, {"compile": True}, {"network precision"}),
        (HEUN, {"noise": "portable"}, set()),
        (HEUN, {"state_dtype": "float32"}, {"state precision"}),
        (HEUN, {"protocol": "openai", "noise": None}, {"quantization", "state precision"}),
        (HEUN, {"reference": "score-sde-cifar10_stats"}, {"reference"}),
        (HEUN, {"nfe": 33}, {"NFE", "steps"}),
        (HEUN, {"rho": 5}, {"discretization"}),
        (HEUN, {"discretization": "logsnr", "rho": None}, {"discretization"}),
        (HEUN, {"model": "edm-cifar10-uncond-ve"}, {"checkpoint"}),
        (HEUN, {"param": {"heun": {"alpha": 0.5}}}, {"alpha"}),
        (HEUN, {"param": {"heun": {"sigma_max": 70}}}, {"sigma_max"}),
        (HEUN, {"param": {"heun": {"final": "sigma_min"}}}, {"final", "NFE", "steps"}),
        (HEUN, {"sampler": "euler"}, {"sampler", "steps"}),
        (UNIPC, {"param": {"unipc": {"order": 2}}}, {"order", "thresholding", "final"}),
        (
            "adm-imagenet128+guidance/respaced-guidance-0.5/250",
            {"guidance_scale": 1}, {"guidance", "network precision"},
        ),
        (
            "adm-imagenet128+guidance/respaced-guidance-0.5/250",
            {"guidance": "none", "guidance_scale": None}, {"guidance"},
        ),
    ],
)  # fmt: skip
def test_a_wrong_condition_is_seen(name, words, wrong):
    each = preset(name)
    own = {k: v for k, v in each.words.items() if k not in words or words[k] is not None}
    if words.get("discretization"):
        own.pop("rho", None)
    changed = replace(each, words=own)
    plan = planned(changed, **words)
    found = {check.name: check for check in checklist(each, plan, intended(each, plan))}
    there = verdicts(found, DIFFERS) - ALWAYS
    if name == HEUN or name == UNIPC:
        assert there >= wrong - {"final"} and there <= wrong | {"final", "order"}
    else:
        assert "guidance" in there
    for check in found.values():
        if check.verdict == DIFFERS:
            assert check.ours != check.theirs


def test_another_n_is_no_reproduction():
    check = checks(HEUN, num_samples=5000)["N"]
    assert (check.ours, check.theirs) == ("5,000", "50,000") and "not a reproduction" in check.note


@pytest.mark.parametrize(
    ("name", "condition", "verdict", "text"),
    [
        (UNIPC, "quantization", NOT_STATED, ""),
        (UNIPC, "seeds", MATCHES, ""),
        ("gddim-cld-cifar10/gddim/50@gddim", "degree", MATCHES, "deis_order=2"),
        ("gddim-cld-cifar10/gddim-lam-1/50", "known difference", DIFFERS, "covariance"),
        ("gddim-cld-cifar10/euler-maruyama-lam-1/50", "denoise", NOT_STATED, ""),
        ("admip-cifar10-baseline/respaced/100", "reference", DIFFERS, ""),
        ("admip-celeba64/respaced/100", "reference", NOT_STATED, "your images"),
        ("iddpm-cifar10-uncond-50M-500K/respaced/4000", "weights", MATCHES, "500K"),
        ("iddpm-cifar10-uncond-50M-500K/respaced/4000", "N", NOT_STATED, ""),
        ("edm-cifar10-32x32-uncond-vp/heun/35@edm-es", "checkpoint", NOT_STATED, "deduced"),
        ("edm-cifar10-32x32-uncond-vp/heun/35@edm-es", "NFE", NOT_STATED, "deduced"),
        ("edm-cifar10-32x32-uncond-vp/heun/35@edm-es", "steps", MATCHES, ""),
        (
            "baseline-cifar10-32x32-uncond-vp/restart/43@xu-2023-table-3",
            "intervals", NOT_STATED, "the one set of intervals known here",
        ),
        (
            "scoresde-vp-cifar10_ddpmpp_deep_continuous/ddim-eta-0/10@zheng-2023-table-9",
            "sigma_min", MATCHES, "stated stop time",
        ),
        ("baseline-cifar10-32x32-uncond-ve/heun/27", "statistic", MATCHES, "within 3 %"),
    ],
)  # fmt: skip
def test_what_is_stated_by_whom(usual, name, condition, verdict, text):
    check = usual(name)[condition]
    assert check.verdict == verdict and text in check.note
    assert bool(check.theirs) or verdict != MATCHES


def test_a_dry_run_of_every_preset(any_name, plan_of):
    """Plan, cost, needs and checklist, without a connection."""
    each, plan = preset(any_name), plan_of(any_name)
    found, cost, missing = checklist(each, plan, intended(each, plan)), cost_of(plan), needs(each)
    told = plan_facts(each, plan, missing, cost)
    assert told["evaluations"].startswith(f"{cost.evaluations:,}")
    assert cost.images == each.runs * plan.rows[0].columns["num_samples"]
    assert cost.evaluations == cost.images * each.nfe
    own = each.row is None
    assert (cost.pflop is None) == own and missing.state == (
        "ready" if own else "needs data" if each.images else missing.state
    )
    assert own or missing.files
    document = plan_json(each, plan, missing, cost, found)
    assert document["nfe_planned"] == document["nfe"] == each.nfe
    # Nothing that is stated differs, but for what this machine is and for what is told.
    excused = {"noise", "network precision", "known difference"}
    if each.row is not None and not each.images and "reference" not in each.words:
        excused |= {"reference"}
    assert {check.name for check in found if check.verdict == DIFFERS} <= excused


def test_the_dry_run_of_the_command(capsys):
    assert main(["reproduce", "admip-celeba64/respaced/80", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "samplebench reference make --images PATH --extractor inception" in out
    assert "not stated  reference" in out and "needs data" in out
    assert main(["reproduce", HEUN, "--dry-run", "--json", "--num-samples", "5000"]) == 0
    assert '"seeds": [\n  0,\n  5000,\n  10000\n ]' in capsys.readouterr().out


def test_lines_fit_the_width(usual):
    found = list(usual("gddim-cld-cifar10/gddim-lam-1/50").values())
    for width in (60, 80, 200):
        lines = check_lines(found, width)
        assert max(map(len, lines)) <= width
    assert len(check_lines(found, 60)) > len(check_lines(found, 200)) >= len(found)

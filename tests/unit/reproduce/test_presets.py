"""Published rows become presets, or a clause says why not; a preset runs what its row says."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import pytest

from samplebench.checkpoints.catalog import catalog
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.published import load
from samplebench.references import reference as references
from samplebench.registry import discretizations, samplers
from samplebench.report.match import Run, algorithm, mismatches
from samplebench.reproduce import preset, presets, refused
from samplebench.reproduce.completions import GRIDS, RULES, WEIGHTS
from samplebench.reproduce.execute import planned
from samplebench.reproduce.names import names_of
from samplebench.reproduce.practices import PRACTICES, practice_of
from samplebench.reproduce.told import plan_facts

BASELINES = Path(__file__).parents[3] / "benchmarks" / "baselines"
# What others call a preset by must stay.
KNOWN = {
    "digits-vp/heun/20": 0.148978411306,
    "edm-cifar10-32x32-uncond-vp/heun/35": 1.97,
    "edm-imagenet-64x64-cond-adm/edm/511": 1.36,
    "baseline-cifar10-32x32-uncond-vp/heun/35": 3.01,
    "baseline-cifar10-32x32-uncond-vp/heun/35@karras-2022-table-3": 2.93,
    "baseline-cifar10-32x32-uncond-vp/edm/383": 2.27,
    "adm-imagenet64/respaced/250": 2.07,
    "adm-imagenet128+guidance/respaced-guidance-0.5/250": 2.97,
    "admip-cifar10/respaced/100": 2.38,
    "iddpm-cifar10-uncond-50M-500K/respaced/4000": 3.19,
    "gddim-cld-cifar10/gddim/50@gddim": 2.2565,
    "gddim-bdm-cifar10/gddim/20": 2.97,
    "edm2-img64-s-1073741-0.045+autoguidance/heun/63": 1.01,
    "edm-cifar10-32x32-uncond-vp/unipc/10@diff-sampler": 2.89,
    "edm-ffhq-64x64-uncond-vp/dpmpp-3m/5@diff-sampler": 22.51,
    "edm-imagenet-64x64-cond-adm/deis/10@diff-sampler": 5.34,
    "edm-cifar10-32x32-uncond-vp/ipndm/6@diff-sampler": 7.05,
    "scoresde-vp-cifar10_ddpmpp_continuous/pc/1000": 2.55,
}


def test_every_row_is_a_preset_or_says_why_not():
    of_rows = [each.row for each in presets().values() if each.row is not None]
    none = [each.row for each in refused()]
    assert len(of_rows) >= 120 and len(of_rows) + len(none) == len(load())
    assert {id(row) for row in (*of_rows, *none)} == {id(row) for row in load()}
    for each in refused():
        assert 10 < len(each.reason) < 120 and "\n" not in each.reason


@pytest.mark.parametrize(("known", "value"), KNOWN.items())
def test_names_stay(known, value):
    assert preset(known).value == value


def test_a_name_does_not_depend_on_later_rows():
    rows = [each.row for each in presets().values() if each.row is not None]
    assert names_of(rows[:50]) == names_of(rows)[:50]
    assert len(set(names_of([rows[0]] * 4))) == 4


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'digits-vp/heun/20'"):
        preset("digits-vp/heum/20")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("edm-cifar10-uncond-vp/heun/35", "edm-cifar10-32x32-uncond-vp/heun/35"),
        ("vp-cifar10/edm/383", "baseline-cifar10-32x32-uncond-vp/edm/383"),
        ("edm2-img64-s-autog-fid/heun/63",
         "edm2-img64-s-1073741-0.045+autoguidance/heun/63"),
        ("edm-cifar10-uncond-vp/unipc/10@diff-sampler",
         "edm-cifar10-32x32-uncond-vp/unipc/10@diff-sampler"),
    ],
)  # fmt: skip
def test_the_catalogues_id_is_known_in_a_name(said, meant):
    assert preset(said) is presets()[meant]


def test_names_of_the_catalogue_mean_one_preset_each():
    spelt = [
        f"{each.row.checkpoint}{name.removeprefix(each.row.model)}"
        for name, each in presets().items()
        if each.row is not None
    ]
    assert len(set(spelt)) == len(spelt)


def test_values_that_are_unsure_or_bounds_are_none():
    assert all(each.row.certainty != "C" for each in presets().values() if each.row)
    reasons = {each.row.certainty: each.reason for each in refused() if each.row.fid is not None}
    assert "certainty C" in reasons["C"]


@pytest.mark.parametrize(
    ("model", "printed", "grid", "reason"),
    [
        # What is registered here must not be called missing.
        ("adm-imagenet128+guidance", "DDIM", "ddim25", "guidance scale not stated"),
        ("edm-cifar10", "DPM-Solver++", "", "sampler dpmpp: order not stated"),
        ("scoresde-vp", "DPM-Solver (multistep)", "", "sampler dpm-solver: multistep"),
        ("scoresde-vp", "DPM-Solver++ (singlestep)", "", "sampler dpmpp: singlestep"),
        ("edm-cifar10", "DPM-Solver-v3", "", "no sampler dpm-solver-v3 here"),
        # Nor a file that nobody compared be said to differ.
        ("scoresde-ve", "PC", "", "not known to be the released file's weights: best-FID"),
        ("admip-celeba64", "learned", "", "not known to be the released file's weights: 300K"),
        ("edm-imagenet", "EDM Heun", "", "weights: perhaps the group's own"),
    ],
)
def test_a_refusal_says_what_is_so(model, printed, grid, reason):
    alike = [
        each.reason
        for each in refused()
        if each.row.model.startswith(model)
        and each.row.sampler_printed.startswith(printed)
        and each.row.grid_printed.startswith(grid)
    ]
    assert any(reason in text for text in alike)


def test_no_refusal_calls_missing_what_is_here():
    for each in refused():
        missing = re.fullmatch(
            r"no sampler (\S+) here|noise levels not known here: (.+)", each.reason
        )
        if missing:
            assert missing[1] not in samplers.names() and missing[2] not in discretizations.names()
            assert not each.row.grid.ours or missing[1]


def test_nothing_in_the_tables_of_completions_is_idle():
    rows = [each.row for each in presets().values() if each.row is not None]
    assert [rule for rule in RULES if not any(map(rule.fits, rows))] == []
    assert GRIDS.keys() == {row.grid.name for row in rows} & GRIDS.keys()
    assert WEIGHTS.keys() == {(row.model, row.weights) for row in rows} & WEIGHTS.keys()
    assert {practice_of(row) for row in rows} >= {*PRACTICES}


def test_listing_needs_no_torch(samplebench_anew):
    done = samplebench_anew("import samplebench.reproduce as r, sys; r.presets(); r.refused()")
    assert done == "False"


@pytest.fixture
def samplebench_anew():
    """`samplebench_anew(code)`: whether torch is there after it, in a new interpreter."""
    import subprocess

    def run(code):
        words = [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    return run


def explained(each, text):
    """Whether a mismatch of the row with its own run is one that the preset knows of."""
    row, words = each.row, each.words
    if text.startswith("weights: "):
        return "weights" in each.completed or row.weights in catalog()[each.checkpoint].file_name
    if text.startswith(("grid ", "stop time ")):
        return (
            "discretization" in each.completed
            or "sigma_min" in each.completed
            or (
                words["sampler"] == "restart"  # which has EDM's levels as its own
            )
        )
    if text.startswith("protocol "):
        return row.family in ("other", "score-sde")
    if text.startswith(("sigma_m", "final", "r ")):
        return text.split(" ")[0] in each.completed
    if text.startswith("reference "):
        return "reference" not in words
    if text.startswith("N not stated"):
        return row.num_samples is None
    if text == row.unguided.variant:
        return any(name in each.completed for name in each.words["param"][words["sampler"]])
    return text in row.measured or text.endswith(" deduced")


def test_a_preset_plans_what_its_row_prints(any_name, plan_of):
    """NFE, steps, N, seeds, and every condition that `report.match` compares."""
    each, plan = preset(any_name), plan_of(any_name)
    (row,), entry = plan.rows, catalog()[each.checkpoint]
    assert row.columns["nfe"] == each.nfe
    assert row.columns["model"] == entry.id
    n = row.columns["num_samples"]
    assert [cell.conditions["seed"] for cell in row.cells] == [r * n for r in range(each.runs)]
    if each.row is None:
        return
    assert n == (each.row.num_samples or 50_000)
    # CLD's last evaluation is its denoising, which is no step: N = NFE - 1 (gDDIM's release).
    denoised = each.checkpoint == "cld-cifar10" and row.columns["steps"] == each.nfe - 1
    assert each.row.steps in (None, row.columns["steps"]) or denoised
    canonical, params, constants = algorithm(
        row.columns["sampler"], each.words.get("param", {}).get(each.words["sampler"], {})
    )
    run = Run(
        sampler=canonical,
        params=params,
        discretization=row.columns["discretization"],
        rho=row.columns["rho"],
        num_samples=n,
        protocol=row.columns["protocol"],
        reference=each.words.get("reference", ""),
        constants=constants,
        guidance=each.row.guidance,
    )
    found = [mismatch.text for mismatch in mismatches(each.row, run)]
    assert [text for text in found if not explained(each, text)] == []
    if each.images:
        assert row.columns["reference"] == "" and not entry.reference
    else:
        said = row.columns["reference"].partition("@")[0]
        assert said in references.names()


def test_guidance_is_the_rows():
    guided = [each for each in presets().values() if each.row is not None and each.row.guidance]
    assert {each.row.guidance for each in guided} >= {"classifier 0.5", "classifier 3"}
    for each in guided:
        column = planned(each).rows[0].columns["guidance"]
        assert column.split(" ")[:2] == each.row.guidance.split(" ")[:2]


def test_lowest_of_three_has_edms_seeds():
    each = preset("edm-cifar10-32x32-uncond-vp/heun/35")
    cells = planned(each).rows[0].cells
    assert [cell.conditions["seed"] for cell in cells] == [0, 50_000, 100_000]
    assert {cell.conditions["noise"] for cell in cells} == {"nvlabs"}


def test_own_values_are_the_committed_ones():
    own = {each.name: each for each in presets().values() if each.row is None}
    assert len(own) >= 6 and all(each.metric == "fd-digits" for each in own.values())
    committed = []
    for file in BASELINES.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as opened:
            committed += [row for row in csv.DictReader(opened) if row.get("fd-digits")]
    for each in own.values():
        assert any(
            (row["model"], row["sampler"], row["nfe"]) == (
                each.checkpoint, each.words["sampler"], str(each.nfe)
            )
            and float(row["fd-digits"]) == each.value
            and float(row["fd-digits_stderr"]) == each.stderr
            for row in committed
        ), each.name  # fmt: skip


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("--checkpoint", "edm-cifar10-uncond-vp", "--sampler", "heun"), ("Karras", "heun")),
        (("--checkpoint", "edm-cifar10-32x32-uncond-vp", "--source", "karras"), ("1.97",)),
        (("--all", "--source", "GITS"), ("GITS searched schedule",)),
        (("--sampler", "respaced"), ("needs data", "iddpm-cifar10")),
    ],
)
def test_the_list_and_its_filters(capsys, words, texts):
    assert main(["reproduce", "--list", *words]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in texts), out
    assert "digits-vp" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--list", "--checkpoint", "edm-cifar10-uncond-vq"), "edm-cifar10-uncond-vp"),
        (("--list", "--sampler", "heum"), "heun"),
        (("--list", "--source", "nobody"), "no published value's source"),
        (("--list", "--checkpoint", ""), "lists all"),
        (("--list", "--dry-run"), "--dry-run needs a preset"),
        (("--list", "--num-samples", "5"), "--num-samples needs a preset"),
        (("--list", "--out", "x"), "--out needs a preset"),
        (("<script>",), "'samplebench reproduce --list' lists all"),
        (("--list", "digits-vp/heun/20"), "leave out --list"),
        (("digits-vp/heun/20", "--sampler", "heun"), "--sampler goes with --list"),
        ((), "name a preset"),
        (("digits-vp/heun",), "digits-vp/heun/20"),
    ],
)
def test_bad_words_end_with_one_line(capsys, words, message):
    assert main(["reproduce", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_facts_name_what_would_run():
    from samplebench.reproduce.cost import cost_of
    from samplebench.reproduce.needs import needs

    each = preset("edm-imagenet-64x64-cond-adm/edm/511")
    plan = planned(each)
    found = plan_facts(each, plan, needs(each), cost_of(plan))
    assert "S_churn=40" in found["sampler"] and "511 in 256 steps" == found["NFE"]
    assert found["evaluations"] == "76,650,000"
    assert "both assumed" in found["GPU-hours"]

"""All rows of published.csv: none lost, none misread, no note that is not understood."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter

import pytest

from samplebench.published import csv_text, load, notes
from samplebench.published.evaluators import FAMILIES, family_of, reference_id
from samplebench.published.grids import GRIDS
from samplebench.published.samplers import NAMES
from samplebench.registry import discretizations, timelines

PRINTED = list(csv.DictReader(io.StringIO(csv_text(), newline="")))
CLAUSES = {part.strip() for row in PRINTED for part in row["note"].split(";")} - {""}


def only(**wanted):
    """The one row with these attributes."""
    found = [row for row in load() if all(getattr(row, k) == v for k, v in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_every_row_is_there_with_its_values():
    assert len(load()) == len(PRINTED) == 958
    for row, printed in zip(load(), PRINTED, strict=True):
        assert row.model == printed["model_id"]
        assert row.sampler_printed == printed["sampler"]
        assert row.grid_printed == printed["discretization"]
        for value, name in (
            (row.nfe, "nfe"),
            (row.steps, "steps"),
            (row.num_samples, "num_samples"),
            (row.resolution, "resolution"),
            (row.sfid, "sfid"),
            (row.precision, "precision"),
            (row.recall, "recall"),
            (row.inception_score, "is"),
        ):
            assert ("" if value is None else float(value)) == (
                float(printed[name]) if printed[name] else ""
            )
        for name in ("dataset", "network", "source", "certainty", "note"):
            assert getattr(row, name) == printed[name]
        assert row.reference == printed["reference_stats"]
        assert float(row.fid_printed.removeprefix(">")) == float(printed["fid"].removeprefix(">"))


def test_bounds_are_not_values():
    bounds = [row for row in load() if row.fid is None]
    assert len(bounds) == 10
    assert {row.above for row in bounds} == {100.0}
    assert {row.fid_printed for row in bounds} == {">100"}
    assert all(row.above is None for row in load() if row.fid is not None)


def test_certainty_and_rows_without_nfe():
    assert Counter(row.certainty for row in load()) == {"A": 914, "B": 12, "C": 32}
    assert sum(row.nfe is None for row in load()) == 10


def test_deduced_cells():
    printed = Counter(
        name
        for row in PRINTED
        for name, cell in row.items()
        if "~" in cell and name not in ("note", "source")
    )
    assert printed == {"sampler": 5, "discretization": 10, "reference_stats": 46}
    deduced = Counter(name for row in load() for name in row.deduced)
    assert {name: deduced[name] for name in printed} == printed
    assert "nfe" in only(model="admip-cifar10").deduced
    assert only(model="edm-cifar10-32x32-uncond-vp", nfe=43).deduced == ("model_id",)


def test_every_printed_name_is_mapped_and_no_other():
    assert {row["sampler"] for row in PRINTED} == set(NAMES)
    assert len(NAMES) == 131
    assert {row["discretization"].removeprefix("~") for row in PRINTED} == set(GRIDS)


def test_our_grids_are_registered_under_that_name_and_rho():
    for grid in GRIDS.values():
        # A discrete model's own steps, and a sampler's own levels, are no discretization.
        own = {entry.obj.label for entry in timelines} - {""}
        assert grid.ours == (grid.name in discretizations or grid.name in own), grid
    assert {g.name for g in GRIDS.values() if g.rho is not None} == {"edm", "time_uniform"}


# (model, printed name, NFE, start of the source) -> (name, parameters, variant).
HEUN = "EDM Heun, S_churn=0"
CIFAR = "edm-cifar10-32x32-uncond-vp"
BASELINE = "baseline-cifar10-32x32-uncond-vp"
END = {"final": "sigma_min"}
CLIPPED = {**END, "thresholding": True}
OPTIMAL = {"S_churn": 30, "S_min": 0.01, "S_max": 1, "S_noise": 1.007}
CASES = {
    (BASELINE, HEUN, 35, "Karras et al. 2022 (arXiv 2206.00364) Table 4"): ("heun", {}, ""),
    (BASELINE, "Heun, sigma=t s=1", 35, ""): ("heun", {}, ""),
    (CIFAR, "Heun", 10, "diff-sampler"): ("heun", END, ""),
    (CIFAR, HEUN, 10, "Zheng"): ("heun", {}, "steps of an even NFE not stated"),
    (CIFAR, "Heun (EDM) + AFS", 9, ""): ("heun", {**END, "afs": True}, ""),
    ("gddim-ddpm-cifar10", "Heun (2nd order)", 50, ""): (
        "heun", {}, "in the rescaled model, no final step",
    ),
    (CIFAR, "Euler", 35, "EDM-ES"): ("euler", {}, ""),
    (CIFAR, "Euler", 10, "diff-sampler"): ("euler", END, ""),
    (CIFAR, "Euler", 50, "SFD"): ("euler", END, ""),
    (CIFAR, "Euler + GITS", 10, ""): ("euler", END, ""),
    (CIFAR, "Euler + epsilon scaling b=1.0034", 35, ""): ("euler", {}, "epsilon scaling b=1.0034"),
    (BASELINE, "EDM stochastic, optimal", 383, ""): ("edm", OPTIMAL, ""),
    (BASELINE, "EDM stochastic, paper settings", 511, ""): ("edm", OPTIMAL, ""),
    (BASELINE, "EDM stochastic, no S_noise", 95, ""): (
        "edm", {"S_noise": 1}, "S_churn not stated, S_min and S_max not stated",
    ),
    ("ddim-celeba64", "DDIM eta=0.2", 10, ""): ("ddim", {"eta": 0.2}, ""),
    ("ddim-celeba64", "DDIM eta=sigma-hat", 10, ""): (
        "ddim", {"eta": 1}, "larger variance sigma-hat",
    ),
    ("adm-imagenet64", "learned-variance respacing", 250, ""): (
        "respaced", {"variance": "learned"}, "",
    ),
    ("adm-imagenet128+guidance", "learned-variance respacing", 100, ""): (
        "respaced", {"variance": "learned", "guidance": 0.5}, "",
    ),
    ("adm-imagenet256+guidance", "DDIM + classifier guidance", 25, ""): (
        "ddim", {"eta": 0}, "guidance scale not stated",
    ),
    (CIFAR, "UniPC-3 (better of B1, B2)", 10, ""): (
        "unipc", {"order": 3}, "better of B1, B2 per NFE, end rules not stated",
    ),
    (CIFAR, "UniPC-3", 10, ""): ("unipc", {"order": 3, **CLIPPED}, ""),
    (CIFAR, "DPM-Solver++(3M)", 10, "Zheng"): ("dpmpp-3m", {"order": 3}, "end rules not stated"),
    (CIFAR, "DPM-Solver++(3M)", 10, "diff"): ("dpmpp-3m", {"order": 3, **CLIPPED}, ""),
    (CIFAR, "DEIS-tAB3", 10, ""): ("deis", {"mode": "tab", "order": 4, **END}, ""),
    (CIFAR, "iPNDM-4", 10, ""): ("ipndm", {"order": 4, **END}, ""),
    (CIFAR, "iPNDM_v-4", 10, ""): ("ipndm-v", {"order": 4, **END}, ""),
    (CIFAR, "DPM-Solver-2", 10, "diff"): ("dpm-2", {"r": 0.5, **END}, ""),
    (CIFAR, "DPM-Solver-2 + AFS", 9, ""): ("dpm-2", {"r": 0.5, "afs": True, **END}, ""),
    ("scoresde-vp-cifar10_ddpmpp_continuous", "Euler-Maruyama predictor, no corrector", 1000, ""): (
        "pc", {"predictor": "euler-maruyama", "corrector": "none", "denoise": True}, "",
    ),
    ("edm2-img64-s-1073741-0.075", HEUN, 63, "EDM2"): ("heun", {}, ""),
    ("edm2-img64-s-1073741-0.045+autoguidance", f"{HEUN} + autoguidance", 63, ""): (
        "heun", {}, "autoguidance 1.70 by edm2-img64-xs-0134217-0.110",
    ),
    (BASELINE, "Restart (Heun)", 519, ""): ("restart", {}, "intervals not stated"),
}  # fmt: skip


@pytest.mark.parametrize("where", CASES, ids=lambda where: f"{where[1]} {where[0]} {where[2]}")
def test_samplers_come_out_as_what_they_are(where):
    model, printed, nfe, source = where
    found = [
        row
        for row in load()
        if (row.model, row.sampler_printed, row.nfe) == (model, printed, nfe)
        and row.source.startswith(source)
    ]
    assert len(found) == 1
    sampler = found[0].sampler
    assert (sampler.name, sampler.params, sampler.variant) == CASES[where]


def test_the_tuned_settings_are_those_that_notes_print():
    names = {"S_churn": "S_churn", "S_tmin": "S_min", "S_tmax": "S_max", "S_noise": "S_noise"}
    found = 0
    for row in load():
        if row.note.startswith("S_churn="):
            words = row.note.partition(" (")[0].split()
            pairs = (word.split("=") for word in words)
            assert row.sampler.params == {names[name]: float(text) for name, text in pairs}
            found += 1
    assert found == 3


@pytest.mark.parametrize("clause", sorted(CLAUSES))
def test_every_clause_of_a_note_has_one_meaning(clause):
    fields = {name for name, _ in notes.meanings(clause)}
    assert fields <= {*notes.Said.__dataclass_fields__, "remark"}


def test_a_note_that_is_not_understood_is_refused():
    with pytest.raises(KeyError, match="0 meanings of the clause 'on a rainy day'"):
        notes.read("min of 3 runs, EDM protocol; on a rainy day", 35)


def test_the_stop_time_depends_on_the_nfe():
    note = "checkpoint_8; stop time 1e-3 for NFE<=10, 1e-4 above"
    assert [notes.read(note, nfe).stop for nfe in (5, 10, 12)] == [("1e-3",), ("1e-3",), ("1e-4",)]


def test_evaluators():
    assert Counter(row.family for row in load()).keys() == set(FAMILIES)
    assert family_of("edm:cifar10-32x32") == "edm"
    assert family_of("edm2:img64") == "edm2"
    assert family_of("~score_sde:cifar10_stats") == family_of("gddim:cifar10_stats") == "score-sde"
    borrowed = [row for row in load() if row.sampler.name == "gotta-go-fast"]
    assert len(borrowed) == 6
    assert {(row.reference, row.family) for row in borrowed} == {("edm:cifar10-32x32", "other")}


def test_ids_of_reference_statistics():
    assert reference_id("edm:cifar10-32x32") == "edm-cifar10-32x32"
    assert reference_id("edm2:img64") == "edm2-img64"
    assert reference_id("~score_sde:cifar10_stats") == "score-sde-cifar10_stats"


def test_the_file_is_the_one_that_was_collected():
    digest = hashlib.sha256(csv_text().encode()).hexdigest()
    assert digest == "f7d2fc0f52a124e1a65f2658bbd1773749ffc3559a9cd2b95e5883820818acf9"

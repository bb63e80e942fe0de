"""All rows of published.csv: none lost, none misread, no note that is not understood."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter

import pytest

from samplebench.checkpoints.catalog import catalog
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
    assert len(load()) == len(PRINTED) == 1437
    assert len({tuple(row.values()) for row in PRINTED}) == 1437
    for row, printed in zip(load(), PRINTED, strict=True):
        assert row.model == printed["model_id"]
        assert row.sampler_printed == printed["sampler"]
        assert row.grid_printed == printed["discretization"]
        for value, name in (
            (row.nfe if row.depth is None else row.depth, "nfe"),
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


def test_what_repeats_a_value_is_another_source():
    keys = Counter((row["model_id"], row["sampler"], row["nfe"], row["fid"]) for row in PRINTED)
    assert sum(keys.values()) - len(keys) == 7
    named = {
        (row["model_id"], row["sampler"], row["nfe"], row["fid"], row["source"]) for row in PRINTED
    }
    assert len(named) == len(PRINTED)


def test_bounds_are_not_values():
    bounds = [row for row in load() if row.fid is None]
    assert len(bounds) == 10
    assert {row.above for row in bounds} == {100.0}
    assert {row.fid_printed for row in bounds} == {">100"}
    assert all(row.above is None for row in load() if row.fid is not None)


def test_certainty_and_rows_without_nfe():
    assert Counter(row.certainty for row in load()) == {"A": 1183, "B": 160, "C": 94}
    assert sum(row.nfe is None for row in load()) == 26


def test_deduced_cells():
    printed = Counter(
        name
        for row in PRINTED
        for name, cell in row.items()
        if "~" in cell and name not in ("note", "source")
    )
    assert printed == {"sampler": 5, "discretization": 212, "reference_stats": 121}
    deduced = Counter(name for row in load() for name in row.deduced)
    # A cell that says that nobody says it is not one that somebody deduced.
    open_cells = sum(row["discretization"] == "~not stated" for row in PRINTED)
    assert open_cells > 50
    assert {name: deduced[name] for name in printed} == printed - Counter(
        {"discretization": open_cells}
    )
    assert "nfe" in only(model="admip-cifar10").deduced
    assert only(model="edm-cifar10-32x32-uncond-vp", nfe=43).deduced == ("model_id",)


def test_every_printed_name_is_mapped_and_no_other():
    assert {row["sampler"] for row in PRINTED} == set(NAMES)
    assert len(NAMES) == 169
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
        "unipc", {"order": 3}, "better of B1 and B2 per NFE, end rules not stated",
    ),
    (CIFAR, "UniPC-3", 10, "diff"): ("unipc", {"order": 3, **CLIPPED}, ""),
    (CIFAR, "DPM-Solver++(3M)", 10, "Zheng"): ("dpmpp-3m", {"order": 3}, "end rules not stated"),
    (CIFAR, "DPM-Solver++(3M)", 10, "diff"): ("dpmpp-3m", {"order": 3, **CLIPPED}, ""),
    (CIFAR, "DEIS-tAB3", 10, ""): ("deis", {"mode": "tab", "order": 4, **END}, ""),
    (CIFAR, "iPNDM-4", 10, ""): ("ipndm", {"order": 4, **END}, ""),
    (CIFAR, "iPNDM_v-4", 10, ""): ("ipndm-v", {"order": 4, **END}, ""),
    (CIFAR, "DPM-Solver-2", 10, "diff"): ("dpm-2", {"r": 0.5, **END}, ""),
    (CIFAR, "DPM-Solver-2 + AFS", 9, "AMED"): ("dpm-2", {"r": 0.5, "afs": True, **END}, ""),
    ("scoresde-vp-cifar10_ddpmpp_continuous", "Euler-Maruyama predictor, no corrector", 1000, ""): (
        "pc", {"predictor": "euler-maruyama", "corrector": "none", "denoise": True}, "",
    ),
    ("edm2-img64-s-1073741-0.075", HEUN, 63, "EDM2"): ("heun", {}, ""),
    ("edm2-img64-s-1073741-0.045+autoguidance", f"{HEUN} + autoguidance", 63, ""): (
        "heun", {}, "autoguidance 1.70 by edm2-img64-xs-0134217-0.110",
    ),
    (BASELINE, "Restart (Heun)", 519, ""): ("restart", {}, "intervals not stated"),
    # Whose inner time is not the one of the name, and one whose order nobody needs to state.
    (CIFAR, "DPM-Solver-2 + AFS", 9, "Wang"): (
        "dpm-2", {"afs": True}, "intermediate time or grid not stated",
    ),
    ("edm-ffhq-64x64-uncond-vp", "DPM-Solver++", 2, "Oganov"): ("dpmpp", {}, "order equals NFE"),
    (CIFAR, "UniPC", 9, "Liu"): (
        "unipc", {}, "order not stated, end rules not stated, best settings per NFE",
    ),
    (CIFAR, "UniPC-3 B1", 20, ""): (
        "unipc", {"order": 3, "variant": "bh1"}, "end rules not stated",
    ),
    (CIFAR, "iPNDM-3 + DMN", 8, ""): ("ipndm", {"order": 3}, "end rules not stated"),
    (CIFAR, "LD3 (best base solver)", 8, ""): ("ld3", {}, "best base solver, which one not stated"),
    (CIFAR, "EPD-Plugin on iPNDM", 11, ""): ("epd-plugin", {}, "on iPNDM, AFS"),
    ("adm-imagenet256+guidance", "UniPC + classifier guidance", 7, "Liu"): (
        "unipc", {"guidance": 2},
        "order not stated, end rules not stated, best settings per NFE",
    ),
    ("edm2-img512-m-2147483-0.030+cfg", f"{HEUN} + classifier-free guidance", 63, ""): (
        "heun", {}, "classifier-free guidance 1.20 (XS unconditional network)",
    ),
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


def test_other_metrics_of_a_source_are_kept():
    columns = {
        "sfid": "sfid",
        "precision": "precision",
        "recall": "recall",
        "is": "inception_score",
    }
    for printed, name in columns.items():
        kept = sum(getattr(row, name) is not None for row in load())
        assert kept == sum(row[printed] != "" for row in PRINTED) > 0
    values = [v for row in load() for v in (row.fid, row.above, row.sfid, row.precision, row.recall,
                                            row.inception_score) if v is not None]  # fmt: skip
    assert all(math.isfinite(value) and value > 0 for value in values)
    assert all(row.source.strip() for row in load())


def test_calls_one_after_another_stand_at_their_evaluations_and_keep_their_number():
    counted = {(row.depth, row.nfe) for row in load() if row.sampler.name.startswith("epd-")}
    assert counted == {(3, 5), (5, 8), (7, 11), (9, 14)}
    # As the notes themselves print them.
    for row in load():
        if "so 5/8/11/14 evaluations per image" in row.note:
            assert row.nfe == dict(zip((3, 5, 7, 9), (5, 8, 11, 14), strict=True))[row.depth]
    unknown = [row for row in load() if row.sampler.name == "paradigms"]
    assert len(unknown) == 16
    for row in unknown:
        assert row.nfe is None and row.depth in (3, 5, 7, 9)
        assert row.unplaced == f"{row.depth} calls one after another, evaluations not stated"
        assert "evaluations per image not stated" in row.note
    assert sum(row.depth is not None for row in load()) == 48
    assert all((row.unplaced == "") == (row.nfe is not None) for row in load())


def test_values_read_from_a_picture_say_so():
    shown = [row for row in load() if "read from a picture of a table" in row.measured]
    assert len(shown) > 250
    for row in shown:
        assert "image" in row.source and "digitised" not in row.source
    by_eye = [row for row in shown if "fid.png" in row.source or "results.jpg" in row.source]
    assert Counter(row.certainty for row in by_eye) == {"B": 101, "C": 20}


def test_checkpoints_have_one_id_each():
    ids = {row.model: row.checkpoint for row in load()}
    assert len(set(ids.values())) == len(ids) == 156
    for entry in catalog().values():
        for name in entry.published:
            assert ids[name] == entry.id
    assert ids["edm-cifar10-32x32-uncond-vp"] == "edm-cifar10-uncond-vp"
    assert ids["adm-imagenet64+guidance"] == "adm-imagenet64+guidance"
    assert ids["edm2-img64-s-1073741-0.045+autoguidance"] == "edm2-img64-s-autog-fid"
    # No id of the catalogue means something else here.
    for name, own in ids.items():
        assert name not in catalog() or own == name


def test_ids_of_reference_statistics():
    assert reference_id("edm:cifar10-32x32") == "edm-cifar10-32x32"
    assert reference_id("edm2:img64") == "edm2-img64"
    assert reference_id("~score_sde:cifar10_stats") == "score-sde-cifar10_stats"


def test_the_file_is_the_one_that_was_collected():
    digest = hashlib.sha256(csv_text().encode()).hexdigest()
    assert digest == "05b665cd2b03d32029f510fc1eecbcb1a49ee9f21413c1f394ae1e1e50c3dac4"

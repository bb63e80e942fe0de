"""citations.bib and the keys that registrations name: none is missing, none is idle."""

from __future__ import annotations

import re

import pytest

from samplebench import __version__, citations
from samplebench.errors import UsageError
from samplebench.registry import discretizations, metrics, samplers
from samplebench.results.view import View

BUILTIN = [entry for registry in (samplers, discretizations, metrics) for entry in registry]
BUILTIN = [entry for entry in BUILTIN if entry.builtin]


def view(sampler="heun", grid=None, row_sampler=None, metrics=("fd-digits",)):
    """One row with one cell."""
    grid = {"name": "edm", "rho": 7.0} if grid is None else grid
    conditions = {"sampler": sampler, "discretization": grid}
    provenance = {"versions": {"samplebench": "0.0.9"}}
    row = {"model": "digits-exact", "sampler": row_sampler or sampler, "cell": "ab"}
    row |= dict.fromkeys(metrics, 1.0)
    return View("v", [row], {"ab": {"conditions": conditions, "provenance": provenance}}, {})


def keys(found):
    return {citation.key for citation in found}


@pytest.mark.parametrize("entry", BUILTIN, ids=lambda entry: entry.name)
def test_every_registration_names_its_sources(entry):
    # Exact draws have none.
    assert bool(entry.cite) == (getattr(entry, "timeline", "") != "no-steps")
    assert set(entry.cite) <= set(citations.bibliography())


def test_every_model_names_its_sources():
    models = {use: cite for use, cite in citations.named().items() if use[0] == "model"}
    assert models
    for cite in models.values():
        assert cite and set(cite) <= set(citations.bibliography())


def test_every_entry_is_used():
    used = {key for cite in citations.named().values() for key in cite}
    assert used | {citations.OWN} == set(citations.bibliography())


@pytest.mark.parametrize("key", citations.bibliography())
def test_an_entry_is_complete(key):
    entry = citations.bibliography()[key]
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.MULTILINE))
    assert {"author", "title", "year"} <= set(fields)
    assert len(entry.splitlines()) == len(fields) + 2  # every line was understood
    year = re.search(r"(?:19|20)\d\d", key)
    assert year is None or fields["year"] == year[0]
    if "eprint" in fields:
        assert (
            re.fullmatch(r"\d{4}\.\d{5}", fields["eprint"]) and fields["archiveprefix"] == "arXiv"
        )
        assert int(fields["eprint"][:2]) + 2000 in (int(fields["year"]), int(fields["year"]) - 1)
    if entry.startswith("@inproceedings"):
        assert "booktitle" in fields


class TestParse:
    def test_entries_by_key(self):
        text = "% a note\n@misc{a,\n  title = {x {Y}}\n}\n\n@misc{b,\n  title = {z}\n}\n"
        found = citations.parse(text)
        assert found == {"a": "@misc{a,\n  title = {x {Y}}\n}", "b": "@misc{b,\n  title = {z}\n}"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("@misc{a,\n}\n@misc{a,\n}", "key a occurs twice"),
            ("@misc{a,\n  title = {x\n}\n", "braces of a do not match"),
            ("@misc{a,\n  title = {x\n}\n@misc{b,\n  title = {y}}\n}", "braces of a do not match"),
        ],
    )
    def test_what_is_broken_is_said(self, text, message):
        with pytest.raises(ValueError, match=message):
            citations.parse(text)


class TestNames:
    def test_one_name_may_mean_two_things(self):
        assert citations.uses_of_names(["edm", "digits-exact"]) == [
            ("sampler", "edm"),
            ("discretization", "edm"),
            ("model", "digits-exact"),
        ]

    def test_the_nearest_is_named(self):
        with pytest.raises(UsageError, match="unknown name 'hen'; did you mean 'heun'"):
            citations.uses_of_names(["edm", "hen"])


class TestView:
    def test_what_ran(self):
        found = citations.cited(citations.uses_of_view(view()), [__version__])
        assert keys(found) == {
            "samplebench", "karras2022edm", "heusel2017gans", "alpaydin1998digits",
        }  # fmt: skip
        (edm,) = [c for c in found if c.key == "karras2022edm"]
        assert edm.uses == ("sampler heun", "discretization edm")

    def test_what_was_asked_for_counts_beside_what_ran(self):
        """ddim at eta=0 is computed as euler: its table says ddim."""
        found = citations.cited(
            citations.uses_of_view(view("euler", row_sampler="ddim")), [__version__]
        )
        assert {"song2021ddim", "song2021score"} <= keys(found)

    def test_guidance_its_interval_and_the_model_that_guides(self):
        found = view()
        assert not any(kind == "guidance" for kind, _ in citations.uses_of_view(found))
        conditions = found.cells["ab"]["conditions"]
        guide = {"id": "edm2-img64-s-autog-fid-guide"}
        conditions["guidance"] = {"name": "cfg", "interval": "0.3/5.0", "model": guide}
        uses = citations.uses_of_view(found)
        cited = keys(citations.cited(uses, [__version__]))
        assert {"ho2022classifierfree", "kynkaanniemi2024interval", "karras2024edm2"} <= cited
        assert citations.without_citation(uses) == []

    def test_explicit_levels_have_no_source(self):
        uses = citations.uses_of_view(view("ddim", grid=[80.0, 5.0, 1.0]))
        assert "karras2022edm" not in keys(citations.cited(uses, [__version__]))
        assert citations.without_citation(uses) == []

    def test_exact_draws_have_no_source(self):
        uses = citations.uses_of_view(view("exact", grid={"name": "no steps"}))
        assert ("sampler", "exact") in uses and citations.without_citation(uses) == []

    def test_code_of_others_is_named_as_unknown(self):
        uses = citations.uses_of_view(view("mine:sampler"))
        assert citations.without_citation(uses) == ["sampler mine:sampler"]
        assert "heusel2017gans" in keys(citations.cited(uses, [__version__]))

    def test_the_version_is_that_of_the_cells(self):
        versions = citations.versions_of_view(view())
        own = citations.cited([], versions)[0]
        assert versions == ["0.0.9"] and own.uses == ("samplebench 0.0.9",)
        assert "  version = {0.0.9},\n" in own.entry
        assert f"version = {{{__version__}}}" in citations.cited([], [__version__])[0].entry
        assert citations.parse(own.entry) == {"samplebench": own.entry}
